"""A saga that goes well: its commits, its waits, its nudges, its answer point."""

from dataclasses import replace
from datetime import timedelta

import pytest

from apps.core import db
from apps.sagas import definition, selectors, services
from apps.sagas.definition import Local, nothing
from apps.sagas.models import Run
from apps.sagas.tests import books, flow
from apps.sagas.types import Status

pytestmark = pytest.mark.django_db(transaction=True)


class TestForward:
    def test_every_step_is_done_once_and_the_run_ends(self, company):
        run, order = flow.begin()

        assert flow.reload(order).counters == flow.DONE
        assert (run.status, run.completed_steps, run.current_step) == (
            *(Status.COMPLETED, flow.STEPS, ""),
        )
        assert [company.count(call) for call in ("create", "confirm", "send", "refund")] == [
            *(1, 1, 1, 0)
        ]

    def test_what_is_returned_is_what_is_written(self):
        run, order = flow.begin()

        written = flow.run_of(order)
        for field in Run._meta.concrete_fields:
            if field.name not in ("lease_until", "updated_at"):
                assert getattr(run, field.name) == getattr(written, field.name), field.name
        assert written.lease_until is None

    def test_a_run_that_has_ended_is_left_alone(self, company):
        run, order = flow.begin()
        with db.unit():
            services.resume(run_id=run.id, now=run.updated_at)

        assert services.advance(run_id=run.id) is None
        assert flow.reload(order).counters == flow.DONE
        assert flow.run_of(order).nudges == 0

    def test_starts_in_the_callers_transaction_or_not_at_all(self):
        def start_and_fail():
            with db.unit():
                books.insert(order)
                services.start(
                    saga="purchase", book_id=order.book_id, subject_id=order.id, now=run.created_at
                )
                raise RuntimeError("the caller changed its mind")

        run, order = flow.start()
        order.id = order.book_id
        with pytest.raises(RuntimeError):
            start_and_fail()

        assert list(Run.objects.values_list("id", flat=True)) == [run.id]

    def test_the_public_form_names_the_seeds_five_facts(self):
        run, _ = flow.begin(manual=True)

        shown = selectors.public(run, subject="pay_1")
        assert shown.pop("saga_id").startswith("saga_")
        assert shown == {
            "payment_id": "pay_1",
            "current_step": "SHIP",
            "completed_steps": ["RESERVE", "SCREEN", "CHARGE"],
            "status": "WAITING",
        }


class TestCommits:
    def test_local_steps_and_the_then_before_them_share_one_commit(self):
        _, order = flow.begin()

        assert books.commits_of(order) == [
            ["reserve", "screen"],
            ["charged"],
            ["shipped", "credit", "finish"],
        ]

    def test_a_commit_is_one_message_and_nothing_is_read_between_them(self, messages):
        run, order = flow.start()
        del messages[:]

        services.advance_started(run, subject=order, until_answer=False)

        # Before create, before confirm, before send, and the last.
        assert len(messages) == 4
        assert all("UPDATE sagas_run" in message for message in messages)

    def test_a_run_with_nothing_to_do_outside_is_one_commit(self, messages):
        run, order = flow.start(free=True, manual=True)
        del messages[:]

        services.advance_started(run, subject=order)

        # The second is the look for a nudge that came meanwhile.
        assert len(messages) == 2
        assert books.commits_of(order) == [["reserve", "screen", "charged"]]

    def test_the_intent_is_committed_before_the_call_and_the_answer_before_the_next(self, company):
        seen = []
        company.before_send = lambda intent: seen.append(books.calls_of(order))
        run, order = flow.start()

        services.advance_started(run, subject=order, until_answer=False)

        assert seen == [
            [("create", 1, "PENDING")],
            [("create", 1, "SUCCEEDED"), ("confirm", 1, "PENDING")],
            [("create", 1, "SUCCEEDED"), ("confirm", 1, "SUCCEEDED"), ("send", 1, "PENDING")],
        ]

    def test_every_call_is_made_with_a_lease_longer_than_its_timeout(self, company):
        left = []

        def measure(intent):
            [row] = books.fetch(
                "SELECT extract(epoch FROM lease_until - clock_timestamp()) AS s FROM sagas_run"
            )
            left.append(float(row["s"]))

        company.before_send = company.before_look_up = measure
        company.plan("create", "timeout_before")
        run, _ = flow.begin()
        flow.expire_leases()
        books.execute("UPDATE sagas_run SET next_run_at = now() WHERE id = %s", run.id)
        services.advance(run_id=run.id)

        # create, its look-up, create again, confirm, send
        assert len(left) == 5
        assert min(left) > 23 + 4


class TestSkip:
    def test_then_runs_at_once_and_nobody_is_called(self, company):
        run, order = flow.begin(free=True)

        assert run.status == Status.COMPLETED
        assert flow.reload(order).counters == flow.DONE
        assert company.count("create") == company.count("confirm") == 0
        assert [call for call, _, _ in books.calls_of(order)] == ["send"]


