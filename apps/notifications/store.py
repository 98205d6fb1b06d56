"""The writes of the couriers: queue what happened, lease a queue, note what came of it, let go.

Whoever changes what is queued for an endpoint holds its row of `notifications_webhook_queue` to
the end of the transaction, and the statements after the one that took it see all that others have
done. So nobody decides on a queue that somebody else is changing.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import connection, transaction

from apps.audit import services as audit
from apps.core import db
from apps.core.ids import new_id
from apps.notifications.models import Delivery
from apps.notifications.types import (
    MAX_ATTEMPTS,
    SCHEDULE,
    Answer,
    DeliveryStatus,
    DisabledReason,
    EndpointStatus,
)

LEASE_SECONDS: Final = 15.0
FAN_OUT_BATCH: Final = 500  # events a commit
JITTER: Final = 0.1  # a retry comes up to this part later than published, never earlier
LEASE_LOST: Final = "notifications: the lease was lost"

_LOCK_BOOK = """
SELECT FROM notifications_webhook_queue WHERE book_id = %s ORDER BY endpoint_id FOR UPDATE"""

# Of an object's events the earliest are taken, so a batch that ends between two of them leaves the
# later. Only the first in an object's line is due. A little before now, so that no two are equal.
_FAN_OUT = """
WITH batch AS (
    SELECT subject_id, sequence FROM notifications_outbox WHERE book_id = %(book)s
    ORDER BY subject_id, sequence LIMIT %(limit)s
), taken AS (
    DELETE FROM notifications_outbox o USING batch b
    WHERE o.book_id = %(book)s AND o.subject_id = b.subject_id AND o.sequence = b.sequence
    RETURNING o.event_id
), told AS (
    SELECT w.id AS endpoint_id, e.id AS event_id, e.subject_id, e.sequence, row_number() OVER (
        PARTITION BY w.id, e.subject_id ORDER BY e.sequence) AS place
    FROM taken
    JOIN notifications_event e ON e.book_id = %(book)s AND e.id = taken.event_id
    JOIN notifications_webhook_endpoint w ON w.book_id = %(book)s AND w.status = 'ENABLED'
        AND w.event_types && ARRAY[e.kind, e.subject_kind || '.*', '*']::varchar[]
), queued AS (
    INSERT INTO notifications_delivery
        (id, book_id, endpoint_id, event_id, subject_id, sequence, status, due_at)
    SELECT uuidv7(), %(book)s, t.endpoint_id, t.event_id, t.subject_id, t.sequence, 'PENDING',
        CASE WHEN t.place = 1 AND NOT EXISTS (
            SELECT FROM notifications_delivery d
            WHERE d.book_id = %(book)s AND d.endpoint_id = t.endpoint_id
                AND d.subject_id = t.subject_id AND d.status = 'PENDING'
        ) THEN %(now)s::timestamptz - random() * interval '50 milliseconds' END
    FROM told t ORDER BY t.event_id
    RETURNING endpoint_id, due_at
)
UPDATE notifications_webhook_queue q SET due_at = least(q.due_at, first.due_at)
FROM (SELECT endpoint_id, min(due_at) AS due_at FROM queued GROUP BY endpoint_id) first
WHERE q.book_id = %(book)s AND q.endpoint_id = first.endpoint_id AND first.due_at IS NOT NULL"""

_CANDIDATES = """
SELECT endpoint_id FROM notifications_webhook_queue
WHERE due_at <= %s AND (lease_until IS NULL OR lease_until < clock_timestamp())
ORDER BY due_at LIMIT %s"""

_LEASE = """
UPDATE notifications_webhook_queue
SET fence = fence + 1, lease_until = clock_timestamp() + make_interval(secs => %s)
WHERE endpoint_id = %s AND due_at <= %s
    AND (lease_until IS NULL OR lease_until < clock_timestamp())
