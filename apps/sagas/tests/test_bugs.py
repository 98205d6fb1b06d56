"""Anything that is not the business saying no: nobody knows, so it is tried again, never undone."""

import psycopg
import pytest
from django.db import connection

from apps.core import db
from apps.sagas import patience, services
from apps.sagas.tests import books, flow
from apps.sagas.types import Status

pytestmark = pytest.mark.django_db(transaction=True)


def go_on(order, time):
    run = flow.run_of(order)
    time.move_to(run.next_run_at)
    return services.advance(run_id=run.id)


@pytest.mark.parametrize("how", ["bug", "bug_at_flush"])
class TestBug:
    def test_is_tried_again_later_and_keeps_nothing_of_the_step(self, how, time):
        run, order = flow.begin(screen=how)

        assert (run.status, run.attempts, run.abort) == (Status.IN_PROGRESS, 1, None)
        assert flow.run_of(order).lease_until is None
        assert books.entries_of(order) == []

    def test_comes_back_ever_more_slowly_and_then_asks_a_person(self, how, time):
        _, order = flow.begin(credit=how)

        for attempt in range(1, patience.RETRY_LIMIT):
            found = flow.run_of(order)
            delay = (found.next_run_at - time.now()).total_seconds()
            assert found.attempts == attempt
            assert found.status == Status.IN_PROGRESS
            assert min(2**attempt, 300) / 2 <= delay <= min(2**attempt, 300)
            go_on(order, time)

        stuck = flow.run_of(order)
        assert (stuck.status, stuck.attempts) == (Status.NEEDS_ATTENTION, patience.RETRY_LIMIT)
        assert (stuck.next_run_at, stuck.lease_until, stuck.abort) == (None, None, None)
        assert stuck.last_error

    def test_undoes_nothing_and_repeats_no_call(self, how, settle, company):
        _, order = flow.begin(credit=how)
        settle(order)

        assert flow.reload(order).counters == (1, 1, 0, 0, 0, 0)
        assert company.sent == [
            f"{order.id}:{call}:1" for call in ("CHARGE.create", "CHARGE.confirm", "SHIP.send")
        ]
        assert company.count("refund") == 0

    def test_is_finished_by_a_person_once_it_is_mended(self, how, settle, time, bells):
        run, order = flow.begin(credit=how)
        settle(order)
        books.replan(order)
        del bells[:]
        with db.unit():
            services.retry(run_id=run.id, now=time.now())

        assert bells == [("sagas.advance", (str(run.id),))]
        done = settle(order)
        assert (done.status, done.attempts, done.last_error) == (Status.COMPLETED, 0, "")
        assert flow.reload(order).counters == flow.DONE

    def test_on_the_way_back_is_not_taken_for_an_answer_either(self, how, settle, time):
        run, order = flow.begin(credit="refuse", release=how)
        settle(order)
        assert flow.run_of(order).status == Status.NEEDS_ATTENTION
        books.replan(order)
        with db.unit():
            services.retry(run_id=run.id, now=time.now())

        assert settle(order).status == Status.COMPENSATED
        assert flow.reload(order).counters == flow.UNDONE


class TestAttempts:
    def test_are_counted_anew_once_the_run_has_moved(self, time):
        _, order = flow.begin(screen="bug", manual=True)
        for _ in range(5):
            go_on(order, time)
        assert flow.run_of(order).attempts == 6
        books.replan(order, manual=True)

        waiting = go_on(order, time)

        assert (waiting.status, waiting.attempts, waiting.last_error) == (Status.WAITING, 0, "")

    def test_are_not_used_up_by_look_ups_that_could_not_tell(self, company, time):
        """An outage of hours, and then one hiccup of our own: still nobody's business."""
        company.blind = True
        company.plan("create", "timeout_after")
        _, order = flow.begin()
        for _ in range(patience.RETRY_LIMIT + 2):
            go_on(order, time)
        company.before_look_up = fail_once(company)

        hiccup = go_on(order, time)

        assert (hiccup.status, hiccup.attempts) == (Status.IN_PROGRESS, 1)
        assert hiccup.look_ups == patience.RETRY_LIMIT + 3
        company.blind = False
        assert go_on(order, time).status == Status.COMPLETED

    def test_a_run_that_needs_nobody_cannot_be_retried(self, time):
        run, order = flow.begin(review=True)
        before = flow.run_of(order)

        with pytest.raises(db.GuardFailed), db.unit():
            services.retry(run_id=run.id, now=time.now())

        assert flow.run_of(order).next_run_at == before.next_run_at

    def test_a_nudge_does_not_wake_a_run_that_waits_for_a_person(self, settle, time):
        run, order = flow.begin(reserve="bug")
        settle(order)
        with db.unit():
            services.resume(run_id=run.id, now=time.now())

        assert services.advance(run_id=run.id) is None
        assert flow.run_of(order).next_run_at is None


