"""The order of an object's events, and who waits for whom: nobody for another endpoint."""

from __future__ import annotations

import pytest

from apps.core import clock
from apps.notifications.models import Delivery
from apps.notifications.tests.scene import (
    assert_books_hold,
    deliveries_of,
    finish,
    make_due,
    make_endpoint,
    publish,
    publish_line,
)
from apps.notifications.types import SCHEDULE

pytestmark = pytest.mark.django_db(transaction=True)


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
        for _ in range(1000):
            courier.round(now=clock.now())
            if Delivery.objects.filter(status="DELIVERED").count() == 20:
                break
            assert courier.woken.wait(10)
            courier.woken.clear()

        assert len(other_sink.received) == 20
        assert len(sink.received) == 1
        assert Delivery.objects.filter(status="PENDING").count() == 20
        sink.released.set()
        finish(courier)
        assert len(sink.received) == 20
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
        for _ in range(100):
            courier.round(now=clock.now())
            if len(sink.received) >= 9:
                break
            courier.woken.wait(0.05)
            courier.woken.clear()
        assert len(sink.received) - 5 == 4, "every thread there is, and not one more"
        sink.released.set()
        finish(courier)
        assert len(sink.received) == 15