RETURNING book_id, fence"""

_RENEW = """
UPDATE notifications_webhook_queue
SET lease_until = clock_timestamp() + make_interval(secs => %s), fence = core_same(fence, %s, %s)
WHERE book_id = %s AND endpoint_id = %s"""

_RELEASE = """
UPDATE notifications_webhook_queue q
SET lease_until = NULL, due_at = (
    SELECT min(d.due_at) FROM notifications_delivery d
    JOIN notifications_webhook_endpoint w ON w.id = d.endpoint_id AND w.status = 'ENABLED'
    WHERE d.book_id = q.book_id AND d.endpoint_id = q.endpoint_id AND d.due_at IS NOT NULL)
WHERE q.book_id = %s AND q.endpoint_id = %s"""

_RECORD = """
UPDATE notifications_delivery
SET status = %s, attempts = %s, due_at = %s, last_attempt_at = %s, last_status_code = %s,
    last_error = %s, delivered_at = coalesce(%s, delivered_at)
WHERE book_id = %s AND id = %s AND status = 'PENDING'"""

_LOG = """
INSERT INTO notifications_delivery_attempt
    (id, book_id, delivery_id, started_at, duration_ms, status_code, error)
VALUES (%s, %s, %s, %s, %s, %s, %s)"""

# The first in a line is due (at once, unless it has a date); the others have no date.
_LINE_UP = """
UPDATE notifications_delivery d
SET due_at = CASE WHEN line.is_first
    THEN %s::timestamptz - random() * interval '50 milliseconds' END
FROM (
    SELECT id, sequence = min(sequence) OVER (PARTITION BY subject_id) AS is_first
    FROM notifications_delivery
    WHERE book_id = %s AND endpoint_id = %s AND subject_id = ANY(%s::uuid[])
        AND status = 'PENDING'
) line
WHERE d.book_id = %s AND d.id = line.id AND line.is_first = (d.due_at IS NULL)"""

_WAKE = """
UPDATE notifications_webhook_queue q
SET due_at = least(q.due_at, (
    SELECT min(d.due_at) FROM notifications_delivery d
    WHERE d.book_id = q.book_id AND d.endpoint_id = q.endpoint_id AND d.due_at IS NOT NULL))
WHERE q.book_id = %s AND q.endpoint_id = %s"""

_DISABLE = f"""
UPDATE notifications_webhook_endpoint
SET status = '{EndpointStatus.DISABLED}', disabled_reason = '{DisabledReason.GONE}'
WHERE book_id = %s AND id = %s AND status = '{EndpointStatus.ENABLED}'"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Lease:
    """An endpoint's queue, ours while nobody has a later fence."""

    book_id: UUID
    endpoint_id: UUID
    fence: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request that was made for a delivery, as it was read before."""

    delivery: Delivery
    answer: Answer
    started_at: datetime


def listen() -> None:
    """Stamp the endpoints that were changed and are committed: from now on they miss nothing.

    Whatever this reads is committed, and an event whose message comes to the database after the
    stamp looks for endpoints after that: it finds them as they are. Retries: harmless.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE notifications_webhook_endpoint SET listens_from = clock_timestamp()"
            " WHERE listens_from IS NULL"
        )


