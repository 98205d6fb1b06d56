"""Deliveries: signed, by the published schedule, to whoever subscribes."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from standardwebhooks import WebhookVerificationError

from apps.core import clock, ids
from apps.merchants.tests.makers import make_shop
from apps.notifications.models import Delivery, DeliveryAttempt
from apps.notifications.tests.scene import (
    URL,
    assert_books_hold,
    deliveries_of,
    finish,
    make_due,
    make_endpoint,
    publish,
)
from apps.notifications.tests.sink import redirect_to, reset
from apps.notifications.types import SCHEDULE

pytestmark = pytest.mark.django_db(transaction=True)


class TestADelivery:
    def test_carries_the_event_as_the_api_shows_it_and_its_signature(self, shop, sink, courier):
        endpoint = make_endpoint(shop, sink.url("/hook?shop=7"))
        event = publish(shop, payload={"id": "pay_1", "note": "Ünï ☕"})
        finish(courier)

        (received,) = sink.received
        public_id = ids.encode("evt", event.id)
        assert received.path == "/hook?shop=7"
        assert received.id == public_id
        assert received.headers["content-type"] == "application/json"
        assert received.headers["host"] == f"127.0.0.1:{sink.port}"
        shown = shop.get(f"/v1/events/{public_id}").json()
        assert received.verified(endpoint["secret"]) == received.event == shown
        assert_books_hold()

    def test_is_verified_by_hand_as_the_documentation_has_it(self, shop, sink, courier):
        endpoint = make_endpoint(shop, sink.url())
        publish(shop)
        finish(courier)
        [received] = sink.received
        document = (settings.BASE_DIR / "docs" / "webhooks.md").read_text()
        written: dict[str, Any] = {}
        exec(document.partition("```python\n")[2].partition("```")[0], written)
        is_genuine = written["is_genuine"]
        headers = {name.lower(): value for name, value in received.headers.items()}

        assert is_genuine(endpoint["secret"], headers, received.body)
        assert not is_genuine(endpoint["secret"], headers, received.body + b" ")
        assert not is_genuine(make_endpoint(shop, sink.url())["secret"], headers, received.body)
        old = {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 301)}
        assert not is_genuine(endpoint["secret"], old, received.body)

    def test_of_another_body_or_secret_is_not_believed(self, shop, sink, courier):
        endpoint = make_endpoint(shop, sink.url())
        publish(shop)
        finish(courier)

        (received,) = sink.received
        with pytest.raises(WebhookVerificationError):
            received.verified("whsec_" + "A" * 44)
        changed = type(received)(received.path, received.headers, received.body + b" ")
        with pytest.raises(WebhookVerificationError):
            changed.verified(endpoint["secret"])

    def test_is_in_the_log_with_its_attempt(self, shop, sink, courier):
        endpoint = make_endpoint(shop, sink.url())
        event = publish(shop)
        finish(courier)

        (shown,) = deliveries_of(shop, endpoint)
        assert shown == {
            "id": shown["id"],
            "object": "webhook_delivery",
            "webhook_endpoint": endpoint["id"],
            "event": ids.encode("evt", event.id),
            "type": "payment.captured",
            "sequence": 1,
            "status": "DELIVERED",
            "attempts": 1,
            "next_attempt_at": None,
            "last_attempt_at": shown["last_attempt_at"],
            "last_status_code": 200,
            "last_error": None,
            "delivered_at": shown["delivered_at"],
            "created_at": shown["created_at"],
        }
        whole = shop.get(f"{URL}/{endpoint['id']}/deliveries/{shown['id']}").json()
        (attempt,) = whole.pop("attempt_log")
        assert whole == shown
        assert (attempt["status_code"], attempt["error"]) == (200, None)
        assert attempt["started_at"] == shown["last_attempt_at"]

    def test_goes_to_every_endpoint_that_subscribes_and_to_no_other(
        self, shop, sink, other_sink, courier
    ):
        make_endpoint(shop, sink.url("/all"))
        make_endpoint(shop, sink.url("/payments"), event_types=["payment.*"])
        make_endpoint(shop, sink.url("/one"), event_types=["refund.created", "payment.captured"])
        make_endpoint(shop, sink.url("/off"), enabled=False)
        make_endpoint(make_shop(), other_sink.url())
        for kind in ("payment.captured", "payment.voided", "refund.created", "payout.paid"):
            publish(shop, kind=kind)
        finish(courier)

        told = sorted((one.path, one.event["type"]) for one in sink.received)
        assert told == [
            ("/all", "payment.captured"),
            ("/all", "payment.voided"),
            ("/all", "payout.paid"),
            ("/all", "refund.created"),
            ("/one", "payment.captured"),
            ("/one", "refund.created"),
            ("/payments", "payment.captured"),
            ("/payments", "payment.voided"),
        ]
        assert other_sink.received == []
        assert_books_hold()

    def test_of_what_happened_before_the_endpoint_is_none(self, shop, sink, courier):
        publish(shop)
        make_endpoint(shop, sink.url())
        finish(courier)
        assert sink.received == []
        assert_books_hold()

    def test_goes_where_the_endpoint_points_when_it_is_sent(self, shop, sink, courier):
        endpoint = make_endpoint(shop, sink.url("/old"))
        sink.plan(500)
        publish(shop)
        finish(courier)
        shop.post(f"{URL}/{endpoint['id']}", {"url": sink.url("/new")})
        make_due()
        finish(courier)
        assert [one.path for one in sink.received] == ["/old", "/new"]


class TestAFailure:
    @pytest.mark.parametrize("status", [300, 304, 400, 401, 404, 429, 500, 503])
    def test_is_every_answer_but_2xx(self, shop, sink, courier, status):
        endpoint = make_endpoint(shop, sink.url())
        sink.plan(status)
        publish(shop)
        finish(courier)

        (shown,) = deliveries_of(shop, endpoint)
        assert (shown["status"], shown["last_status_code"]) == ("PENDING", status)
        assert len(sink.received) == 1
        assert_books_hold()

    @pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
    def test_is_none_of_2xx(self, shop, sink, courier, status):
        endpoint = make_endpoint(shop, sink.url())
        sink.plan(status)
        publish(shop)
        finish(courier)
        assert deliveries_of(shop, endpoint)[0]["status"] == "DELIVERED"

    def test_redirect_is_not_followed(self, shop, sink, other_sink, courier):
        endpoint = make_endpoint(shop, sink.url())
        sink.plan(redirect_to(other_sink.url()))
        publish(shop)
        finish(courier)

        assert other_sink.received == []
        assert deliveries_of(shop, endpoint)[0]["last_status_code"] == 302

    def test_broken_connection_is_one(self, shop, sink, courier):
        endpoint = make_endpoint(shop, sink.url())
        sink.plan(reset)
        publish(shop)
        finish(courier)

        (shown,) = deliveries_of(shop, endpoint)
        assert (shown["status"], shown["last_error"]) == ("PENDING", "connection_failed")
        assert shown["last_status_code"] is None

    def test_is_tried_again_by_the_published_schedule_and_then_never(self, shop, sink, courier):
        endpoint = make_endpoint(shop, sink.url())
        sink.always = 500
        event = publish(shop)
        pauses = []
        for _ in SCHEDULE:
            before = clock.now()
            finish(courier)
            delivery = Delivery.objects.get()
            if delivery.due_at is not None:
                pauses.append((delivery.due_at - before, delivery.due_at - clock.now()))
            make_due()

        assert len(pauses) == len(SCHEDULE) - 1
        for (longest, shortest), published in zip(pauses, SCHEDULE[1:], strict=True):
            assert longest >= timedelta(seconds=published)
            assert shortest <= timedelta(seconds=published * 1.1)
        finish(courier)
        assert {one.id for one in sink.received} == {ids.encode("evt", event.id)}
        assert len(sink.received) == 10
        (shown,) = deliveries_of(shop, endpoint)
        assert (shown["status"], shown["attempts"]) == ("FAILED", 10)
        assert shown["next_attempt_at"] is None
        log = shop.get(f"{URL}/{endpoint['id']}/deliveries/{shown['id']}").json()["attempt_log"]
        assert [attempt["status_code"] for attempt in log] == [500] * 10
        assert_books_hold()

    def test_each_attempt_is_signed_anew(self, shop, sink, courier):
        endpoint = make_endpoint(shop, sink.url())
        sink.plan(500)
        publish(shop)
        finish(courier)
        make_due()
        finish(courier)
        first, second = sink.received
        assert first.body == second.body
        assert first.verified(endpoint["secret"]) == second.verified(endpoint["secret"])

    def test_nothing_of_an_answer_is_kept_but_its_status(self, shop, sink, courier):
        make_endpoint(shop, sink.url())
        sink.plan(lambda handler: handler.answer(500, b"secret words", server="secret server"))
        publish(shop)
        finish(courier)
        kept = json.dumps([list(DeliveryAttempt.objects.values()), list(Delivery.objects.values())],
                          default=str)  # fmt: skip
        assert "secret" not in kept


class TestRotation:
    def test_both_secrets_sign_until_the_old_one_ends(self, shop, sink, courier):
        endpoint = make_endpoint(shop, sink.url())
        rotated = shop.post(f"{URL}/{endpoint['id']}/rotate_secret").json()
        publish(shop)
        finish(courier)

        old, new = endpoint["secret"], rotated["secret"]
        assert old != new
        (received,) = sink.received
        assert received.headers["webhook-signature"].count("v1,") == 2
        assert received.verified(old) == received.verified(new)
        assert_books_hold()

    def test_without_overlap_the_old_one_ends_at_once(self, shop, sink, courier):
        endpoint = make_endpoint(shop, sink.url())
        rotated = shop.post(f"{URL}/{endpoint['id']}/rotate_secret", {"overlap_seconds": 0}).json()
        publish(shop)
        finish(courier)

        (received,) = sink.received
        received.verified(rotated["secret"])
        with pytest.raises(WebhookVerificationError):
            received.verified(endpoint["secret"])

    def test_there_are_never_three(self, shop, sink, courier):
        endpoint = make_endpoint(shop, sink.url())
        second, third = (
            shop.post(f"{URL}/{endpoint['id']}/rotate_secret").json()["secret"] for _ in "12"
        )
        publish(shop)
        finish(courier)

        (received,) = sink.received
        received.verified(second)
        received.verified(third)
        with pytest.raises(WebhookVerificationError):
            received.verified(endpoint["secret"])
        assert_books_hold()
