"""A call that changes nothing may be made again and again; one that does, never."""

from dataclasses import replace
from datetime import timedelta

import pytest

from apps.core import db
from apps.sagas import definition, services
from apps.sagas.definition import Ready, Remote, Wait
from apps.sagas.tests import books, flow
from apps.sagas.types import Status

pytestmark = pytest.mark.django_db(transaction=True)


def with_shipping(prepare):
    """The tests' saga, with another way to decide what shipping does next."""
    prepare.__name__ = "ship"
    shipping = Remote(
        prepare, calls=(flow.SEND, flow.INSPECT), then=flow.shipped, undo=flow.call_back
    )
    steps = (*flow.PURCHASE.steps[:3], shipping, *flow.PURCHASE.steps[4:])
    definition.register(replace(flow.PURCHASE, steps=steps))


def nudge(run, time):
    with db.unit():
        services.resume(run_id=run.id, now=time.now())
    return services.advance(run_id=run.id)


class TestInspection:
    @pytest.fixture(autouse=True)
    def _looks_at_every_nudge(self):
        """Ask whether there is an order, at every nudge that brings none."""

        def prepare(context):
            if context.subject.is_approved:
                return flow.ship(context)
            if context.waited_for and not context.answered:
                return Ready("inspect", {})
            return Wait(context.now + timedelta(days=1), "order")

        with_shipping(prepare)

    def test_is_made_at_every_nudge_each_under_a_key_of_its_own(self, company, time):
        run, order = flow.begin(manual=True)
        for _ in range(3):
            waiting = nudge(run, time)
            assert (waiting.status, waiting.attempts) == (Status.WAITING, 0)

        assert company.keys("inspect") == [f"{order.id}:SHIP.inspect:{n}" for n in (1, 2, 3)]
        with db.unit():
            books.approve(order)
        nudge(run, time)
        assert flow.reload(order).counters == flow.DONE
        assert company.count("send") == 1

    def test_whose_answer_is_lost_is_looked_up_like_any_other(self, company, time):
        company.plan("inspect", "timeout_before", "ok", "timeout_after")
        run, order = flow.begin(manual=True)
        for _ in range(2):
            unknown = nudge(run, time)
            assert unknown.look_ups == 1
            time.forward(seconds=1)
            assert services.advance(run_id=run.id).status == Status.WAITING

        assert books.calls_of(order)[-2:] == [
            ("inspect", 1, "SUCCEEDED"),
            ("inspect", 2, "SUCCEEDED"),
        ]

    def test_that_finds_nothing_new_has_ended_even_if_it_was_asked_twice(self, company, time):
        company.plan("inspect", "timeout_before", "quiet", "quiet")
        run, order = flow.begin(manual=True)
        nudge(run, time)
        time.forward(seconds=1)

        waiting = services.advance(run_id=run.id)

        assert (waiting.status, waiting.waiting_for) == (Status.WAITING, "order")
        assert nudge(run, time).status == Status.WAITING
        assert books.calls_of(order)[-2:] == [("inspect", 1, "ABSENT"), ("inspect", 2, "ABSENT")]


class TestAnyOtherCall:
    def test_that_succeeded_is_not_made_again_though_a_step_should_ask_for_it(
        self, company, settle
    ):
        """A step that forgets what it was told is a bug; the key keeps it from doing harm."""
        with_shipping(lambda _context: Ready("send", {}))
        _, order = flow.begin()
        settle(order)

        assert flow.run_of(order).status == Status.NEEDS_ATTENTION
        assert company.keys("send") == [f"{order.id}:SHIP.send:1"]
