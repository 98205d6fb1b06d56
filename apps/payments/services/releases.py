"""From pending to payable, on the day that was promised; and what is kept back of it for a while.

Safe at any time and at once with itself: a line is released by whoever turns it, once, and what
comes late is released by the next call.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection, transaction

from apps.core import ids
from apps.core.money import Money, fraction
from apps.merchants import selectors as merchants
from apps.payments import balance, postings, records
from apps.payments.models import Release, Reserve

log = structlog.get_logger(__name__)

# Lines of one release: so many are turned in less than a second, and their locks let go.
BATCH = 10_000
SYSTEM = "system"

_DUE = """
SELECT DISTINCT book_id, currency, available_on FROM payments_balance_transaction
WHERE payable_at IS NULL AND available_on <= %s ORDER BY available_on, book_id, currency
"""
_TURN = """
WITH due AS (
    SELECT id FROM payments_balance_transaction
    WHERE book_id = %s AND currency = %s AND available_on = %s AND payable_at IS NULL
    ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
), turned AS (
    UPDATE payments_balance_transaction b SET payable_at = %s, release_id = %s
    FROM due WHERE b.id = due.id AND b.payable_at IS NULL RETURNING b.net
)
SELECT count(*), coalesce(sum(net), 0) FROM turned
"""
_DUE_RESERVES = """
SELECT id FROM payments_reserve WHERE freed_at IS NULL AND free_on <= %s ORDER BY free_on, id
"""


def release(*, now: datetime) -> int:
    """Make payable what was to be by today (UTC), and free the reserves whose time is over.

    Returns how many postings of either it made. What a merchant's terms keep back of a release
    that brings something goes to `merchant:reserve` in the same commit.
    Retries: safe at any time and from anywhere. Transaction: one a release and one a reserve; a
    merchant's that fails keeps no other from it.
    """
    today = now.date()
    with connection.cursor() as cursor:
        cursor.execute(_DUE, [today])
        due = cursor.fetchall()
        cursor.execute(_DUE_RESERVES, [today])
        reserves = [reserve_id for (reserve_id,) in cursor.fetchall()]
    made = sum(_release_all(*each, now=now) for each in due)
    return made + sum(_free(reserve_id, now) for reserve_id in reserves)


def _release_all(book_id: UUID, currency: str, available_on: date, *, now: datetime) -> int:
    """Release after release, until nothing of this day is left that nobody else is turning."""
    made = 0
    try:
        while _release_some(book_id, currency, available_on, now):
            made += 1
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        log.exception("payments.not_released", book_id=str(book_id), currency=currency)
    return made


def _release_some(book_id: UUID, currency: str, available_on: date, now: datetime) -> bool:
    with transaction.atomic():
        release_id = ids.new_id()
        with connection.cursor() as cursor:
            cursor.execute(_TURN, [book_id, currency, available_on, BATCH, now, release_id])
            lines, amount = cursor.fetchone()
        if not lines:
            return False
        made = Release(
            id=release_id,
            book_id=book_id,
            currency=currency,
            available_on=available_on,
            amount=amount,
            lines=lines,
            created_at=now,
        )
        records.insert_release(made, actor=SYSTEM, now=now)
        postings.released(made, occurred_at=now)
        _keep_back(made, now)
    return True


def _keep_back(made: Release, now: datetime) -> None:
    """The part that the terms keep, for the days that they say; of a loss nothing is kept."""
    terms = merchants.payout_terms(made.book_id)
    kept = fraction(Money(made.amount, made.currency), terms.reserve_basis_points).amount
    if kept <= Decimal(0):
        return
    reserve = Reserve(
        id=ids.new_id(),
        book_id=made.book_id,
        release=made,
        currency=made.currency,
        amount=kept,
        free_on=now.date() + timedelta(days=terms.reserve_days),
        created_at=now,
    )
    records.insert_reserve(reserve, actor=SYSTEM, now=now)
    postings.reserve_kept(reserve, occurred_at=now)
    balance.reserve_kept(reserve, now=now)


def _free(reserve_id: UUID, now: datetime) -> bool:
    try:
        with transaction.atomic():
            waiting = Reserve.objects.select_for_update(skip_locked=True)
            reserve = waiting.filter(id=reserve_id, freed_at=None).first()
            if reserve is None:
                return False
            records.free_reserve(reserve, actor=SYSTEM, now=now)
            postings.reserve_freed(reserve, occurred_at=now)
            balance.reserve_freed(reserve, now=now)
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        log.exception("payments.reserve_not_freed", reserve_id=str(reserve_id))
        return False
    return True
