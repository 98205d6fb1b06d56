"""Rates of exchange, and the arithmetic of a conversion.

A rate `X → Y` is so many units of Y for one of X, and comes from what one euro is in each of them:
the European Central Bank publishes that on every day its payment system is open, and rows of
`ExchangeRate` go before it. The *mid* is the market's rate; a merchant gets the mid less our
spread. Rates have twelve decimals; amounts are rounded in `core.money` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import cache
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from currency_converter import CurrencyConverter, RateNotFoundError
from django.conf import settings

from apps.core.errors import NotFound, Unprocessable
from apps.core.money import Money, round_half_up
from apps.payments.models import ExchangeRate, Quote

EURO = "EUR"
RATE_UNIT = Decimal("1E-12")
LARGEST_RATE = Decimal(10**12)  # what the columns hold, exclusive
WHOLE = 10_000  # basis points

# Of the table of the package, which begins in 1999, the newest days: a year and a half of them are
# loaded in 0.02 s and 5 MB, all of them in 0.2 s and 40 MB a process. Currencies that the euro has
# replaced, or that are no longer quoted, are not among them.
DAYS_LOADED = 400


class NotConvertible(Unprocessable):
    """Nobody has a rate between these currencies."""

    code = "currency_not_convertible"


class RateStale(Unprocessable):
    """The newest rate we have is too old to promise money at it; `rates_of` is its day."""

    code = "rate_stale"


@dataclass(frozen=True, slots=True)
class Mid:
    """The market's rate between two currencies, and the older day of the two rates behind it."""

    rate: Decimal
    rates_of: date


class PerEuro(NamedTuple):
    """A day's rate of a currency: so many units of it for one euro."""

    rate: Decimal
    day: date


class Converted(NamedTuple):
    """An amount in another currency: `mid` = `credited` + `spread`, each whole and not negative."""

    mid: Money
    credited: Money
    spread: Money


# --- reading --------------------------------------------------------------------------------------


def mid_rate(from_currency: str, to_currency: str, *, on: date) -> Mid:
    """The market's rate of one unit of `from_currency` in `to_currency`, as known on a day.

    Of each currency the newest rate of that day or before counts; one that we have set ourselves
    goes before the European Central Bank's of the same or an earlier day.

    :raises NotConvertible: one of them has no rate, or they are too far apart for twelve decimals.
    :raises RateStale: the newest rate of one is more than `PAYSYS_FX_MAX_AGE_DAYS` older than `on`.
    """
    rates = per_euro((from_currency, to_currency), on=on)
    for currency in (from_currency, to_currency):
        if currency not in rates:
            raise NotConvertible(f"There is no rate of {currency}.")
    bought, sold = rates[to_currency], rates[from_currency]
    rates_of = min(bought.day, sold.day)
    if on - rates_of > timedelta(days=settings.PAYSYS_FX_MAX_AGE_DAYS):
        raise RateStale(
            f"The newest rate from {from_currency} to {to_currency} is of {rates_of}.",
            rates_of=rates_of.isoformat(),
        )
    rate = bought.rate / sold.rate
    if rate < LARGEST_RATE:
        rate = rate.quantize(RATE_UNIT, ROUND_HALF_UP)
    if not 0 < rate < LARGEST_RATE:
        raise NotConvertible(f"{from_currency} and {to_currency} are too far apart.")
    return Mid(rate, rates_of)


def per_euro(currencies: Iterable[str], *, on: date) -> dict[str, PerEuro]:
    """The newest rate of each currency that has one, of the day or before. One query."""
    wanted = set(currencies)
    newest = ExchangeRate.objects.filter(currency__in=wanted, day__lte=on)
    newest = newest.order_by("currency", "-day", "-id").distinct("currency")
    ours = {row.currency: PerEuro(row.per_euro, row.day) for row in newest}
    found: dict[str, PerEuro] = {}
    for currency in wanted:
        rate, theirs = ours.get(currency), _of_central_bank(currency, on)
        if rate is None or (theirs is not None and theirs.day > rate.day):
            rate = theirs
        if rate is not None:
            found[currency] = rate
    return found


def get_quote(*, book_id: UUID, quote_id: UUID) -> Quote:
    """A quote of this merchant's.

    :raises NotFound: there is none, or it is somebody else's.
    """
    quote = Quote.objects.filter(book_id=book_id, id=quote_id).first()
    if quote is None:
        raise NotFound("No such quote.", param="quote")
    return quote


class _NewestDays(CurrencyConverter):
    """The package's table without its past: the file begins with its header and the newest day."""

    def load_lines(self, lines: Iterable[str]) -> None:
        super().load_lines(islice(lines, 1 + DAYS_LOADED))


@cache
def _table() -> CurrencyConverter:
    """The European Central Bank's rates, loaded once per process, when they are first asked for."""
    return _NewestDays(decimal=True)


def _of_central_bank(currency: str, on: date) -> PerEuro | None:
    """Its newest rate of the day or before: there is none of weekends and holidays."""
    if currency == EURO:
        return PerEuro(Decimal(1), on)
    table = _table()
    if currency not in table.bounds:
        return None
    first, last = table.bounds[currency]
    day = min(on, last)
    while day >= first:
        try:
            return PerEuro(table.convert(1, EURO, currency, day), day)
        except RateNotFoundError:
            day -= timedelta(days=1)
    return None


# --- arithmetic -----------------------------------------------------------------------------------


def less_spread(mid: Decimal, spread_basis_points: int) -> Decimal:
    """The rate we give: the mid less the spread, rounded down, so never above the mid."""
    return (mid * (WHOLE - spread_basis_points) / WHOLE).quantize(RATE_UNIT, ROUND_DOWN)


def converted(amount: Money, *, to_currency: str, rate: Decimal, rate_mid: Decimal) -> Converted:
    """What `amount` is in `to_currency`: at the mid, at our rate, and the difference.

    Each of the first two is rounded half up once, to the minor unit of `to_currency`; the spread is
    what is left, so that no unit is lost or made. Of a small amount all three may be zero.
    """
    assert 0 < rate <= rate_mid, f"{rate} is no rate below a mid of {rate_mid}"
    exact = Fraction(amount.amount)
    mid = round_half_up(exact * Fraction(rate_mid), to_currency)
    credited = round_half_up(exact * Fraction(rate), to_currency)
    return Converted(mid=mid, credited=credited, spread=mid - credited)
