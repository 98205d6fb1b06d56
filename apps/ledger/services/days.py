"""A book's accounting days: opened by being lived in, closed in two steps.

Between the steps stands every posting that began before the first: it read the day as open and may
still land in it. The second step waits for them without locking anybody out.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from apps.core import db
from apps.core.errors import Conflict, NotFound
from apps.ledger.models import LedgerBook, LedgerDay


class DayNotOver(Conflict):
    """A day is closed after it has ended in its book's time zone."""


class DayStillClosing(Conflict):
    """Days are closed one after the other, and an earlier close has not finished."""


# A transaction id asked for after the close was committed. Whoever read the day as open has a lower
# one, because a posting asks for its id before it reads the day.
_SET_FENCE = """
UPDATE ledger_day SET fence = pg_current_xact_id()::text::bigint
WHERE book_id = %s AND day = %s AND status = 'CLOSING' AND fence IS NULL
"""

_CLOSE = """
UPDATE ledger_day SET status = 'CLOSED', closed_at = %s
WHERE book_id = %s AND day = %s AND status = 'CLOSING'
  AND fence <= pg_snapshot_xmin(pg_current_snapshot())::text::bigint
"""

_WRITE_BALANCES = """
INSERT INTO ledger_closing (account_id, day, book_id, balance)
SELECT a.id, %(day)s, a.book_id, coalesce(p.balance, 0) + a.normal_side * m.moved
FROM (
    SELECT e.account_id, sum(e.amount * e.entry_type) AS moved
    FROM ledger_transaction t JOIN ledger_entry e ON e.transaction_id = t.id
    WHERE t.book_id = %(book)s AND t.booked_on <= %(day)s AND t.booked_on > coalesce(
        (SELECT max(d.day) FROM ledger_day d WHERE d.book_id = %(book)s AND d.day < %(day)s),
        '-infinity')
    GROUP BY e.account_id
) m
JOIN ledger_account a ON a.id = m.account_id
LEFT JOIN LATERAL (
    SELECT c.balance FROM ledger_closing c
    WHERE c.account_id = a.id ORDER BY c.day DESC LIMIT 1
) p ON true
"""


def open_book(*, book_id: UUID, time_zone: str) -> None:
    """Give a book its time zone, in which its days begin and end; without one it is UTC.

    Transaction: joins the caller's unit or `atomic()` block. Retries: the first one holds.

    :raises ValueError: no such time zone.
    """
    try:
        ZoneInfo(time_zone)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"no such time zone: {time_zone}") from error
    db.write(
        "INSERT INTO ledger_book (id, time_zone) VALUES (%s::uuid, %s) ON CONFLICT (id) DO NOTHING",
        (str(book_id), time_zone),
    )


def begin_close_day(*, book_id: UUID, day: date, now: datetime) -> None:
    """From the commit on, what happened on `day` (or before) is booked on the day after it.

    Transaction: joins the caller's, or makes one. Retries: what is closing or closed stays so.

    :raises DayNotOver: `now` is not after the day yet, in the book's time zone.
    :raises DayStillClosing: an earlier day has begun to close and not finished.
    """
    with transaction.atomic():
        LedgerBook.objects.get_or_create(id=book_id)
        book = LedgerBook.objects.select_for_update().get(id=book_id)
        if book.first_open_on is not None and day < book.first_open_on:
            return
        if now.astimezone(ZoneInfo(book.time_zone)).date() <= day:
            raise DayNotOver(f"{day} has not ended in {book.time_zone}.")
        unfinished = LedgerDay.objects.filter(book_id=book_id, status=LedgerDay.Status.CLOSING)
        if unfinished.exists():
            raise DayStillClosing(f"{unfinished.get().day} is still closing.")
        LedgerDay.objects.create(book_id=book_id, day=day, closing_at=now)
        book.first_open_on = day + timedelta(days=1)
        book.save(update_fields=["first_open_on"])


def finish_close_day(*, book_id: UUID, day: date, now: datetime) -> bool:
    """Close the day and write down its balances, if nobody can add to it any more.

    False means that a transaction older than the close is still alive: ask again later.
    Transaction: commits its own, and must, to see what began before. Retries: any number.

    :raises NotFound: nobody began to close this day.
    """
    assert not connection.in_atomic_block, "closing a day looks at what other transactions do"
    key: list[Any] = [book_id, day]
    with connection.cursor() as cursor:
        cursor.execute(_SET_FENCE, key)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CLOSE, [now, *key])
        if cursor.rowcount:
            cursor.execute(_WRITE_BALANCES, {"book": book_id, "day": day})
            return True
    found = LedgerDay.objects.filter(book_id=book_id, day=day).first()
    if found is None:
        raise NotFound(f"{day} is not being closed.")
    return found.status == LedgerDay.Status.CLOSED
