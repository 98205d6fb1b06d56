"""Sending again what was sent or missed, and clearing away what is over."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import connection, transaction

from apps.core import ids
from apps.core.errors import Conflict, Unprocessable
from apps.core.types import Actor
from apps.notifications import selectors, store
from apps.notifications.models import Delivery, WebhookEndpoint, WebhookSecret
from apps.notifications.services.endpoints import lock_endpoint, record_change
from apps.notifications.types import DeliveryStatus, EndpointStatus

MAX_REPLAY: Final = 1000  # events a call
MAX_LOOKED_AT: Final = 100_000  # events of the time, wanted or not
MAX_REPLAY_PERIOD: Final = timedelta(days=31)
CANCEL_BATCH: Final = 1000
CANCEL_BATCHES: Final = 20

_WANTED = """
SELECT e.id, e.subject_id, e.sequence
FROM notifications_event e
JOIN notifications_webhook_endpoint w ON w.book_id = e.book_id AND w.id = %(endpoint)s
    AND w.event_types && ARRAY[e.kind, e.subject_kind || '.*', '*']::varchar[]
LEFT JOIN notifications_delivery d
    ON d.book_id = e.book_id AND d.endpoint_id = w.id AND d.event_id = e.id
WHERE e.book_id = %(book)s AND e.id >= %(first)s AND e.id < %(last)s
    AND (d.id IS NULL OR d.status = ANY(%(again)s))
    AND NOT EXISTS (
        SELECT FROM notifications_outbox o
        WHERE o.book_id = e.book_id AND o.subject_id = e.subject_id AND o.sequence = e.sequence)
LIMIT %(limit)s"""

_LOOKED_AT = """
SELECT count(*) FROM (
    SELECT FROM notifications_event
    WHERE book_id = %(book)s AND id >= %(first)s AND id < %(last)s LIMIT %(most)s) events"""

# Without a date: `store.line_up` gives one to the first of each line.
_QUEUE = """
INSERT INTO notifications_delivery
    (id, book_id, endpoint_id, event_id, subject_id, sequence, status)
SELECT uuidv7(), %s, %s, w.event_id, w.subject_id, w.sequence, 'PENDING'
FROM unnest(%s::uuid[], %s::uuid[], %s::int[]) AS w (event_id, subject_id, sequence)
ORDER BY w.event_id
ON CONFLICT (book_id, endpoint_id, event_id)
DO UPDATE SET status = 'PENDING', attempts = 0, due_at = NULL"""

_CANCEL = f"""
UPDATE notifications_delivery SET status = '{DeliveryStatus.CANCELED}', due_at = NULL
WHERE id IN (
    SELECT d.id FROM notifications_delivery d
    JOIN notifications_webhook_endpoint w ON w.id = d.endpoint_id
    WHERE w.status = '{EndpointStatus.DELETED}' AND d.status = '{DeliveryStatus.PENDING}' LIMIT %s)
