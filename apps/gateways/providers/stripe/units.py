"""Stripe's amounts and ours.

Stripe counts in "the currency's minor unit" too, but not always in ISO 4217's. This is the one
table of the differences (docs.stripe.com/currencies); everything else is the same integer. The
largest charge depends on the account and is left to Stripe.
"""

from __future__ import annotations

from typing import Final

from apps.gateways.types import AmountRules, Declined

# No decimals by ISO, written by Stripe with two that are always 00.
TIMES_100: Final = frozenset({"ISK", "UGX"})
# Two decimals by ISO, none at Stripe: the ariary has no hundredths in use.
WHOLE_ONLY: Final = frozenset({"MGA"})
# Three decimals, of which the card networks carry two.
LAST_DIGIT_ZERO: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
# Charged with two decimals, paid out without: what is left stays in the balance.
PAID_OUT_WHOLE: Final = frozenset({"HUF", "TWD"})
# The smallest charges Stripe publishes, in minor units. They hold where charges are settled in
# their own currency; elsewhere the equivalent in the currency of settlement does, and Stripe says.
SMALLEST_CHARGE: Final = {
    **dict.fromkeys(("AUD", "BRL", "CAD", "CHF", "EUR", "INR", "NZD", "SGD", "USD"), 50),
    "GBP": 30,
    "AED": 200,
    "MYR": 200,
    "PLN": 200,
    "RON": 200,
    "DKK": 250,
    "NOK": 300,
    "SEK": 300,
    "HKD": 400,
    "MXN": 1_000,
    "THB": 1_000,
    "CZK": 1_500,
    "HUF": 17_500,
    "JPY": 50,
}
_MULTIPLES: Final = {**dict.fromkeys(WHOLE_ONLY, 100), **dict.fromkeys(LAST_DIGIT_ZERO, 10)}

RULES: Final = AmountRules(
    multiple_of=_MULTIPLES,
    payout_multiple_of={**_MULTIPLES, **dict.fromkeys(PAID_OUT_WHOLE, 100)},
    smallest_charge=SMALLEST_CHARGE,
)


def to_stripe(amount_minor: int, currency: str) -> int:
    """Our minor units in Stripe's.

    :raises Declined: `amount_not_supported`, Stripe cannot express the amount; it is never rounded.
    """
    if currency in TIMES_100:
        return amount_minor * 100
    if amount_minor % _MULTIPLES.get(currency, 1):
        raise Declined("amount_not_supported")
    return amount_minor // 100 if currency in WHOLE_ONLY else amount_minor


def from_stripe(amount: int, currency: str) -> int:
    """Stripe's units in our minor units.

    :raises ValueError: Stripe sent an amount that its own rules do not allow.
    """
    if currency in TIMES_100:
        whole, rest = divmod(amount, 100)
        if rest:
            raise ValueError(f"{amount} {currency} is not a multiple of 100")
        return whole
    if currency in WHOLE_ONLY:
        return amount * 100
    return amount
