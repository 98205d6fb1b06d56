"""Killed at every message to the database and every call, before and after: done once.

A flow is run again and again, and killed one moment later each time, until a run comes through that
reached no such moment. So the list of moments is never written down and never out of date.
"""

import os
from contextlib import suppress
from itertools import count

import pytest
from django.db import connection

from apps.sagas import engine, services, store
from apps.sagas.tests import books, flow, outside
from apps.sagas.types import Status

pytestmark = pytest.mark.django_db(transaction=True)


class Killed(BaseException):
    """The process is gone: no handler may run, nothing is written, the lease is held."""


class Axe:
    """Falls at the n-th moment. Every message and every call has two, before it and after it."""

    def __init__(self, company, *moments):
        self.company = company
        self.moments = set(moments)
        self.passed = self.commits = 0
        self.where = []

    def __enter__(self):
        self.company.before_send = lambda intent: self.pass_by(f"before {intent.call}")
        self.company.after_send = lambda intent: self.pass_by(f"after {intent.call}")
        self.company.before_look_up = lambda intent: self.pass_by(f"looking up {intent.call}")
        self.wrapper = connection.execute_wrapper(self.execute)
        self.wrapper.__enter__()
        return self

    def __exit__(self, *_):
        self.wrapper.__exit__(None, None, None)
        nothing = self.company.before_send = self.company.after_send = lambda intent: None
        self.company.before_look_up = nothing

    def execute(self, execute, sql, params, many, context):
        self.commits += "UPDATE sagas_run" in sql
        what = f"commit {self.commits}" if "UPDATE sagas_run" in sql else sql[:60]
        self.pass_by(f"before {what}")
        result = execute(sql, params, many, context)
        self.pass_by(f"after {what}")
        return result

    def pass_by(self, where):
        self.passed += 1
        if self.passed in self.moments:
            self.where.append(where)
            self.fall(where)

    def fall(self, where):
        raise Killed(where)


def plan_of(company, faults):
    for call, names in faults.items():
        company.plan(call, *names)


def assert_consistent(order, company, ended, where):
    """What the books say, what the outside did, and how the run ended agree."""
    found = flow.reload(order)
    expected = flow.DONE if ended.status == Status.COMPLETED else flow.UNDONE
    assert found.counters == expected, where
    entries = books.entries_of(order)
    assert len(entries) == len(set(entries)), where
    if not found.plan.get("free"):
        assert company.count("confirm") - company.count("refund") == found.charged, where
    for call in ("create", "confirm", "send", "refund"):
        assert company.count(call) <= 1, (where, call)
    if ended.status == Status.COMPLETED:
        assert company.count("send") == 1, where


FLOWS = {
    "all goes well": ({}, {}, Status.COMPLETED),
    "nothing to do outside": ({"free": True}, {}, Status.COMPLETED),
    "timeout after the effect": ({}, {"confirm": ["timeout_after"]}, Status.COMPLETED),
    "timeout before it": ({}, {"confirm": ["timeout_before"]}, Status.COMPLETED),
    "error before the effect": ({}, {"create": ["error_before"]}, Status.COMPLETED),
    "error after it": ({}, {"create": ["error_after"]}, Status.COMPLETED),
    "unsent": ({}, {"create": ["unsent"]}, Status.COMPLETED),
    "declined": ({}, {"confirm": ["decline"]}, Status.COMPENSATED),
    "declined late": ({}, {"send": ["decline"]}, Status.COMPENSATED),
    "refused": ({"credit": "refuse"}, {}, Status.COMPENSATED),
    "refused by the database": ({"finish": "refuse_at_flush"}, {}, Status.COMPENSATED),
    "refused between calls": ({"between_calls": "refuse"}, {}, Status.COMPENSATED),
    "refused in then": ({"charged": "refuse_at_flush"}, {}, Status.COMPENSATED),
    "refund lost": ({"credit": "refuse"}, {"refund": ["timeout_after"]}, Status.COMPENSATED),
    "refund refused once": ({"credit": "refuse"}, {"refund": ["decline"]}, Status.COMPENSATED),
}