def fan_out(*, book_id: UUID, now: datetime) -> None:
    """Queue the book's waiting events, at most `FAN_OUT_BATCH`, for each endpoint that wants them.

    Retries: safe at any time; what is queued is no longer waiting.
    Transaction: its own, in which nobody else queues for this book.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK_BOOK, (book_id,))
        cursor.execute(_FAN_OUT, {"book": book_id, "limit": FAN_OUT_BATCH, "now": now})


def lease(*, now: datetime, limit: int) -> list[Lease]:
    """Take the queues that have waited longest and that nobody holds, at most `limit` of them."""
    taken = []
    with connection.cursor() as cursor:
        cursor.execute(_CANDIDATES, (now, limit))
        for (endpoint_id,) in cursor.fetchall():
            cursor.execute(_LEASE, (LEASE_SECONDS, endpoint_id, now))
            row = cursor.fetchone()
            if row is not None:  # somebody else may have been faster
                taken.append(Lease(row[0], endpoint_id, row[1]))
    return taken


def renew(held: Lease) -> None:
    """Keep the queue for another `LEASE_SECONDS`; in a unit, the guard of what follows.

    Transaction: joins the caller's.
    :raises db.GuardFailed: (when sent) somebody else has the lease now.
    """
    db.write(_RENEW, (LEASE_SECONDS, held.fence, LEASE_LOST, held.book_id, held.endpoint_id))


def record(held: Lease, attempts: Sequence[Attempt], *, now: datetime) -> None:
    """Note what came of the attempts, and let the next in each line come forward.

    Retries: none; an attempt that was not recorded is made again, by whoever has the lease then.
    Transaction: one unit.
    :raises db.GuardFailed: somebody else has the lease now; nothing was written.
    """
    with db.unit():
        renew(held)
        for attempt in attempts:
            _record_one(held, attempt, now)
        subjects = {attempt.delivery.subject_id for attempt in attempts}
        line_up(book_id=held.book_id, endpoint_id=held.endpoint_id, subject_ids=subjects, now=now)
        if any(attempt.answer.is_gone for attempt in attempts):
            _disable(held, now)


def release(held: Lease) -> None:
    """Let go of the queue, due again when its earliest delivery is.

    Transaction: one unit.
    :raises db.GuardFailed: somebody else has the lease now.
    """
    with db.unit():
        renew(held)
        db.write(_RELEASE, (held.book_id, held.endpoint_id))


def line_up(
    *, book_id: UUID, endpoint_id: UUID, subject_ids: Collection[UUID], now: datetime
) -> None:
    """Make the first pending delivery of each of these objects due, and none behind it.

    Transaction: joins the caller's, which holds the endpoint's queue.
    """
    db.write(_LINE_UP, (now, book_id, endpoint_id, sorted(subject_ids), book_id))


def wake(*, book_id: UUID, endpoint_id: UUID) -> None:
    """Make an enabled endpoint's queue due when its earliest delivery is, if it is not before.

    Transaction: joins the caller's, which holds the queue.
    """
    db.write(_WAKE, (book_id, endpoint_id))


def _record_one(held: Lease, attempt: Attempt, now: datetime) -> None:
    answer, delivery = attempt.answer, attempt.delivery
    made = delivery.attempts + 1
    due_at = None
    if answer.is_accepted:
        status = DeliveryStatus.DELIVERED
    elif answer.is_gone or made >= MAX_ATTEMPTS:
        status = DeliveryStatus.FAILED
    else:
        status = DeliveryStatus.PENDING
        due_at = now + _pause(made)
    outcome = (answer.status_code, str(answer.no_answer or ""))
    db.write(
        _RECORD,
        (
            *(str(status), made, due_at, attempt.started_at, *outcome),
            *(now if answer.is_accepted else None, held.book_id, delivery.id),
        ),
    )
    db.write(
        _LOG,
        (
            *(new_id(), held.book_id, delivery.id, attempt.started_at),
            *(answer.duration_ms, *outcome),
        ),
    )


def _pause(attempts: int) -> timedelta:
    """From the end of the last attempt to the next, with jitter so that no two come together."""
    return timedelta(seconds=SCHEDULE[attempts] * random.uniform(1, 1 + JITTER))  # noqa: S311


def _disable(held: Lease, now: datetime) -> None:
    """The endpoint has said that it is gone: nothing is sent to it any more."""
    db.write(_DISABLE, (held.book_id, held.endpoint_id))
    audit.record(
        book_id=held.book_id,
        actor="system",
        action="webhook_endpoint.disabled",
        subject_id=held.endpoint_id,
        subject_kind="webhook_endpoint",
        facts={"reason": DisabledReason.GONE.value},
        now=now,
    )
