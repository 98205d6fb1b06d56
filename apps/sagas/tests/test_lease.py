"""One writer at a time: the lease keeps others away, and the fence whoever has lost it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from apps.core import clock, db
from apps.sagas import engine, services, store
from apps.sagas.definition import Observation, Outcome
from apps.sagas.tests import books, flow
from apps.sagas.types import Status

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 15
PATIENCE = 10  # seconds until a test that hangs fails instead


@pytest.fixture
def other():
    """A worker beside us, in a thread with a connection of its own."""
    with ThreadPoolExecutor(1) as threads:
        yield lambda work, *args, **facts: threads.submit(_and_disconnect, work, *args, **facts)


def _and_disconnect(work, *args, **facts):
    try:
        return work(*args, **facts)
    finally:
        connection.close()


class Gate:
    """Holds a worker inside a call until it is opened."""

    def __init__(self):
        self.entered = threading.Event()
        self.opened = threading.Event()
        self.uses = 1

    def __call__(self, _intent):
        if self.uses:
            self.uses -= 1
            self.entered.set()
            assert self.opened.wait(PATIENCE)


class TestRace:
    def test_of_two_workers_for_one_run_exactly_one_works(self, company):
        line = threading.Barrier(2)

        def take(run_ids):
            try:
                taken = []
                for run_id in run_ids:
                    line.wait(PATIENCE)
                    taken.append(services.advance(run_id=run_id))
                return taken
            finally:
                connection.close()

        started = [flow.start() for _ in range(ROUNDS)]
        flow.expire_leases()
        run_ids = [run.id for run, _ in started]
        with ThreadPoolExecutor(2) as threads:
            first, second = (threads.submit(take, run_ids) for _ in range(2))
            pairs = list(zip(first.result(), second.result(), strict=True))

        assert [sum(run is not None for run in pair) for pair in pairs] == [1] * ROUNDS
        for run, order in started:
            assert flow.reload(order).counters == flow.DONE
            assert flow.run_of(order).fence == run.fence + 1
        assert len(company.sent) == len(set(company.sent)) == 3 * ROUNDS

    def test_the_starter_and_a_worker_do_not_both_work(self, company, other):
        """The bell rings before the starter has begun: the lease was taken with the start."""
        run, order = flow.start()

        assert other(services.advance, run_id=run.id).result() is None
        services.advance_started(run, subject=order, until_answer=False)
        assert flow.reload(order).counters == flow.DONE

    def test_whoever_comes_while_a_call_is_under_way_has_nothing_to_do(self, company, other):
        gate = company.before_send = Gate()
        run, order = flow.start()
        at_work = other(services.advance_started, run, subject=order, until_answer=False)
        assert gate.entered.wait(PATIENCE)

        assert services.advance(run_id=run.id) is None
        assert services.sweep() == 0

        gate.opened.set()
        assert at_work.result().status == Status.COMPLETED
        assert len(company.sent) == 3


class TestTakenOver:
    """A worker hangs in a call until its lease is over and another has the run."""

    def test_before_its_request_arrives_the_same_key_is_honored_once(self, company, other):
        gate = company.before_send = Gate()
        run, order = flow.start()
        late = other(services.advance_started, run, subject=order, until_answer=False)
        assert gate.entered.wait(PATIENCE)
        flow.expire_leases()

        done = services.advance(run_id=run.id)
        before = flow.run_of(order)
        gate.opened.set()

        assert late.result().status == Status.COMPLETED
        assert done is not None
        assert done.fence == run.fence + 1
        assert flow.run_of(order) == before
        assert vars_of(flow.run_of(order)) == vars_of(before)
        assert flow.reload(order).counters == flow.DONE
        assert company.count("create") == 1

    def test_its_answer_is_noted_and_the_holder_goes_on(self, company, other):
        """The answer comes between the taking of the lease and the reading of open calls."""
        gate = company.after_send = Gate()
        run, order = flow.start()
        late = other(services.advance_started, run, subject=order)
        assert gate.entered.wait(PATIENCE)
        flow.expire_leases()
        taken = store.lease(run_id=run.id, now=clock.now())
        gate.opened.set()
        seen_by_the_late = late.result()

        [call] = books.fetch("SELECT outcome, provider_reference, answered FROM sagas_test_call")
        assert call == {
            "outcome": "UNKNOWN",
            "provider_reference": f"ref_{order.id}:CHARGE.create:1",
            "answered": False,
        }
        assert seen_by_the_late.completed_steps == ["RESERVE", "SCREEN"]
        done = engine.Turn(taken).go()
        assert done.status == Status.COMPLETED
        assert company.keys("create") == [f"{order.id}:CHARGE.create:1"]
        assert flow.reload(order).counters == flow.DONE

    @pytest.mark.parametrize("outcome", list(Outcome))
    def test_whatever_it_observed_it_changes_nothing_else(self, company, other, outcome):
        """Nor is the call closed: only who keeps the answer with the run may do that."""
        gate = Gate()
        run, order = flow.start()
        company.blind = True

        def answer(intent):
            gate(intent)
            return Observation(outcome, code="late", provider_reference="late", unsent=True)

        company.send = answer
        late = other(services.advance_started, run, subject=order)
        assert gate.entered.wait(PATIENCE)
        flow.expire_leases()
        services.advance(run_id=run.id)
        run_before, order_before = flow.run_of(order), flow.reload(order)
        gate.opened.set()
        late.result()

        assert vars_of(flow.run_of(order)) == vars_of(run_before)
        assert flow.reload(order) == order_before
        [call] = books.fetch("SELECT outcome, attempts, answered FROM sagas_test_call")
        assert call == {"outcome": "UNKNOWN", "attempts": 2, "answered": False}

    def test_what_it_tells_its_caller_is_what_is_written(self, company, other, monkeypatch):
        """Its own end, which was never committed, must not reach whoever waits for the answer."""
        gate = company.after_send = Gate()
        gate.uses = 0
        company.before_send = lambda intent: setattr(gate, "uses", int(intent.call == "send"))
        run, order = flow.start()
        turn = engine.Turn(run, subject=order)
        late = other(turn.go)
        assert gate.entered.wait(PATIENCE)
        flow.expire_leases()
        store.lease(run_id=run.id, now=clock.now())
        gate.opened.set()

        told = late.result()
        assert (told.status, told.current_step) == (Status.IN_PROGRESS, "SHIP")
        assert turn.subject == flow.reload(order)

    def test_and_failing_then_it_does_not_disturb_the_holder(self, company, other):
        gate = Gate()
        run, order = flow.start()

        def fail(intent):
            gate(intent)
            raise RuntimeError("late, and broken")

        company.before_send = fail
        late = other(services.advance_started, run, subject=order)
        assert gate.entered.wait(PATIENCE)
        flow.expire_leases()
        company.before_send = lambda intent: None
        services.advance(run_id=run.id)
        before = flow.run_of(order)
        gate.opened.set()

        told = late.result()
        assert vars_of(told) == vars_of(before)
        assert vars_of(flow.run_of(order)) == vars_of(before)
        assert (before.status, before.attempts) == (Status.COMPLETED, 0)

    def test_a_lease_that_ended_unnoticed_is_still_ones_own(self, company):
        """Nobody took the run: the fence is the same, so the slow worker simply goes on."""
        company.after_send = lambda intent: flow.expire_leases()
        _, order = flow.begin()

        assert flow.reload(order).counters == flow.DONE
        assert len(company.sent) == 3

    def test_at_the_look_up_it_does_not_send_again(self, company, other):
        """Before anything is sent a second time the lease is renewed, or the turn ends."""
        company.plan("create", "timeout_before")
        run, _ = flow.begin()
        books.execute("UPDATE sagas_run SET next_run_at = created_at")
        gate = company.before_look_up = Gate()
        late = other(services.advance, run_id=run.id)
        assert gate.entered.wait(PATIENCE)
        flow.expire_leases()
        store.lease(run_id=run.id, now=clock.now())
        gate.opened.set()

        late.result()
        assert len(company.sent) == 1


class TestHandOver:
    def test_lets_a_worker_take_the_run_at_once(self, bells, other):
        run, order = flow.start()
        services.hand_over(run)

        assert bells == [("sagas.advance", (str(run.id),))]
        other(services.advance, run_id=run.id).result()
        assert flow.reload(order).counters == flow.DONE

    def test_without_it_the_run_is_found_when_the_lease_ends(self):
        _, order = flow.start()

        assert services.sweep() == 0
        flow.expire_leases()
        assert services.sweep() == 1
        assert flow.reload(order).counters == flow.DONE


class TestTransactions:
    def test_a_run_is_never_advanced_inside_one(self):
        run, order = flow.start()

        with pytest.raises(AssertionError), db.unit():
            services.advance(run_id=run.id)
        with pytest.raises(AssertionError), db.unit():
            services.advance_started(run, subject=order)

    def test_a_run_is_never_started_outside_one(self):
        with pytest.raises(AssertionError):
            services.start(saga="purchase", book_id=None, subject_id=None, now=clock.now())


def vars_of(run):
    return {field.name: getattr(run, field.name) for field in run._meta.concrete_fields}
