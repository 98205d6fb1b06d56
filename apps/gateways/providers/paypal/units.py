"""PayPal's amounts and ours.

PayPal takes two dozen currencies and writes decimal strings. This is the one table of how many
decimals (developer.paypal.com/api/rest/reference/currency-codes); ISO 4217 gives the forint and the
Taiwan dollar two decimals, PayPal none.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from apps.gateways.types import AmountRules, Declined

_TWO_DECIMALS = (
    "AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD ILS MXN MYR NOK NZD PHP PLN SEK SGD THB USD"
)
DECIMALS: Final[Mapping[str, int]] = {
    **dict.fromkeys(_TWO_DECIMALS.split(), 2),
    **dict.fromkeys(("HUF", "JPY", "TWD"), 0),
}
# Two decimals by ISO, none at PayPal.
WHOLE_ONLY: Final = frozenset({"HUF", "TWD"})
_MULTIPLES: Final = dict.fromkeys(WHOLE_ONLY, 100)
RULES: Final = AmountRules(multiple_of=_MULTIPLES, payout_multiple_of=_MULTIPLES)


def to_paypal(amount_minor: int, currency: str) -> dict[str, str]:
    """Our minor units as PayPal's money.

    :raises Declined: `currency_not_supported`, or `amount_not_supported` where PayPal cannot
        express the amount; it is never rounded.
    """
    if currency not in DECIMALS:
        raise Declined("currency_not_supported")
    if currency in WHOLE_ONLY:
        amount_minor, rest = divmod(amount_minor, 100)
        if rest:
            raise Declined("amount_not_supported")
    value = Decimal(amount_minor).scaleb(-DECIMALS[currency])
    return {"currency_code": currency, "value": f"{value:f}"}


def from_paypal(money: Mapping[str, Any]) -> tuple[int, str]:
    """PayPal's money as our minor units and their currency.

    :raises ValueError: it is no money, or none that PayPal's own rules allow.
    """
    currency, value = money["currency_code"], money["value"]
    if currency not in DECIMALS:
        raise ValueError(f"PayPal has no {currency}")
    try:
        scaled = Decimal(value).scaleb(DECIMALS[currency])
        whole = int(scaled)
    except (InvalidOperation, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{value!r} {currency} is no amount") from error
    if whole != scaled:
        raise ValueError(f"{value} {currency} has too many decimals")
    return (whole * 100 if currency in WHOLE_ONLY else whole), currency


def minor(money: Mapping[str, Any]) -> int:
    """PayPal's money as our minor units, where the currency is known."""
    return from_paypal(money)[0]