class TestWait:
    def test_lets_go_of_the_run_until_the_date(self, time):
        run, order = flow.begin(review=True)

        assert (run.status, run.waiting_for, run.current_step) == (
            *(Status.WAITING, "review", "SCREEN"),
        )
        written = flow.run_of(order)
        assert written.lease_until is None
        assert written.next_run_at == time.now() + timedelta(seconds=flow.REVIEW_SECONDS)
        assert services.advance(run_id=run.id) is None
        assert services.sweep() == 0

    def test_keeps_what_was_done_before_it(self):
        _, order = flow.begin(review=True)

        assert books.commits_of(order) == [["reserve"]]
        assert flow.run_of(order).completed_steps == ["RESERVE"]

    def test_looks_again_when_the_date_has_come(self, time):
        run, order = flow.begin(review=True)
        time.forward(seconds=flow.REVIEW_SECONDS)

        again = services.advance(run_id=run.id)

        assert again is not None
        assert again.status == Status.WAITING
        assert again.next_run_at == time.now() + timedelta(seconds=flow.REVIEW_SECONDS)
        assert flow.reload(order).reserved == 1

    def test_a_nudge_with_an_order_ends_it(self, time, bells):
        run, order = flow.begin(review=True)
        with db.unit():
            books.approve(order)
            services.resume(run_id=run.id, now=time.now())
            assert bells == []

        assert bells == [("sagas.advance", (str(run.id),))]
        services.advance(run_id=run.id)
        assert flow.reload(order).counters == flow.DONE

    def test_a_nudge_without_an_order_changes_nothing(self, time, company):
        run, order = flow.begin(manual=True)
        before = flow.reload(order)
        with db.unit():
            services.resume(run_id=run.id, now=time.now())

        again = services.advance(run_id=run.id)

        assert again is not None
        assert (again.status, again.waiting_for) == (Status.WAITING, "order")
        assert flow.reload(order) == before
        assert company.keys("send") == []

    def test_the_step_knows_what_it_waited_for(self, time, monkeypatch):
        seen = []

        def ship(context):
            seen.append(context.waited_for)
            return flow.ship(context)

        step = replace(flow.PURCHASE.steps[3], prepare=ship)
        steps = (*flow.PURCHASE.steps[:3], step, *flow.PURCHASE.steps[4:])
        definition.register(replace(flow.PURCHASE, steps=steps))
        run, order = flow.begin(manual=True)
        with db.unit():
            books.approve(order)
            services.resume(run_id=run.id, now=time.now())
        services.advance(run_id=run.id)

        assert seen == ["", "order", ""]


class TestNudgeWhileSomebodyWorks:
    """The order is written after the worker has read, and the worker is about to wait."""

    def nudge_at(self, company, call, order, run, now):
        def nudge(intent):
            if intent.call == call:
                with db.unit():
                    books.approve(order)
                    services.resume(run_id=run.id, now=now)

        company.before_send = nudge

    def test_is_seen_by_the_worker_itself(self, company, time):
        """The guard on the subject fails, so the worker reads again and need not wait at all."""
        run, order = flow.start(manual=True)
        self.nudge_at(company, "confirm", order, run, time.now())

        done = services.advance_started(run, subject=order, until_answer=False)

        assert done.status == Status.COMPLETED
        assert flow.reload(order).counters == flow.DONE

    def test_makes_the_run_due_where_no_guard_notices_it(self, company, time, bells):
        """An approval that does not touch the subject's version is only in the nudge."""
        run, order = flow.start(review=True)

        def nudge(context):
            books.execute("UPDATE sagas_test_order SET is_approved = true WHERE id = %s", order.id)
            with db.unit():
                services.resume(run_id=run.id, now=time.now())
            return flow.screen(context)

        nudge.__name__ = "screen"
        steps = (flow.PURCHASE.steps[0], Local(nudge, undo=nothing), *flow.PURCHASE.steps[2:])
        definition.register(replace(flow.PURCHASE, steps=steps))

        paused = services.advance_started(run, subject=order)

        assert paused.status == Status.WAITING
        assert flow.run_of(order).next_run_at == time.now()
        # The nudge's own bell found the lease taken; the worker rings again as it lets go.
        assert bells == [("sagas.advance", (str(run.id),))] * 2
        definition.register(flow.PURCHASE)
        services.advance(run_id=run.id)
        assert flow.reload(order).counters == flow.DONE

    def test_makes_a_run_due_whose_call_ended_unknown(self, company, time, bells):
        """A provider's news arrives while its answer is lost: no second is waited."""
        run, order = flow.start()

        def nudge(_intent):
            with db.unit():
                services.resume(run_id=run.id, now=time.now())

        company.before_send = nudge
        company.plan("create", "timeout_after")
        services.advance_started(run, subject=order)

        assert flow.run_of(order).next_run_at == time.now()
        assert len(bells) == 2


class TestAnswerPoint:
    def test_the_run_is_handed_over_once_the_answer_is_known(self, bells, time, company):
        run, order = flow.start()

        paused = services.advance_started(run, subject=order, until_answer=True)

        assert paused.completed_steps == ["RESERVE", "SCREEN", "CHARGE"]
        assert (paused.status, paused.current_step) == (Status.IN_PROGRESS, "SHIP")
        written = flow.run_of(order)
        assert (written.next_run_at, written.lease_until) == (time.now(), None)
        assert bells == [("sagas.advance", (str(run.id),))]
        assert company.count("send") == 0

    def test_a_worker_takes_it_from_there(self):
        run, order = flow.start()
        services.advance_started(run, subject=order, until_answer=True)

        services.advance(run_id=run.id)

        assert flow.reload(order).counters == flow.DONE

    def test_nobody_stops_for_an_answer_when_no_call_was_made(self, bells):
        run, order = flow.start(free=True)

        done = services.advance_started(run, subject=order, until_answer=True)

        assert done.status == Status.COMPLETED
        assert bells == []
