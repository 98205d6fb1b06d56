"""Money: django-money's type, ISO 4217's minor units, and every rounding of the project.

Amounts round half up (a tie goes away from zero) to the currency's minor unit, here and nowhere
else. The API speaks integers in minor units; the ledger keeps four decimals, which is enough for
every currency: no ISO exponent is larger.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import moneyed
from django.utils.translation import get_language, to_locale
from moneyed.l10n import format_money

from apps.core.errors import InvalidRequest

if TYPE_CHECKING:
    # djmoney's class is untyped; its parent is the same thing to a type checker.
    from moneyed import Money
else:
    from djmoney.money import Money

__all__ = [
    "Money",
    "NotWhole",
    "UnknownCurrency",
    "exponent",
    "fraction",
    "from_minor",
    "is_currency",
    "prorate",
    "round_half_up",
    "round_minor",
    "shown",
    "split",
    "to_minor",
]

# Two currencies younger than the library's table, and one it takes for historic because nobody
# is paid in it any more, which ISO 4217 lists all the same.
moneyed.add_currency("XCG", "532", name="Caribbean Guilder", sub_unit=100, countries=["CURAÇAO"])
moneyed.add_currency("ZWG", "924", name="Zimbabwe Gold", sub_unit=100, countries=["ZIMBABWE"])
moneyed.add_currency("SVC", "222", name="Salvadoran Colón", sub_unit=100, countries=["EL SALVADOR"])

# Funds codes and units of account of ISO 4217, and the offshore yuan, which is not in it: the
# library lists them with a country, yet nobody can be paid in them.
_FUNDS = frozenset(["BOV", "CHE", "CHW", "CLF", "CNH", "COU", "MXV", "USN", "UYI", "UYW"])
# Still the library's, but replaced (the lev by the euro on 2026-01-01).
_REPLACED = frozenset({"BGN"})


class UnknownCurrency(InvalidRequest):
    """Not the code of a currency in use."""


class NotWhole(ValueError):
    """An amount that is not a whole number of minor units: somebody forgot to round."""


def _in_use(currency: moneyed.Currency) -> bool:
    """Whether a country pays with it: historic codes have no country, metals a pretended one."""
    places = getattr(currency, "countries", None) or []
    return bool(places) and not any(p.startswith("ZZ") or p == "UNKNOWN REGION" for p in places)


# Every code with a minor unit of its own, funds included, so that books can name what they meet.
_EXPONENTS: dict[str, int] = {
    code: len(str(currency.sub_unit)) - 1
    for code, currency in moneyed.CURRENCIES.items()
    if _in_use(currency)
}
_CURRENCIES = frozenset(_EXPONENTS) - _FUNDS - _REPLACED


def is_currency(code: object) -> bool:
    """Whether `code` is a currency one can be paid in: in use today, no fund, no metal, no test."""
    return code in _CURRENCIES if isinstance(code, str) else False


def exponent(currency: str) -> int:
    """How many decimals the currency's minor unit has by ISO 4217: JPY 0, USD 2, KWD 3, CLF 4.

    :raises UnknownCurrency: ISO 4217 gives the code no minor unit, or no longer lists it.
    """
    try:
        return _EXPONENTS[currency]
    except KeyError:
        raise UnknownCurrency(f"Unknown currency: {currency[:10]!r}.", param="currency") from None


def from_minor(amount: int, currency: str) -> Money:
    """Money from an integer number of minor units: `from_minor(1050, "USD")` is USD 10.50.

    :raises UnknownCurrency: the code has no minor unit.
    """
    if type(amount) is not int:
        raise TypeError(f"minor units are integers, not {type(amount).__name__}")
    return Money(Decimal(f"{amount}E-{exponent(currency)}"), currency)


_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)


def to_minor(money: Money) -> int:
    """The amount in minor units.

    :raises NotWhole: it has more decimals than its currency.
    """
    code = money.currency.code
    scaled = money.amount.scaleb(exponent(code), _EXACT)
    whole = int(scaled)
    if whole != scaled:
        raise NotWhole(f"{money.amount} {code} is not a whole number of minor units")
    return whole


def round_half_up(amount: Decimal | Fraction | int, currency: str) -> Money:
    """The amount (in major units) rounded to the currency's minor unit; a tie away from zero."""
    return from_minor(_half_up(Fraction(amount) * 10 ** exponent(currency)), currency)


def round_minor(money: Money) -> Money:
    """`money` rounded to its currency's minor unit; a tie away from zero."""
    return round_half_up(money.amount, money.currency.code)


def fraction(money: Money, basis_points: int) -> Money:
    """So many hundredths of a percent of `money`, rounded: 290 basis points of USD 100 are 2.90."""
    exact = Fraction(money.amount) * basis_points / 10_000
    return round_half_up(exact, money.currency.code)


def prorate(amount: Money, part: Money, whole: Money) -> Money:
    """`amount` × `part` / `whole`, rounded once, in the currency of `amount`.

    For what is taken back in pieces: give `part` as the running total and book the difference to
    what was prorated before, and the pieces add up to the whole, whatever their number.
    """
    if part.currency != whole.currency:
        raise ValueError(f"{part.currency.code} is no part of {whole.currency.code}")
    exact = Fraction(amount.amount) * Fraction(part.amount) / Fraction(whole.amount)
    return round_half_up(exact, amount.currency.code)


def split(money: Money, weights: Sequence[int], *, remainder_to: int = 0) -> list[Money]:
    """`money` in shares by weight, in whole minor units, adding up to it exactly.

    Shares are rounded towards zero; what is left, less than one unit a share, goes to the party
    at the index `remainder_to`.

    :raises NotWhole: `money` is not a whole number of minor units.
    """
    total = sum(weights)
    if total <= 0 or min(weights) < 0:
        raise ValueError("weights are not negative, and one of them is positive")
    units = to_minor(money)
    sign = -1 if units < 0 else 1
    shares = [sign * (abs(units) * weight // total) for weight in weights]
    shares[remainder_to] += units - sum(shares)
    return [from_minor(share, money.currency.code) for share in shares]


def _half_up(exact: Fraction) -> int:
    """The nearest integer; a tie goes away from zero."""
    sign = -1 if exact < 0 else 1
    return sign * ((2 * abs(exact.numerator) + exact.denominator) // (2 * exact.denominator))


# A currency without a sign of its own is written by its code.
_CODE_BESIDE_DIGIT = re.compile(r"(?<=[A-Z]{3})(?=\d)|(?<=\d)(?=[A-Z]{3})")


def shown(money: Money) -> str:
    """The amount as a person of the active language reads it: `$1,234.50`, `¥500`, `KWD 1.250`."""
    text = format_money(round_minor(money), locale=to_locale(get_language() or "en-us"))
    return _CODE_BESIDE_DIGIT.sub("\N{NO-BREAK SPACE}", text)
