"""Promises of a rate: made for a while, used once. And the rates that we set ourselves."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.conf import settings

from apps.audit import services as audit
from apps.core import db, ids
from apps.core.errors import Conflict, InvalidRequest, Unprocessable
from apps.core.fields import LARGEST_AMOUNT
from apps.core.ids import new_id
from apps.core.money import Money, is_currency, to_minor
from apps.core.types import Actor
from apps.ledger.chart import PLATFORM_BOOK
from apps.payments import fx
from apps.payments.models import ExchangeRate, Quote

GONE = "payments: the quote was used or has expired since it was read"

_INSERT_QUOTE = """
INSERT INTO payments_quote
    (id, book_id, from_currency, to_currency, amount, to_amount, rate_mid, rate,
     spread_basis_points, rates_of, expires_at, created_by, created_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"""

_USE_QUOTE = """
UPDATE payments_quote SET payment_id = %s
WHERE id = %s AND book_id = %s AND payment_id IS NULL AND expires_at > %s"""

_INSERT_RATE = """
INSERT INTO payments_exchange_rate (id, currency, day, per_euro, set_by, created_at)
VALUES (%s, %s, %s, %s, %s, %s)"""


class NothingToCredit(Unprocessable):
    """So little that it is less than half a minor unit of the other currency."""

    code = "amount_too_small"


class TooMuchToCredit(Unprocessable):
    """More minor units of the other currency than an amount may have."""

    code = "amount_too_large"


class QuoteMismatch(Unprocessable):
    """The quote promises something else than the payment wants: an amount, or a currency."""

    code = "quote_mismatch"


class QuoteExpired(Unprocessable):
    """The promise was for a while, and that is over."""

    code = "quote_expired"
    says = "This quote has expired; ask for another."


class QuoteUsed(Conflict):
    """A quote is for one payment, and this one has had it."""

    code = "quote_used"


def create_quote(
    *,
    quote_id: UUID,
    book_id: UUID,
    amount: Money,
    to_currency: str,
    actor: Actor,
    now: datetime,
) -> None:
    """Promise to convert `amount` at today's rate less our spread, for `PAYSYS_QUOTE_SECONDS`.

    Units: `amount` is whole in its currency's minor unit.
    Retries: the same `quote_id` twice is refused by the database.
    Transaction: joins the caller's unit or transaction.

    :raises InvalidRequest: both currencies are the same.
    :raises fx.NotConvertible: there is no rate between them.
    :raises fx.RateStale: the newest rate is too old.
    :raises NothingToCredit: it comes to nothing in the other currency.
    :raises TooMuchToCredit: it comes to more than 10^12 minor units there.
    """
    from_currency = amount.currency.code
    if from_currency == to_currency:
        raise InvalidRequest("A quote is between two currencies.", param="to")
    spread = settings.PAYSYS_FX_SPREAD_BASIS_POINTS
    mid = fx.mid_rate(from_currency, to_currency, on=now.date())
    rate = fx.less_spread(mid.rate, spread)
    if not rate:
        raise fx.NotConvertible(f"{from_currency} and {to_currency} are too far apart.")
    to_amount = fx.converted(amount, to_currency=to_currency, rate=rate, rate_mid=mid.rate).credited
    if not to_amount.amount:
        raise NothingToCredit(f"This is nothing in {to_currency}.", param="amount")
    if to_minor(to_amount) > LARGEST_AMOUNT:
        raise TooMuchToCredit(f"This is too much in {to_currency}.", param="amount")
    db.write(
        _INSERT_QUOTE,
        (
            *(quote_id, book_id, from_currency, to_currency, amount.amount, to_amount.amount),
            *(mid.rate, rate, spread, mid.rates_of),
            now + timedelta(seconds=settings.PAYSYS_QUOTE_SECONDS),
            *(actor, now),
        ),
    )
    facts = {
        "amount": to_minor(amount),
        "from": from_currency,
        "to_amount": to_minor(to_amount),
        "to": to_currency,
        "rate": str(rate),
    }
    audit.record(
        book_id=book_id,
        actor=actor,
        action="quote.created",
        subject_id=quote_id,
        subject_kind="quote",
        facts=facts,
        now=now,
    )


def use_quote(
    *,
    book_id: UUID,
    quote_id: UUID,
    payment_id: UUID,
    amount: Money,
    to_currency: str | None = None,
    actor: Actor,
    now: datetime,
) -> Quote:
    """Give a quote to the payment that is being written down: it is that payment's for good.

    What is read here only makes good messages. The write repeats it, so if another payment was
    faster the caller's unit fails with `db.GuardFailed`, nothing of it is written, and the next
    attempt (`idempotency.run` makes one) finds the quote used.

    Units: `amount` is the whole payment, in the currency it is presented in; `to_currency` is what
    it has to be credited in, or None where that is for the quote to say.
    Retries: none of its own.
    Transaction: joins the caller's unit or transaction, and there must be one.

    :raises NotFound: no such quote of this merchant.
    :raises QuoteMismatch: it is for another amount or other currencies.
    :raises QuoteUsed: another payment has used it.
    :raises QuoteExpired: its time is over.
    """
    quote = fx.get_quote(book_id=book_id, quote_id=quote_id)
    promised = Money(quote.amount, quote.from_currency)
    if promised != amount or to_currency not in (None, quote.to_currency):
        raise QuoteMismatch(
            f"This quote is for {to_minor(promised)} (in minor units) from {quote.from_currency} "
            f"to {quote.to_currency}.",
            param="quote",
        )
    if quote.payment_id is not None:
        raise QuoteUsed(
            "Another payment has used this quote.",
            param="quote",
            payment=ids.encode("pay", quote.payment_id),
        )
    if quote.expires_at <= now:
        raise QuoteExpired(param="quote")
    db.write(_USE_QUOTE, (payment_id, quote_id, book_id, now), expect=1, what=GONE)
    audit.record(
        book_id=book_id,
        actor=actor,
        action="quote.used",
        subject_id=quote_id,
        subject_kind="quote",
        facts={"payment": str(payment_id)},
        now=now,
    )
    return quote


def set_rate(
    *, currency: str, day: date, per_euro: Decimal, actor: Actor, now: datetime
) -> ExchangeRate:
    """Set a day's rate: so many units of `currency` for one euro, in place of the central bank's.

    Rates are never changed: of two of one day the later set counts, and quotes made before keep
    theirs.
    Transaction: its own, or a part of the caller's. Retries: a second one sets it again.

    :raises InvalidRequest: the euro itself, no currency, a day to come, or no positive rate of at
        most twelve decimals.
    """
    if not is_currency(currency) or currency == fx.EURO:
        raise InvalidRequest("A currency other than the euro, please.", param="currency")
    if day > now.date():
        raise InvalidRequest("Nobody knows the rate of a day to come.", param="day")
    is_sound = per_euro.is_finite() and 0 < per_euro < fx.LARGEST_RATE
    if not is_sound or per_euro.quantize(fx.RATE_UNIT) != per_euro:
        raise InvalidRequest("A positive rate of at most 12 decimals.", param="per_euro")
    rate = ExchangeRate(
        id=new_id(), currency=currency, day=day, per_euro=per_euro, set_by=actor, created_at=now
    )
    with db.unit():
        db.write(_INSERT_RATE, (rate.id, currency, day, per_euro, actor, now))
        audit.record(
            book_id=PLATFORM_BOOK,
            actor=actor,
            action="exchange_rate.set",
            subject_id=rate.id,
            subject_kind="exchange_rate",
            facts={"currency": currency, "day": day.isoformat(), "per_euro": str(per_euro)},
            now=now,
        )
    return rate
