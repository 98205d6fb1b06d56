"""Old definitions stay runnable, unknown ones are left to others, and stopping hands over."""

from dataclasses import replace

import pytest

from apps.core import db
from apps.sagas import definition, engine, services
from apps.sagas.definition import Local, Saga, nothing
from apps.sagas.models import Run
from apps.sagas.tests import books, flow
from apps.sagas.types import Status

pytestmark = pytest.mark.django_db(transaction=True)


def ship_first(context):
    books.change(context.subject, "ship_first")


class TestVersions:
    def newer(self) -> Saga:
        steps = (Local(ship_first, undo=nothing), *flow.PURCHASE.steps)
        return replace(flow.PURCHASE, steps=steps, version=2)

    def test_an_old_run_ends_as_it_began(self, time):
        run, order = flow.begin(review=True)
        definition.register(self.newer())
        with db.unit():
            books.approve(order)
            services.resume(run_id=run.id, now=time.now())

        done = services.advance(run_id=run.id)

        assert done is not None
        assert done.completed_steps == flow.STEPS
        assert "ship_first" not in books.entries_of(order)

    def test_a_new_run_takes_the_newest(self):
        definition.register(self.newer())

        run, order = flow.begin()

        assert run.definition_version == 2
        assert books.entries_of(order)[0] == "ship_first"

    def test_a_process_that_does_not_know_the_version_leaves_the_run_to_others(
        self, monkeypatch, time
    ):
        definition.register(self.newer())
        run, order = flow.begin(review=True)
        time.forward(seconds=flow.REVIEW_SECONDS)
        before = flow.run_of(order)
        newest = dict(definition._registered)
        monkeypatch.setattr(definition, "_registered", {("purchase", 1): flow.PURCHASE})

        assert services.advance(run_id=run.id) is None
        assert services.sweep() == 0

        assert Run.objects.filter(id=run.id).values().get() == {
            field.name: getattr(before, field.name) for field in Run._meta.concrete_fields
        }
        with db.unit():
            books.approve(order)
        monkeypatch.setattr(definition, "_registered", newest)
        services.sweep()
        assert flow.reload(order).counters == flow.DONE

    def test_unknown_runs_do_not_keep_the_sweeper_from_the_others(self, time):
        definition.register(self.newer())
        for _ in range(3):
            flow.begin(review=True)
        definition._registered.pop(("purchase", 2))
        time.forward(seconds=1)
        _, order = flow.begin(review=True)
        with db.unit():
            books.approve(order)
        time.forward(seconds=flow.REVIEW_SECONDS)

        assert services.sweep(limit=1) == 1

        assert flow.reload(order).counters == flow.DONE

    def test_a_saga_that_is_not_registered_cannot_be_started(self):
        with pytest.raises(definition.UnknownSaga), db.unit():
            services.start(saga="barter", book_id=None, subject_id=None, now=None)


class TestStopping:
    def test_the_run_is_handed_over_at_the_next_commit(self, company, bells, time):
        run, order = flow.start()
        company.after_send = lambda intent: engine.stopping.set()

        paused = services.advance_started(run, subject=order, until_answer=False)

        assert company.sent == [f"{order.id}:CHARGE.create:1"]
        assert books.calls_of(order) == [("create", 1, "SUCCEEDED")]
        assert (paused.status, paused.current_step) == (Status.IN_PROGRESS, "CHARGE")
        assert flow.run_of(order).lease_until is None
        assert bells == [("sagas.advance", (str(run.id),))]

    def test_the_next_worker_makes_no_call_twice(self, company):
        run, order = flow.start()
        company.after_send = lambda intent: engine.stopping.set()
        services.advance_started(run, subject=order, until_answer=False)
        engine.stopping.clear()
        company.after_send = lambda intent: None

        services.advance(run_id=run.id)

        assert len(company.sent) == 3
        assert company.looked_up == []
        assert flow.reload(order).counters == flow.DONE