"""  # noqa: S608


class EndpointDisabled(Conflict):
    """Nothing is sent to an endpoint that is disabled; enable it first."""

    code = "webhook_endpoint_disabled"
    says = "This webhook endpoint is disabled. Enable it first."


class ReplayTooLarge(Unprocessable):
    """More events than one call queues, or looks at; ask for a shorter time."""

    code = "replay_too_large"
    says = (
        f"More than {MAX_REPLAY} events to send, or {MAX_LOOKED_AT} in that time. "
        "Ask for a shorter time."
    )


def redeliver(
    *, book_id: UUID, endpoint_id: UUID, delivery_id: UUID, actor: Actor, now: datetime
) -> Delivery:
    """Send a delivery again, from the beginning of its schedule, whatever has become of it.

    It stands in its object's line like any other: later events of the object wait for it.
    Retries: each call is another redelivery.
    Transaction: its own, or a part of the caller's.

    :raises NotFound: no such endpoint or delivery, or another merchant's.
    :raises EndpointDisabled: enable it first.
    """
    with transaction.atomic():
        endpoint = _lock_enabled(book_id, endpoint_id)
        found = selectors.get_delivery(book_id=book_id, endpoint_id=endpoint_id, id=delivery_id)
        Delivery.objects.filter(book_id=book_id, id=delivery_id).update(
            status=DeliveryStatus.PENDING.value, attempts=0, due_at=None
        )
        _wake(book_id, endpoint_id, {found.subject_id}, now)
        record_change(endpoint, "redelivered", {"event": str(found.event_id)}, actor=actor, now=now)
        return selectors.get_delivery(book_id=book_id, endpoint_id=endpoint_id, id=delivery_id)


def replay(
    *,
    book_id: UUID,
    endpoint_id: UUID,
    since: datetime,
    until: datetime,
    is_including_delivered: bool,
    actor: Actor,
    now: datetime,
) -> int:
    """Queue the events of a time that the endpoint subscribes to now; how many they were.

    Those it never had and those that failed; with `is_including_delivered` also those it took.
    What is on its way already stays there. `until` itself is not included.
    Retries: harmless without `is_including_delivered`; with it, each call sends all of it again.
    Transaction: its own, or a part of the caller's.

    :raises NotFound: no such endpoint, or another merchant's.
    :raises EndpointDisabled: enable it first.
    :raises ReplayTooLarge: more than `MAX_REPLAY` events to queue, or `MAX_LOOKED_AT` of any kind
        in that time; nothing was queued.
    """
    again = [DeliveryStatus.FAILED.value]
    if is_including_delivered:
        again.append(DeliveryStatus.DELIVERED.value)
    with transaction.atomic(), connection.cursor() as cursor:
        endpoint = _lock_enabled(book_id, endpoint_id)
        events_of = {
            "book": book_id,
            "first": ids.lowest_at(since),
            "last": ids.lowest_at(until),
        }
        cursor.execute(_LOOKED_AT, {**events_of, "most": MAX_LOOKED_AT + 1})
        if cursor.fetchone()[0] > MAX_LOOKED_AT:
            raise ReplayTooLarge
        cursor.execute(
            _WANTED,
            {**events_of, "endpoint": endpoint_id, "again": again, "limit": MAX_REPLAY + 1},
        )
        wanted = cursor.fetchall()
        if len(wanted) > MAX_REPLAY:
            raise ReplayTooLarge
        if wanted:
            events, subjects, sequences = (list(column) for column in zip(*wanted, strict=True))
            cursor.execute(_QUEUE, (book_id, endpoint_id, events, subjects, sequences))
            _wake(book_id, endpoint_id, set(subjects), now)
        facts = {"since": since.isoformat(), "until": until.isoformat(), "events": len(wanted)}
        record_change(endpoint, "replayed", facts, actor=actor, now=now)
    return len(wanted)


def retire(*, now: datetime) -> int:
    """Forget secrets that have ended, cancel what waits for deleted endpoints; how many of those.

    In batches, as many as a task has time for. Retries: harmless. Transaction: one per batch.
    """
    WebhookSecret.objects.filter(expires_at__lte=now).delete()
    canceled = 0
    for _ in range(CANCEL_BATCHES):
        with connection.cursor() as cursor:
            cursor.execute(_CANCEL, (CANCEL_BATCH,))
            canceled += cursor.rowcount
            if cursor.rowcount < CANCEL_BATCH:
                break
    return canceled


def _lock_enabled(book_id: UUID, endpoint_id: UUID) -> WebhookEndpoint:
    _, endpoint = lock_endpoint(book_id=book_id, endpoint_id=endpoint_id)
    if endpoint.status != EndpointStatus.ENABLED:
        raise EndpointDisabled
    return endpoint


def _wake(book_id: UUID, endpoint_id: UUID, subject_ids: set[UUID], now: datetime) -> None:
    """Put the lines in order, and let a courier come."""
    store.line_up(book_id=book_id, endpoint_id=endpoint_id, subject_ids=subject_ids, now=now)
    store.wake(book_id=book_id, endpoint_id=endpoint_id)
