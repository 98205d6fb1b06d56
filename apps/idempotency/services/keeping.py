"""How long a key is kept, with which answer, and when it is forgotten."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from rest_framework.renderers import JSONRenderer

from apps.core import db, ids
from apps.core.rows import Rows

KEYS = Rows(
    "idempotency_key",
    marks={"locked_until": "clock_timestamp() + make_interval(secs => %s)"},
)
EXPIRY_BATCH = 1000
EXPIRY_BATCHES = 100
# The key of a payment or refund is kept while its run is open: `let_expire` sets the real date.
UNTIL_LET_EXPIRE = datetime(9999, 12, 31, tzinfo=UTC)
ORDERS_LAST = timedelta(days=30)


def store_answer(*, resource_id: UUID, status: int, content: Mapping[str, Any]) -> None:
    """Store the answer in the commit that makes it true, if the key of this resource has none.

    For a run that reaches its answer point: it saves whoever waits a commit of its own (`render`
    then returns `Finality.STORED`), and a client that gave up finds the answer there.

    Retries: harmless. Transaction: joins the caller's unit or transaction.
    """
    body = written(content)
    db.change(
        KEYS,
        resource_id,
        {"status_code": status, "body": body, "expires_at": UNTIL_LET_EXPIRE},
        expects={"body": None},
        sql="UPDATE idempotency_key SET status_code = %s, body = %s, expires_at = %s::timestamptz"
        " WHERE id = %s::uuid AND body IS NULL",
        params=(status, body, UNTIL_LET_EXPIRE, resource_id),
    )


def let_expire(*, resource_id: UUID, now: datetime) -> None:
    """Say that the run of this resource has ended: its key expires from now on, answered or not.

    Does nothing where there is no key.

    Retries: harmless. Transaction: joins the caller's unit or transaction.
    """
    expires_at = now + retention()
    db.change(
        KEYS,
        resource_id,
        {"expires_at": expires_at},
        expects={},
        sql="UPDATE idempotency_key SET expires_at = %s::timestamptz WHERE id = %s::uuid",
        params=(expires_at, resource_id),
    )


def expire(*, now: datetime) -> int:
    """Delete the keys whose time is over, in batches; returns how many.

    A key without an answer has no such time (see `let_expire`) and stays. Keys are found by their
    id, which is a UUIDv7: nothing made within the retention can have expired.

    Retries: harmless. Transaction: one per batch.
    """
    oldest_alive = ids.lowest_at(now - retention())
    deleted = 0
    for _ in range(EXPIRY_BATCHES):
        with connection.cursor() as cursor:
            cursor.execute(
                # Written out, since a plan may run a plain subquery again for every row.
                "WITH batch AS MATERIALIZED ("
                " SELECT id FROM idempotency_key WHERE id < %s AND expires_at <= %s"
                " ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)"
                " DELETE FROM idempotency_key WHERE id IN (SELECT id FROM batch)",
                (oldest_alive, now, EXPIRY_BATCH),
            )
            batch = cursor.rowcount
        deleted += batch
        if batch < EXPIRY_BATCH:
            break
    return deleted


def forget_answers(*, book_id: UUID, about_ids: Collection[UUID]) -> None:
    """Forget what was answered about a customer who is erased: their name may stand in it.

    Found are the answers to requests about one of these (`RequestFacts.about_id`) and those that
    made one of them. The keys stay: a repeat acts no second time, and is answered from
    what there is now.

    Retries: harmless. Transaction: joins the caller's unit or transaction.
    """
    db.write(
        "UPDATE idempotency_key SET status_code = NULL, body = NULL,"
        " locked_until = least(locked_until, clock_timestamp()) WHERE book_id = %s"
        " AND (about_id = ANY (%s) OR id = ANY (%s)) AND body IS NOT NULL",
        (book_id, list(about_ids), list(about_ids)),
    )


def retention() -> timedelta:
    return timedelta(hours=settings.PAYSYS_IDEMPOTENCY_HOURS)


def written(content: Mapping[str, Any]) -> str:
    return JSONRenderer().render(content).decode()
