"""The sweeper: every run ends although no bell ever rings."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection

from apps.core import db
from apps.sagas import definition, engine, services, store, tasks
from apps.sagas.tests import books, flow
from apps.sagas.types import Status

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 10  # seconds until a test that hangs fails instead


class TestSweep:
    def test_finishes_every_run_with_the_bell_silent(self, company, time, bells):
        company.plan("create", "timeout_after", "error_before", "unsent", "timeout_before")
        company.plan("refund", "timeout_after")
        plans = [{}, {}, {}, {}, {}, {"free": True}, {"credit": "refuse"}, {"manual": True}]
        orders = [flow.start(**plan)[1] for plan in plans]
        flow.expire_leases()
        for _ in range(8):
            services.sweep()
            time.forward(seconds=5)
        time.forward(seconds=flow.REVIEW_SECONDS)
        with db.unit():
            books.approve(orders[-1])
        services.sweep()

        counters = [flow.reload(order).counters for order in orders]
        assert counters == [flow.DONE] * 6 + [flow.UNDONE, flow.DONE]
        assert all(task == "sagas.advance" for task, _ in bells)

    def test_takes_the_longest_overdue_first(self, company, time):
        orders = [flow.start()[1] for _ in range(5)]
        flow.expire_leases()
        for late, order in zip((3, 1, 5, 2, 4), orders, strict=True):
            books.execute(
                "UPDATE sagas_run SET next_run_at = %s WHERE subject_id = %s",
                *(time.now() - timedelta(minutes=late), order.id),
            )
        taken = []
        company.before_send = lambda intent: taken.append(intent.subject_id)

        assert services.sweep(limit=3) == 3

        assert list(dict.fromkeys(taken)) == [orders[2].id, orders[4].id, orders[0].id]

    def test_leaves_alone_what_is_not_due_or_held_or_ended(self, company, time):
        ended, waiting = flow.begin(free=True), flow.begin(review=True)
        held, _ = flow.start()
        del company.sent[:]

        assert services.sweep() == 0

        assert company.sent == []
        assert flow.run_of(ended[1]).status == Status.COMPLETED
        assert flow.run_of(waiting[1]).status == Status.WAITING
        assert flow.run_of(waiting[1]).fence == held.fence

    def test_goes_on_after_a_run_that_cannot_be_moved_at_all(self):
        def load(book_id, order_id):
            if order_id == broken.id:
                raise LookupError("this order cannot even be read")
            return books.load(book_id, order_id)

        definition.register(replace(flow.PURCHASE, load=load))
        _, broken = flow.start()
        _, healthy = flow.start()
        flow.expire_leases()

        assert services.sweep() == 2

        assert flow.reload(healthy).counters == flow.DONE
        found = flow.run_of(broken)
        assert (found.attempts, found.lease_until) == (1, None)

    def test_stops_between_two_runs_when_the_process_is_to_stop(self, company):
        orders = [flow.start()[1] for _ in range(3)]
        flow.expire_leases()
        company.after_send = lambda intent: engine.stopping.set()

        services.sweep()

        assert len(company.sent) == 1
        assert [flow.run_of(order).fence for order in orders] == [2, 1, 1]


class TestSweeper:
    """The thread of every worker; `stopping` is the one thing it shares with it."""

    @pytest.fixture(autouse=True)
    def _seldom(self, settings):
        settings.PAYSYS_SWEEP_SECONDS = 3600.0

    def sweep(self, stopping, until):
        thread = threading.Thread(target=tasks.sweep_until, args=(stopping,))
        thread.start()
        assert until.wait(PATIENCE)
        stopping.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()

    def test_sweeps_at_once_when_a_worker_starts_and_stops_promptly(self, company):
        """That is the recovery: what a dead worker left is taken up by the next that starts."""
        _, order = flow.start()
        flow.expire_leases()
        shipped = threading.Event()
        company.after_send = lambda intent: shipped.set() if intent.call == "send" else None

        self.sweep(threading.Event(), until=shipped)

        assert flow.reload(order).counters == flow.DONE

    def test_outlives_a_sweep_that_fails(self, monkeypatch, settings, company):
        settings.PAYSYS_SWEEP_SECONDS = 0.01
        _, order = flow.start()
        flow.expire_leases()
        books.execute("ALTER TABLE sagas_run RENAME TO sagas_run_away")
        failed, shipped = threading.Event(), threading.Event()

        def note(*_args, **_facts):
            failed.set()

        monkeypatch.setattr(tasks.log, "exception", note, raising=False)
        company.after_send = lambda intent: shipped.set() if intent.call == "send" else None

        def mend():
            try:
                failed.wait(PATIENCE)
                books.execute("ALTER TABLE sagas_run_away RENAME TO sagas_run")
            finally:
                connection.close()

        mending = threading.Thread(target=mend)
        mending.start()
        self.sweep(threading.Event(), until=shipped)
        mending.join(PATIENCE)

        assert failed.is_set()
        assert flow.reload(order).counters == flow.DONE

    def test_starts_and_stops_with_the_worker(self, company):
        flow.start()
        flow.expire_leases()
        shipped = threading.Event()
        company.after_send = lambda intent: shipped.set() if intent.call == "send" else None

        tasks.start_sweeper()
        [sweeper] = [thread for thread in threading.enumerate() if thread.name == "sweeper"]
        assert shipped.wait(PATIENCE)
        tasks.stop_sweeper()
        sweeper.join(PATIENCE)

        assert not sweeper.is_alive()
        assert engine.stopping.is_set()

    def test_a_task_moves_the_run_it_names(self):
        run, order = flow.start()
        services.hand_over(run)

        tasks.advance(str(run.id))

        assert flow.reload(order).counters == flow.DONE


class TestPool:
    """The threads of the web process, which answer while a request waits."""

    @pytest.fixture(autouse=True)
    def pool(self, monkeypatch):
        pool = services._Pool(2)
        monkeypatch.setattr(services, "_pool", pool)
        yield pool
        line = threading.Barrier(2)

        def disconnect():
            connection.close()
            line.wait(PATIENCE)

        for _ in range(2):
            pool._threads.submit(disconnect)
        pool._threads.shutdown()

    def test_drives_a_run_to_its_answer_point(self, bells):
        run, order = flow.start()

        progress = services.drive(run, subject=order).result(PATIENCE)

        assert progress.run.completed_steps == ["RESERVE", "SCREEN", "CHARGE"]
        assert (progress.subject.charged, progress.subject.shipped) == (1, 0)
        assert progress.subject == flow.reload(order)
        assert bells == [("sagas.advance", (str(run.id),))]

    def test_tells_of_an_abort(self, company):
        company.plan("confirm", "decline")
        run, order = flow.start()

        progress = services.drive(run, subject=order).result(PATIENCE)

        assert progress.run.status == Status.COMPENSATED
        assert progress.run.abort["decline_code"] == "insufficient_funds"

    def test_does_not_tell_what_was_never_committed(self):
        run, order = flow.start(finish="bug", free=True)

        progress = services.drive(run, subject=order).result(PATIENCE)

        assert progress.run.attempts == 1
        assert progress.subject == flow.reload(order)
        assert progress.subject.counters == (1, 1, 0, 0, 0, 0)

    def test_a_call_that_hangs_is_not_waited_for_longer_than_the_budget(self, company):
        gate = threading.Event()
        company.before_send = lambda intent: gate.wait(PATIENCE)
        run, order = flow.start()
        future = services.drive(run, subject=order)

        with pytest.raises(TimeoutError):
            future.result(timeout=0.01)

        gate.set()
        future.result(PATIENCE)
        assert flow.reload(order).charged == 1

    def test_full_takes_nothing_more_and_hands_the_run_to_a_worker(self, company, bells):
        gate = threading.Event()
        company.before_send = lambda intent: gate.wait(PATIENCE)
        busy = [services.drive(run, subject=order) for run, order in (flow.start(), flow.start())]
        run, order = flow.start()

        assert services.drive(run, subject=order) is None

        assert bells == [("sagas.advance", (str(run.id),))]
        assert flow.run_of(order).lease_until is None
        gate.set()
        services.advance(run_id=run.id)
        assert flow.reload(order).counters == flow.DONE
        assert all(future.result(PATIENCE) for future in busy)

    def test_has_room_again_once_a_run_was_answered(self, company):
        for _ in range(5):
            run, order = flow.start()
            future = services.drive(run, subject=order)
            assert future is not None
            future.result(PATIENCE)

    def test_drives_a_run_again_that_was_nudged(self, time):
        run, order = flow.begin(manual=True)
        with db.unit():
            books.approve(order)
            services.resume(run_id=run.id, now=time.now(), is_ringing=False)

        future = services.drive_again(run.id)

        assert future.result(PATIENCE).status == Status.COMPLETED
        assert flow.reload(order).counters == flow.DONE

    def test_full_rings_for_a_run_that_was_nudged(self, company, time, bells):
        waiting, _ = flow.begin(manual=True)
        gate = threading.Event()
        company.before_send = lambda intent: gate.wait(PATIENCE)
        busy = [services.drive(run, subject=order) for run, order in (flow.start(), flow.start())]

        assert services.drive_again(waiting.id) is None

        assert bells == [("sagas.advance", (str(waiting.id),))]
        gate.set()
        assert all(future.result(PATIENCE) for future in busy)

    def test_of_a_process_that_ends_hands_the_run_to_a_worker(self, pool, bells):
        class Ended:
            def submit(self, *_):
                raise RuntimeError("cannot schedule new futures after shutdown")

        threads, pool._threads = pool._threads, Ended()
        run, order = flow.start()

        assert services.drive(run, subject=order) is None

        assert flow.run_of(order).lease_until is None
        assert bells == [("sagas.advance", (str(run.id),))]
        pool._threads = threads

    def test_a_thread_whose_connection_was_lost_has_a_new_one_the_next_time(self, company):
        def cut(intent):
            company.before_send = lambda intent: None
            connection.connection.close()

        company.before_send = cut
        run, order = flow.start()
        services.drive(run, subject=order).result(PATIENCE)
        found = flow.run_of(order)
        assert (found.attempts, found.status) == (1, Status.IN_PROGRESS)
        assert found.lease_until is None
        later = store.lease(run_id=run.id, now=found.next_run_at)
        assert engine.Turn(later).go().status == Status.COMPLETED
        for _ in range(3):
            run, order = flow.start()
            services.drive(run, subject=order).result(PATIENCE)
            assert flow.reload(order).charged == 1
