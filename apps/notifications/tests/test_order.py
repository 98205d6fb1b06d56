"""The order of an object's events, and who waits for whom: nobody for another endpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.core import clock
from apps.merchants.tests.makers import make_shop
from apps.notifications import courier as couriers
from apps.notifications import store
from apps.notifications.courier import Courier
from apps.notifications.models import Delivery, OutboxEntry
from apps.notifications.tests.scene import (
    assert_books_hold,
    deliveries_of,
    finish,
    make_due,
    make_endpoint,
    publish,
    publish_line,
    uuid_of,
)
from apps.notifications.tests.sink import reset
from apps.notifications.types import SCHEDULE

pytestmark = pytest.mark.django_db(transaction=True)


def go_on(courier: Courier, *, until: Callable[[], bool], most: int = 200) -> None:
    """Rounds until the courier has come so far; some of it hangs, so it never finishes."""
    for _ in range(most):
        courier.round(now=clock.now())
        if until():
            return
        courier.woken.wait(0.05)
        courier.woken.clear()
    raise AssertionError("the courier does not come so far")


class TestOrder:
    def test_events_of_an_object_are_told_one_after_the_other(self, shop, sink, courier):
        make_endpoint(shop, sink.url())
        lines = [publish_line(shop, 5) for _ in range(3)]
        finish(courier)

        assert len(sink.received) == 15
        told = {}
        for one in Delivery.objects.order_by("delivered_at"):
            told.setdefault(one.subject_id, []).append(one.sequence)
        assert told == {line: [1, 2, 3, 4, 5] for line in lines}
        assert_books_hold()

    def test_a_failed_one_holds_back_the_later_ones_of_its_object_alone(self, shop, sink, courier):
        endpoint = make_endpoint(shop, sink.url())
        publish_line(shop, 3)
        sink.plan(500)
        finish(courier)
        publish_line(shop, 2, payload={"id": "pay_other"})
        finish(courier)

        told = [(one.event["data"]["object"]["id"], one.event["sequence"]) for one in sink.received]
        assert told == [("pay_1", 1), ("pay_other", 1), ("pay_other", 2)]
        waiting = deliveries_of(shop, endpoint, status="PENDING")
        assert [one["next_attempt_at"] is None for one in waiting] == [False, True, True]
        assert_books_hold()

        make_due()
        finish(courier)
        assert sink.sequences == [1, 1, 2, 1, 2, 3]
        assert_books_hold()

    def test_it_holds_them_back_until_it_is_given_up(self, shop, sink, courier):
        make_endpoint(shop, sink.url())
        sink.plan(*[500] * 10)
        publish_line(shop, 2)
        for _ in SCHEDULE:
            assert 2 not in sink.sequences
            finish(courier)
            make_due()
        finish(courier)
        assert sink.sequences == [1] * 10 + [2]
        assert_books_hold()

    def test_what_happens_meanwhile_gets_in_line(self, shop, sink, courier):
        make_endpoint(shop, sink.url())
        subject = publish_line(shop, 1)
        sink.plan(500)
        finish(courier)
        publish(shop, subject_id=subject, sequence=4)
        finish(courier)
        assert sink.sequences == [1]
        assert_books_hold()

        make_due()
        finish(courier)
        assert sink.sequences == [1, 1, 4]

    def test_one_endpoint_waits_for_no_other(self, shop, sink, other_sink, courier):
        make_endpoint(shop, sink.url())
        make_endpoint(shop, other_sink.url())
        sink.always = 500
        publish_line(shop, 3)
        finish(courier)
        assert sink.sequences == [1]
        assert other_sink.sequences == [1, 2, 3]


class TestAHangingEndpoint:
    def test_keeps_one_thread_busy_and_nobody_waiting(self, shop, sink, other_sink, courier):
        make_endpoint(shop, sink.url())
        make_endpoint(shop, other_sink.url())
        sink.always = sink.hang
        for _ in range(20):
            publish(shop)
        go_on(courier, until=lambda: Delivery.objects.filter(status="DELIVERED").count() == 20)

        assert len(other_sink.received) == 20
        assert len(sink.received) == 1
        assert Delivery.objects.filter(status="PENDING").count() == 20
        sink.released.set()
        finish(courier)
        assert len(sink.received) == 20
        assert_books_hold()

    def test_that_are_known_to_hang_leave_a_thread_to_those_that_answer(
        self, shop, sink, other_sink, courier
    ):
        def fail_and_hang(handler: Any) -> None:
            is_first = [one.path for one in sink.received].count(handler.path) == 1
            (reset if is_first else sink.hang)(handler)

        for number in range(6):
            make_endpoint(shop, sink.url(f"/{number}"))
        sink.always = fail_and_hang
        for _ in range(3):
            publish(shop)
        go_on(courier, until=lambda: len(sink.received) == 6 + 3)
        make_endpoint(shop, other_sink.url())
        publish(shop)
        go_on(courier, until=lambda: len(other_sink.received) == 1)

        assert len(sink.received) == 6 + 3, "one thread of four was left"
        sink.released.set()
        finish(courier)
        assert_books_hold()

    def test_more_than_there_are_threads_delay_others_until_one_gives_up(
        self, shop, sink, other_sink, courier
    ):
        for number in range(4):
            make_endpoint(shop, sink.url(f"/{number}"))
        make_endpoint(shop, other_sink.url())
        sink.always = sink.hang
        publish(shop)
        courier.round(now=clock.now())
        sink.released.set()
        finish(courier)
        assert (len(sink.received), len(other_sink.received)) == (4, 1)

    def test_a_fast_one_is_told_of_several_things_at_once(self, shop, sink, courier):
        make_endpoint(shop, sink.url())
        for _ in range(3):
            publish(shop)
        finish(courier)  # one after the other, and an answer each
        sink.always = sink.hang
        for _ in range(12):
            publish(shop)
        sink.plan(200, 200)
        go_on(courier, until=lambda: len(sink.received) >= 9)
        assert len(sink.received) - 5 == 4, "every thread there is, and not one more"
        sink.released.set()
        finish(courier)
        assert len(sink.received) == 15


class TestManyBooks:
    """With one book a round, so that two are many."""

    @pytest.fixture(autouse=True)
    def one_at_a_time(self, monkeypatch):
        monkeypatch.setattr(couriers, "BOOKS_A_ROUND", 1)
        monkeypatch.setattr(store, "FAN_OUT_BATCH", 1)

    def test_busy_one_keeps_no_other_waiting(self, shop, sink, other_sink, courier):
        other = make_shop()
        make_endpoint(shop, sink.url())
        make_endpoint(other, other_sink.url())
        publish_line(shop, 5)
        publish(other)
        assert shop.book_id < other.book_id

        for _ in range(2):
            assert courier.round(now=clock.now()), "there is more"
        assert OutboxEntry.objects.filter(book_id=other.book_id).count() == 0
        assert OutboxEntry.objects.filter(book_id=shop.book_id).count() == 4
        finish(courier)
        assert (len(sink.received), len(other_sink.received)) == (5, 1)

    def test_broken_one_keeps_no_other_waiting_and_the_courier_not_busy(
        self, shop, sink, other_sink, courier
    ):
        other = make_shop()
        endpoint = uuid_of(make_endpoint(shop, sink.url()))
        make_endpoint(other, other_sink.url())
        event = publish(shop)
        Delivery.objects.create(  # which is there already, so it cannot be queued
            book_id=shop.book_id,
            endpoint_id=endpoint,
            event=event,
            subject_id=event.subject_id,
            sequence=event.sequence,
            status="CANCELED",
        )
        publish(other)

        go_on(courier, until=lambda: len(other_sink.received) == 1)
        assert not all(courier.round(now=clock.now()) for _ in range(3)), "it rests"
        assert sink.received == []
        assert OutboxEntry.objects.get().event_id == event.id