@pytest.mark.parametrize("name", FLOWS)
class TestKilledAtEveryMoment:
    def test_and_taken_over_it_is_done_once(self, name, settle):
        plan, faults, end = FLOWS[name]
        for moment in count(1):
            company = outside.place(outside.Outside())
            plan_of(company, faults)
            run, order = flow.start(**plan)
            with Axe(company, moment) as axe, suppress(Killed):
                services.advance_started(run, subject=order, until_answer=False)
            ended = settle(order)
            assert_consistent(order, company, ended, axe.where)
            assert ended.status == end, axe.where
            if not axe.where:
                assert moment > 6
                return


class TestKilledTwice:
    def test_at_any_two_moments_it_is_done_once(self, settle):
        """The second time while taking over: at the lease, the look-up, the sending again."""
        reached = 0
        for first in (9, 10, 14, 15, 20, 21, 22):
            for second in count(1):
                company = outside.place(outside.Outside())
                company.plan("confirm", "timeout_before", "error_after")
                run, order = flow.start(credit="refuse")
                with Axe(company, first) as axe:
                    try:
                        services.advance_started(run, subject=order, until_answer=False)
                    except Killed:
                        reached += 1
                flow.expire_leases()
                books.execute("UPDATE sagas_run SET next_run_at = created_at")
                with Axe(company, second) as again, suppress(Killed):
                    services.advance(run_id=run.id)
                ended = settle(order)
                assert_consistent(order, company, ended, axe.where + again.where)
                if not again.where:
                    break
        assert reached > 3


class TestKilledInTheMiddleOfAStart:
    def test_there_is_an_order_with_a_run_or_neither(self, company, settle):
        for moment in (1, 2):
            with Axe(company, moment), pytest.raises(Killed):
                flow.start()

        [row] = books.fetch("SELECT subject_id FROM sagas_run")
        [same] = books.fetch("SELECT id, book_id FROM sagas_test_order")
        assert row["subject_id"] == same["id"]
        order = books.load(same["book_id"], same["id"])
        settle(order)
        assert flow.reload(order).counters == flow.DONE


class TestLease:
    def test_of_the_dead_keeps_others_away_until_it_ends(self, company, settle):
        run, order = flow.start()
        with Axe(company, 3), pytest.raises(Killed):
            services.advance_started(run, subject=order)

        assert services.advance(run_id=run.id) is None
        assert services.sweep() == 0
        flow.expire_leases()
        taken = services.advance(run_id=run.id)
        assert taken is not None
        assert taken.fence == run.fence + 1
        assert flow.reload(order).counters == flow.DONE


@pytest.mark.parametrize("moment", ["before confirm", "after confirm", "after commit 3"])
class TestProcessKilled:
    """A real process, a real kill, and a lease that really runs out."""

    def test_and_swept_up_by_another_it_is_done_once(self, moment, monkeypatch, tmp_path):
        monkeypatch.setattr(engine, "SAFETY_SECONDS", -22.5)
        monkeypatch.setattr(store, "LEASE_SECONDS", 0.5)
        company = outside.place(outside.Outside(tmp_path / "book"))
        run, order = flow.start()
        connection.close()

        child = os.fork()
        if child == 0:
            try:
                with _ExitAt(company, moment):
                    services.advance_started(run, subject=order)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9

        company = outside.place(outside.Outside(tmp_path / "book"))
        assert company.count("create") == 1
        books.execute("SELECT pg_sleep_until(max(lease_until) + '1 ms') FROM sagas_run")
        assert services.sweep() == 1
        assert_consistent(order, company, flow.run_of(order), moment)
        assert flow.reload(order).counters == flow.DONE


class _ExitAt(Axe):
    """Ends the process at one named moment, as `kill -9` does."""

    def __init__(self, company, name):
        super().__init__(company)
        self.name = name

    def pass_by(self, where):
        if where == self.name:
            os._exit(9)
