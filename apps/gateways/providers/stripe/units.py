"""Stripe's amounts and ours.

Stripe counts in "the currency's minor unit" too, but not always in ISO 4217's. This is the one
table of the differences (docs.stripe.com/currencies); everything else is the same integer.
"""

from __future__ import annotations

from typing import Final

from apps.gateways.types import Declined

# No decimals by ISO, written by Stripe with two that are always 00.
TIMES_100: Final = frozenset({"ISK", "UGX"})
# Two decimals by ISO, none at Stripe: the ariary has no hundredths in use.
WHOLE_ONLY: Final = frozenset({"MGA"})
# Three decimals, of which the card networks carry two.
LAST_DIGIT_ZERO: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})


def to_stripe(amount_minor: int, currency: str) -> int:
    """Our minor units in Stripe's.

    :raises Declined: `amount_not_supported`, Stripe cannot express the amount; it is never rounded.
    """
    if currency in TIMES_100:
        return amount_minor * 100
    if currency in WHOLE_ONLY:
        return _divided(amount_minor, 100)
    if currency in LAST_DIGIT_ZERO:
        _divided(amount_minor, 10)
    return amount_minor


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


def _divided(amount: int, by: int) -> int:
    whole, rest = divmod(amount, by)
    if rest:
        raise Declined("amount_not_supported")
    return whole
