"""The business says no: what was done is undone, right to left, once, and nothing else."""

from dataclasses import replace

import pytest

from apps.core import db
from apps.sagas import definition, engine, patience, services
from apps.sagas.tests import books, flow
from apps.sagas.types import Status

pytestmark = pytest.mark.django_db(transaction=True)

both_ways = pytest.mark.parametrize("how", ["refuse", "refuse_at_flush"])


class TestRefused:
    """In a step itself, or by the database when the step's commit is sent."""

    @both_ways
    def test_in_the_first_step_undoes_nothing_and_closes(self, how):
        run, order = flow.begin(reserve=how)

        assert run.status == Status.COMPENSATED
        assert books.entries_of(order) == ["close"]
        assert flow.reload(order).counters == flow.UNDONE

    @both_ways
    def test_undoes_the_step_before_and_not_the_one_that_failed(self, how):
        _, order = flow.begin(screen=how)

        assert books.entries_of(order) == ["reserve", "release", "close"]
        assert flow.reload(order).counters == flow.UNDONE

    @both_ways
    def test_in_prepare_before_any_call_leaves_the_other_side_alone(self, how, company):
        _, order = flow.begin(prepare_charge=how)

        assert books.entries_of(order) == ["reserve", "screen", "release", "close"]
        assert company.sent == company.looked_up == []
        assert books.calls_of(order) == []

    @both_ways
    def test_in_prepare_after_a_call_undoes_the_current_step_too(self, how, company):
        _, order = flow.begin(between_calls=how)

        assert books.entries_of(order) == ["reserve", "screen", "refunded", "release", "close"]
        assert [company.count(call) for call in ("create", "confirm", "refund")] == [1, 0, 0]

    @both_ways
    def test_in_then_gives_back_what_the_call_took(self, how, company):
        _, order = flow.begin(charged=how)

        assert books.entries_of(order) == ["reserve", "screen", "refunded", "release", "close"]
        assert [company.count(call) for call in ("confirm", "refund")] == [1, 1]
        assert flow.reload(order).counters == flow.UNDONE

    @both_ways
    def test_after_everything_undoes_everything_from_right_to_left(self, how, company):
        run, order = flow.begin(finish=how)

        assert books.entries_of(order) == [
            *("reserve", "screen", "charged", "shipped", "credit"),
            *("debit", "call_back", "refunded", "release", "close"),
        ]
        assert flow.reload(order).counters == flow.UNDONE
        assert [company.count(call) for call in ("confirm", "refund")] == [1, 1]
        assert (run.status, run.current_step, run.completed_steps) == (Status.COMPENSATED, "", [])

    def test_makes_no_call_twice_on_the_way_to_the_culprit(self, company):
        """The commit that failed is repeated step by step; the calls before it are not."""
        flow.begin(finish="refuse_at_flush")

        assert len(company.sent) == len(set(company.sent)) == 4
        assert company.looked_up == []

    def test_is_told_to_on_abort_and_kept(self):
        run, order = flow.begin(credit="refuse")

        assert run.abort == {"code": "refused", "message": "credit", "decline_code": ""}
        assert flow.reload(order).abort_code == "refused"
        assert flow.run_of(order).abort == run.abort

    def test_closes_in_the_commit_that_ends_the_run(self):
        flow.begin(credit="refuse")

        [row] = books.fetch(
            "SELECT xmin::text AS ended, (SELECT transaction::text FROM sagas_test_entry e"
            " WHERE e.order_id = r.subject_id AND entry = 'close') AS closed FROM sagas_run r"
        )
        assert row["ended"] == row["closed"]

    def test_ends_the_wait_of_a_run_that_had_come_far(self, time):
        run, order = flow.begin(manual=True, credit="refuse")
        with db.unit():
            books.approve(order)
            services.resume(run_id=run.id, now=time.now())
        services.advance(run_id=run.id)

        assert flow.reload(order).counters == flow.UNDONE
        assert flow.run_of(order).waiting_for == ""


class TestStopped:
    def test_half_way_back_the_next_worker_goes_on_backwards(self, company):
        run, order = flow.start(finish="refuse")
        company.after_send = lambda intent: intent.call == "refund" and engine.stopping.set()
        paused = services.advance_started(run, subject=order, until_answer=False)
        assert (paused.status, paused.current_step) == (Status.COMPENSATING, "CHARGE")
        engine.stopping.clear()

        services.advance(run_id=run.id)

        assert flow.reload(order).counters == flow.UNDONE
        assert books.entries_of(order).count("call_back") == 1
        assert company.keys("refund") == [f"{order.id}:CHARGE~REFUND.refund:1"]


class TestStaleRead:
    """What was read has changed meanwhile. That is nobody's no: read again."""

    def test_is_read_again_and_the_step_is_done_once(self, company):
        run, order = flow.start()
        company.before_send = lambda intent: books.replan(order)

        done = services.advance_started(run, subject=order, until_answer=False)

        assert (done.status, done.attempts) == (Status.COMPLETED, 0)
        assert flow.reload(order).counters == flow.DONE
        assert len(company.sent) == 3

    def test_a_subject_that_never_stands_still_is_tried_again_later(self, settle):
        loads = []

        def load(book_id, order_id):
            found = books.load(book_id, order_id)
            loads.append(found)
            if len(loads) <= 10:
                books.replan(found)
            return found

        definition.register(replace(flow.PURCHASE, load=load))
        run, order = flow.start()
        books.replan(order)

        paused = services.advance_started(run, subject=order, until_answer=False)

        assert len(loads) <= patience.STALE_LIMIT + 2
        assert (paused.status, paused.attempts, paused.abort) == (Status.IN_PROGRESS, 1, None)
        assert books.entries_of(order) == []
        settle(order)
        assert flow.reload(order).counters == flow.DONE

    def test_a_slot_that_somebody_else_holds_is_waited_for(self, company, settle):
        """One open call per order: the database refuses the second, and that undoes nothing."""
        run, order = flow.start()
        books.execute(
            "INSERT INTO sagas_test_call (op_key, book_id, subject_id, run_id, step, call, request,"
            " created_at) VALUES ('other', %s, %s, %s, 'X', 'x', '{}', now())",
            *(order.book_id, order.id, order.id),
        )

        paused = services.advance_started(run, subject=order, until_answer=False)

        assert (paused.status, paused.attempts, paused.abort) == (Status.IN_PROGRESS, 1, None)
        assert company.sent == []
        books.execute("UPDATE sagas_test_call SET outcome = 'FAILED'")
        settle(order)
        assert flow.reload(order).counters == flow.DONE


class TestUndoThatRefuses:
    """There is no way back from the way back: it is tried again, and then a person looks."""

    @both_ways
    def test_is_retried_and_then_shown_to_a_person(self, how, settle, time):
        run, order = flow.begin(credit="refuse", release=how)
        assert (run.status, run.attempts, run.current_step) == (
            *(Status.COMPENSATING, 1, "RESERVE"),
        )

        settle(order)

        stuck = flow.run_of(order)
        assert (stuck.status, stuck.current_step) == (Status.NEEDS_ATTENTION, "RESERVE")
        assert books.entries_of(order)[-1] == "refunded"
        assert flow.reload(order).closed == 0
        books.replan(order)
        with db.unit():
            services.retry(run_id=run.id, now=time.now())
        settle(order)
        assert flow.reload(order).counters == flow.UNDONE
