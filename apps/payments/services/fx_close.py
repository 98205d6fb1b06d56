"""What our open positions are worth at the end of a day, and what they have gained or lost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog

from apps.audit import services as audit
from apps.core import db
from apps.core.money import Money, round_half_up, to_minor
from apps.ledger import selectors as books
from apps.ledger import services as ledger
from apps.ledger.chart import PLATFORM_FX, PLATFORM_FX_RESULT
from apps.ledger.types import credit, debit
from apps.merchants import selectors as merchants
from apps.payments import fx

DONE = "payments: somebody else has revalued this day"
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"

log = structlog.get_logger(__name__)


def revalue_yesterday(*, book_id: UUID, now: datetime) -> Money | None:
    """Revalue the last day that is over in the book's time zone; see `revalue`."""
    zone = ZoneInfo(merchants.get(book_id).time_zone)
    day = now.astimezone(zone).date() - timedelta(days=1)
    return revalue(book_id=book_id, day=day, now=now)


def revalue(*, book_id: UUID, day: date, now: datetime) -> Money | None:
    """Book what a book's open positions have gained or lost since they were last valued.

    `platform:fx` holds, per currency, what we are long (credit) or short (debit) of since we owe a
    merchant another currency than we were paid in. Valued in the merchant's default currency at the
    day's mid rates all of it together is worth nothing on the day of the conversion; what it is
    worth later is a gain, or a loss, and goes to `platform:fx_result`, after which it is worth
    nothing again (but for less than a minor unit). So the results of all days add up to what a
    position cost in the end, and a day that was left out is part of the next one's.

    Returns the gain (positive) or loss that was booked; None if the day was done before, or there
    is no rate to value it at: that is logged, and the next day's is the next chance.

    Units: the result is in the merchant's default currency. It is booked on `day`, or, if that has
    begun to close, on the first open one.
    Retries: once a day and book, by the reference `revalue:{day}`.
    Transaction: its own.

    :raises NotFound: no such merchant.
    :raises DayNotOver: the day has not ended in the book's time zone.
    """
    merchant = merchants.get(book_id)
    home, reference = merchant.default_currency, f"revalue:{day}"
    end = datetime.combine(day + timedelta(days=1), time(), ZoneInfo(merchant.time_zone))
    if now < end:
        raise ledger.DayNotOver(f"{day} has not ended in {merchant.time_zone}.")
    if books.transaction_by_reference(book_id=book_id, reference=reference) is not None:
        return None
    positions = books.booked_balances(book_id=book_id, code=PLATFORM_FX, day=day)
    try:
        rates = _rates(positions, home, day)
    except (fx.NotConvertible, fx.RateStale) as error:
        log.warning("fx.not_revalued", book_id=str(book_id), day=str(day), reason=error.message)
        return None
    result = _worth(positions, rates, home)
    if result.amount:
        try:
            _book(book_id, reference, result, positions, rates, end=end, now=now)
        except db.GuardFailed:
            return None
    return result


def _rates(positions: Sequence[Money], home: str, day: date) -> dict[str, Decimal]:
    """The mid of every currency of the positions in `home`."""
    held = {position.currency.code for position in positions} - {home}
    return {currency: fx.mid_rate(currency, home, on=day).rate for currency in held}


def _worth(positions: Sequence[Money], rates: dict[str, Decimal], home: str) -> Money:
    """All positions together, rounded once."""
    exact = sum(
        Fraction(position.amount) * Fraction(rates.get(position.currency.code, Decimal(1)))
        for position in positions
    )
    return round_half_up(exact, home)


def _book(
    book_id: UUID,
    reference: str,
    result: Money,
    positions: Sequence[Money],
    rates: dict[str, Decimal],
    *,
    end: datetime,
    now: datetime,
) -> None:
    if result.amount > 0:
        lines = [debit(PLATFORM_FX, result), credit(PLATFORM_FX_RESULT, result)]
    else:
        lines = [debit(PLATFORM_FX_RESULT, -result), credit(PLATFORM_FX, -result)]
    with db.unit():
        # One after the other, so that whoever comes second sees the first one's posting.
        db.write(_LOCK, (f"{book_id}:{reference}",))
        db.require(
            "NOT EXISTS (SELECT FROM ledger_transaction WHERE book_id = %s AND reference = %s)",
            (book_id, reference),
            what=DONE,
        )
        ledger.post(
            book_id=book_id,
            reference=reference,
            kind="revaluation",
            lines=lines,
            occurred_at=end - timedelta(microseconds=1),
        )
        audit.record(
            book_id=book_id,
            actor="system",
            action="fx_position.revalued",
            subject_id=book_id,
            subject_kind="merchant",
            facts={
                "reference": reference,
                "result": to_minor(result),
                "positions": {p.currency.code: to_minor(p) for p in positions},
                "rates": {currency: str(rate) for currency, rate in rates.items()},
            },
            now=now,
        )
