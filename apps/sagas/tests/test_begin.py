"""A run that is begun in the commit that starts it: one message up to the first promise."""

from __future__ import annotations

from uuid import uuid4

import pytest

from apps.core import clock, db
from apps.sagas import services
from apps.sagas.models import Run
from apps.sagas.tests import books, flow
from apps.sagas.tests.books import Order
from apps.sagas.types import Status

pytestmark = pytest.mark.django_db(transaction=True)


def begun(**plan: object) -> tuple[Run, Order]:
    order = Order(uuid4(), uuid4(), 1, dict(plan), is_approved=False)
    with db.unit():
        books.insert(order)
        run = services.start(
            saga="purchase",
            book_id=order.book_id,
            subject_id=order.id,
            now=clock.now(),
            subject=order,
        )
    return run, order


def drive(run: Run, order: Order) -> Run:
    return services.advance_started(run, subject=order, until_answer=False)


class TestBegun:
    def test_promises_the_first_call_in_the_message_that_starts_it(self, messages):
        _run, order = begun()

        assert len(messages) == 1
        assert books.commits_of(order) == [["reserve", "screen"]]
        assert books.calls_of(order) == [("create", 1, "PENDING")]

    def test_goes_on_to_the_end_and_calls_everybody_once(self, company):
        run, order = begun()

        assert drive(run, order).status == Status.COMPLETED
        assert flow.reload(order).counters == flow.DONE
        assert [company.count(call) for call in ("create", "confirm", "send")] == [1, 1, 1]

    def test_whose_starter_died_is_found_with_its_promise_and_called_once(self, company):
        _run, order = begun()
        flow.expire_leases()

        services.sweep()

        assert flow.run_of(order).status == Status.COMPLETED
        assert company.count("create") == 1

    def test_that_is_handed_over_is_finished_by_whoever_takes_it(self, company):
        run, order = begun()
        services.hand_over(run)

        services.sweep()

        assert flow.run_of(order).status == Status.COMPLETED
        assert company.count("create") == 1

    def test_that_waits_before_its_first_call_rests_and_calls_nobody(self, company):
        run, order = begun(review=True)

        assert drive(run, order).status == Status.WAITING
        assert flow.run_of(order).lease_until is None
        assert company.count("create") == 0

    def test_refused_before_its_first_call_is_started_all_the_same_and_undone(self, company):
        run, order = begun(screen="refuse")

        assert flow.run_of(order).status == Status.IN_PROGRESS
        assert drive(run, order).status == Status.COMPENSATED
        assert flow.reload(order).counters == flow.UNDONE
        assert company.count("create") == 0
