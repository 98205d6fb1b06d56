"""The log of deliveries, and sending again what stands in it or is missing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from apps.core import clock, ids
from apps.core.ids import new_id
from apps.merchants.tests.makers import make_shop
from apps.notifications.models import Delivery, DeliveryAttempt, OutboxEntry, WebhookEndpoint
from apps.notifications.tests.scene import (
    URL,
    assert_books_hold,
    deliveries_of,
    finish,
    make_endpoint,
    publish,
    publish_line,
)

pytestmark = pytest.mark.django_db(transaction=True)


class TestRedelivery:
    def test_sends_it_again_under_the_same_id(self, shop, sink, courier):
        endpoint = make_endpoint(shop, sink.url())
        publish(shop)
        finish(courier)
        (shown,) = deliveries_of(shop, endpoint)
        answer = shop.post(f"{URL}/{endpoint['id']}/deliveries/{shown['id']}/redeliver")

        assert answer.status_code == 200
        assert (answer.json()["status"], answer.json()["attempts"]) == ("PENDING", 0)
        assert_books_hold()
        finish(courier)
        assert [one.id for one in sink.received] == [shown["event"]] * 2
        assert DeliveryAttempt.objects.count() == 2
        assert_books_hold()

    def test_a_repeat_with_the_same_key_sends_nothing_more(self, shop, sink, courier):
        endpoint = make_endpoint(shop, sink.url())
        publish(shop)
        finish(courier)
        (shown,) = deliveries_of(shop, endpoint)
        path = f"{URL}/{endpoint['id']}/deliveries/{shown['id']}/redeliver"
        first = shop.post(path, key="k")
        finish(courier)
        again = shop.post(path, key="k")
        finish(courier)
        assert again["Idempotent-Replayed"] == "true"
        assert again.content == first.content
        assert len(sink.received) == 2

    def test_of_an_earlier_event_holds_back_what_is_pending(self, shop, sink, courier):
        endpoint = make_endpoint(shop, sink.url())
        subject = publish_line(shop, 1)
        finish(courier)
        sink.plan(500)
        publish(shop, subject_id=subject, sequence=2)
        finish(courier)
        first = deliveries_of(shop, endpoint)[0]
        shop.post(f"{URL}/{endpoint['id']}/deliveries/{first['id']}/redeliver")
        assert_books_hold()
        finish(courier)
        assert sink.sequences == [1, 2, 1, 2]
        assert_books_hold()

    def test_one_that_waits_for_its_next_attempt_has_it_now(self, shop, sink, courier):
        endpoint = make_endpoint(shop, sink.url())
        sink.plan(500)
        publish(shop)
        finish(courier)
        (shown,) = deliveries_of(shop, endpoint)
        shop.post(f"{URL}/{endpoint['id']}/deliveries/{shown['id']}/redeliver")
        finish(courier)
        assert deliveries_of(shop, endpoint)[0]["status"] == "DELIVERED"

    def test_to_a_disabled_endpoint_is_409(self, shop, sink, courier):
        endpoint = make_endpoint(shop, sink.url())
        publish(shop)
        finish(courier)
        (shown,) = deliveries_of(shop, endpoint)
        shop.post(f"{URL}/{endpoint['id']}", {"enabled": False})
        answer = shop.post(f"{URL}/{endpoint['id']}/deliveries/{shown['id']}/redeliver")
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "webhook_endpoint_disabled"
        assert Delivery.objects.get().status == "DELIVERED"

    def test_of_another_merchants_delivery_is_404(self, shop, sink, courier):
        endpoint = make_endpoint(shop, sink.url())
        publish(shop)
        finish(courier)
        (shown,) = deliveries_of(shop, endpoint)
        other = make_shop()
        own = make_endpoint(other, sink.url())
        for path in (endpoint["id"], own["id"]):
            answer = other.post(f"{URL}/{path}/deliveries/{shown['id']}/redeliver")
            assert answer.status_code == 404
        finish(courier)
        assert len(sink.received) == 1


class TestReplay:
    @pytest.fixture
    def endpoint(self, shop, sink, courier):
        """It took one event, failed one for good, and was away during two of one object."""
        made = make_endpoint(shop, sink.url())
        publish(shop, payload={"id": "took"})
        finish(courier)
        publish(shop, payload={"id": "failed"})
        sink.plan(410)
        finish(courier)
        publish_line(shop, 2, payload={"id": "missed"})
        shop.post(f"{URL}/{made['id']}", {"enabled": True})
        finish(courier)
        sink.received.clear()
        return made

    def replay(self, shop, endpoint, **more):
        since = (clock.now() - timedelta(hours=1)).isoformat()
        return shop.post(f"{URL}/{endpoint['id']}/replay", {"since": since, **more})

    def told(self, sink):
        return [one.event["data"]["object"]["id"] for one in sink.received]

    def test_sends_what_was_missed_and_what_failed(self, shop, sink, courier, endpoint):
        answer = self.replay(shop, endpoint)
        assert answer.json() == {"object": "webhook_replay", "queued": 3}
        assert_books_hold()
        finish(courier)
        assert sorted(self.told(sink)) == ["failed", "missed", "missed"]
        missed = [one.event["sequence"] for one in sink.received
                  if one.event["data"]["object"]["id"] == "missed"]  # fmt: skip
        assert missed == [1, 2]
        assert_books_hold()

    def test_again_finds_nothing_more(self, shop, sink, courier, endpoint):
        self.replay(shop, endpoint)
        finish(courier)
        assert self.replay(shop, endpoint).json()["queued"] == 0
        finish(courier)
        assert len(sink.received) == 3

    def test_sends_everything_when_asked_to(self, shop, sink, courier, endpoint):
        answer = self.replay(shop, endpoint, include_delivered=True)
        assert answer.json()["queued"] == 4
        finish(courier)
        assert sorted(self.told(sink)) == ["failed", "missed", "missed", "took"]
        assert_books_hold()

    def test_takes_what_happened_in_that_time_alone(self, shop, sink, courier, endpoint):
        until = (clock.now() - timedelta(minutes=30)).isoformat()
        assert self.replay(shop, endpoint, until=until).json()["queued"] == 0

    def test_leaves_alone_what_is_on_its_way(self, shop, sink, courier, endpoint):
        publish(shop, payload={"id": "waits"})
        assert self.replay(shop, endpoint).json()["queued"] == 3
        assert OutboxEntry.objects.count() == 1
        finish(courier)
        assert sorted(self.told(sink)) == ["failed", "missed", "missed", "waits"]

    def test_of_types_that_it_does_not_subscribe_to_is_none(self, shop, sink, courier, endpoint):
        shop.post(f"{URL}/{endpoint['id']}", {"event_types": ["refund.*"]})
        assert self.replay(shop, endpoint, include_delivered=True).json()["queued"] == 0

    def test_repeat_with_the_same_key_gets_the_same_answer(self, shop, sink, courier, endpoint):
        body = {"since": (clock.now() - timedelta(hours=1)).isoformat()}
        path = f"{URL}/{endpoint['id']}/replay"
        first = shop.post(path, body, key="k")
        again = shop.post(path, body, key="k")
        assert (first.content, again["Idempotent-Replayed"]) == (again.content, "true")

    @pytest.mark.parametrize("limit", ["MAX_REPLAY", "MAX_LOOKED_AT"])
    def test_of_too_many_is_422_and_queues_nothing(
        self, shop, sink, courier, endpoint, monkeypatch, limit
    ):
        from apps.notifications.services import deliveries

        monkeypatch.setattr(deliveries, limit, 2)
        before = Delivery.objects.count()
        answer = self.replay(shop, endpoint)
        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "replay_too_large"
        assert Delivery.objects.count() == before

    def test_to_a_disabled_endpoint_is_409(self, shop, sink, courier, endpoint):
        shop.post(f"{URL}/{endpoint['id']}", {"enabled": False})
        assert self.replay(shop, endpoint).status_code == 409

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"since": None},
            {"since": 7},
            {"since": "yesterday"},
            {"since": "2020-01-01T00:00:00Z"},
            {"since": "2999-01-01T00:00:00Z"},
            {"since": "0001-01-01T00:00:00+14:00"},
            {"since": "9999-12-31T23:59:59-14:00"},
            {"since": "2026-11-25T00:00:00Z", "until": "2026-11-24T00:00:00Z"},
            {"since": "2026-11-25T00:00:00Z", "until": None},
            {"since": "2026-11-25T00:00:00Z", "include_delivered": 1},
            {"since": "2026-11-25T00:00:00Z", "kind": "payment.captured"},
        ],
    )
    def test_wrong_fields_are_400(self, shop, sink, courier, endpoint, body):
        answer = shop.post(f"{URL}/{endpoint['id']}/replay", body)
        assert answer.status_code == 400, answer.content
        assert answer.json()["error"]["code"] == "parameter_invalid"


class TestTheLog:
    def test_can_be_narrowed_and_paged(self, shop, sink, courier):
        endpoint = make_endpoint(shop, sink.url())
        for _ in range(3):
            publish(shop)
        finish(courier)
        sink.plan(500)
        failed = publish(shop)
        finish(courier)

        path = f"{URL}/{endpoint['id']}/deliveries"
        assert len(deliveries_of(shop, endpoint)) == 4
        assert len(deliveries_of(shop, endpoint, status="DELIVERED")) == 3
        (pending,) = deliveries_of(shop, endpoint, status="PENDING")
        event = ids.encode("evt", failed.id)
        assert deliveries_of(shop, endpoint, event=event) == [pending]
        page = shop.get(path, limit=3).json()
        assert (len(page["data"]), page["has_more"], page["url"]) == (3, True, path)
        rest = shop.get(path, starting_after=page["data"][-1]["id"]).json()
        assert (len(rest["data"]), rest["has_more"]) == (1, False)

    @pytest.mark.parametrize(
        ("query", "status"),
        [
            ({"status": "pending"}, 400),
            ({"status": ""}, 400),
            ({"kind": "x"}, 400),
            ({"event": "evt_1"}, 404),
            ({"event": "pay_" + "0" * 26}, 404),
            ({"starting_after": "evt_" + "0" * 26}, 400),
        ],
    )
    def test_wrong_query_is_refused(self, shop, sink, query, status):
        endpoint = make_endpoint(shop, sink.url())
        assert shop.get(f"{URL}/{endpoint['id']}/deliveries", **query).status_code == status

    def test_is_its_merchants_alone(self, shop, sink, courier):
        endpoint = make_endpoint(shop, sink.url())
        publish(shop)
        finish(courier)
        (shown,) = deliveries_of(shop, endpoint)
        path = f"{URL}/{endpoint['id']}/deliveries"
        assert make_shop().get(path).status_code == 404
        assert make_shop().get(f"{path}/{shown['id']}").status_code == 404
        assert shop.get(f"{path}/{ids.encode('whd', new_id())}").status_code == 404

    def test_needs_the_scope(self, shop, sink):
        endpoint = make_endpoint(shop, sink.url())
        assert WebhookEndpoint.objects.count() == 1
        other = make_shop(scopes=["events:read"])
        for path in ("", "/deliveries"):
            answer = other.get(f"{URL}/{endpoint['id']}{path}")
            assert answer.json()["error"]["code"] == "scope_missing"