def fail_once(company):
    def fail(intent):
        company.before_send = company.before_look_up = lambda intent: None
        raise ConnectionError("nobody is at home")

    return fail


class TestCallThatRaises:
    """An adapter must answer in three values; one that raises has told us nothing."""

    def test_before_its_effect_is_looked_up_and_sent_again(self, company, settle):
        company.before_send = fail_once(company)
        run, order = flow.begin()
        assert (run.attempts, books.calls_of(order)) == (1, [("create", 1, "PENDING")])

        settle(order)

        assert flow.reload(order).counters == flow.DONE
        assert company.looked_up == [f"{order.id}:CHARGE.create:1"]
        assert len(set(company.sent)) == len(company.sent) == 3

    def test_after_its_effect_is_looked_up_and_not_sent_again(self, company, settle):
        def fail(intent):
            company.after_send = lambda intent: None
            raise ValueError("not JSON")

        company.after_send = fail
        _, order = flow.begin()
        settle(order)

        assert flow.reload(order).counters == flow.DONE
        assert company.keys("create") == [f"{order.id}:CHARGE.create:1"]

    @pytest.mark.parametrize("text", ["\x00", "\ud800 lone", "x" * 1000, "ü" * 400])
    def test_with_any_words_has_them_noted(self, company, text):
        def fail(intent):
            raise ValueError(text)

        company.before_send = fail
        run, order = flow.begin()

        assert run.attempts == 1
        assert flow.run_of(order).last_error.startswith("ValueError: ")


class TestConnectionLost:
    """The server ended our connection: it may have committed, or not. Ask, and go on."""

    def cut(self, when):
        pid = connection.connection.info.backend_pid
        settings = connection.get_connection_params()
        settings = {k: settings[k] for k in ("dbname", "user", "host") if settings.get(k)}

        def cut_once(execute, sql, params, many, context):
            if "UPDATE sagas_run" not in sql or not todo:
                return execute(sql, params, many, context)
            todo.pop()
            if when == "after":
                execute(sql, params, many, context)
            with psycopg.connect(**settings, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 2000)", [pid])
            if when == "after":
                sql = "SELECT 1"  # what was sent is committed; its answer never comes
            return execute(sql, params, many, context)

        todo = [True]
        return connection.execute_wrapper(cut_once)

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_is_opened_again_and_the_run_retried_without_waiting_for_its_lease(
        self, when, settle, company
    ):
        run, order = flow.start()
        with self.cut(when):
            paused = services.advance_started(run, subject=order)

        assert (paused.attempts, paused.status) == (1, Status.IN_PROGRESS)
        assert flow.run_of(order).lease_until is None
        assert company.sent == []
        settle(order)
        assert flow.reload(order).counters == flow.DONE
        assert [company.count(call) for call in ("create", "confirm", "send")] == [1, 1, 1]


def test_a_server_that_was_demoted_is_left_for_the_one_that_writes(settle, company, time):
    """The call is made, and its answer cannot be written down where the old connection leads."""

    def demote(_intent):
        company.after_send = lambda _intent: None
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on")

    company.after_send = demote
    run, order = flow.begin()

    assert (run.status, run.attempts) == (Status.IN_PROGRESS, 1)
    assert flow.run_of(order).lease_until is None, "whoever is next does not wait for a lease"
    assert settle(order).status == Status.COMPLETED
    assert flow.reload(order).counters == flow.DONE
    assert company.keys("create") == [f"{order.id}:CHARGE.create:1"]
