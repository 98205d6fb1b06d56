"""Events and endpoints to test with, and a courier made to finish."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import connection

from apps.core import clock, db, ids
from apps.core.ids import new_id
from apps.merchants.tests.makers import Shop
from apps.notifications import services
from apps.notifications.courier import Courier
from apps.notifications.invariants import INVARIANTS
from apps.notifications.models import Delivery, Event, WebhookQueue
from apps.notifications.tests.sink import PATIENCE

URL = "/v1/webhook_endpoints"


def publish(
    shop: Shop, *, sequence: int = 1, subject_id: UUID | None = None, **other: Any
) -> Event:
    """One event of the shop's, committed."""
    subject_id = subject_id or new_id()
    add_event(shop, sequence=sequence, subject_id=subject_id, **other)
    return Event.objects.get(book_id=shop.book_id, subject_id=subject_id, sequence=sequence)


def add_event(shop: Shop, *, sequence: int = 1, subject_id: UUID, **other: Any) -> None:
    """The same as a part of an open unit."""
    facts = {
        "kind": "payment.captured",
        "payload": {"id": "pay_1", "amount": 100},
        "now": clock.now(),
    }
    with db.unit():
        services.publish(
            book_id=shop.book_id,
            subject_id=subject_id,
            sequence=sequence,
            **{**facts, **other},
        )


def publish_line(shop: Shop, count: int, **other: Any) -> UUID:
    """So many events of one object; the object."""
    subject_id = new_id()
    for sequence in range(1, count + 1):
        publish(shop, subject_id=subject_id, sequence=sequence, **other)
    return subject_id


def make_endpoint(shop: Shop, url: str, **more: Any) -> dict[str, Any]:
    """The answer to whoever makes an endpoint: with its id and its secret."""
    answer = shop.post(URL, {"url": url, **more})
    assert answer.status_code == 201, answer.content
    return answer.json()


def finish(courier: Courier, *, most: int = 1000) -> None:
    """Rounds until nothing is under way and nothing is due."""
    for _ in range(most):
        is_more = courier.round(now=clock.now())
        if not is_more and not courier.is_busy:
            return
        if not is_more:
            assert courier.woken.wait(PATIENCE), "a request never ended"
            courier.woken.clear()
    raise AssertionError("the courier does not come to an end")


def make_due() -> None:
    """As if time had passed: what waits for another attempt has it now."""
    now = clock.now()
    Delivery.objects.exclude(due_at=None).update(due_at=now)
    WebhookQueue.objects.exclude(due_at=None).update(due_at=now)


def let_leases_end() -> None:
    """As if the courier who had them had been dead for a while."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE notifications_webhook_queue SET lease_until = clock_timestamp()"
            " - interval '1 second' WHERE lease_until IS NOT NULL"
        )


def deliveries_of(shop: Shop, endpoint: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
    """What the log shows, oldest first."""
    answer = shop.get(f"{URL}/{endpoint['id']}/deliveries", limit=100, **query)
    assert answer.status_code == 200, answer.content
    return answer.json()["data"][::-1]


def uuid_of(endpoint: dict[str, Any]) -> UUID:
    return ids.decode("whe", endpoint["id"])


def execute(sql: str, *params: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall() if cursor.description else []


def violated() -> set[str]:
    return {rule.name for rule in INVARIANTS if execute(rule.sql)}


def assert_books_hold() -> None:
    assert violated() == set()
