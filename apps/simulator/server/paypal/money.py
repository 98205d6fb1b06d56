"""PayPal's money: decimal strings, in two dozen currencies."""

from decimal import ROUND_HALF_UP, Decimal

from ..wire import Json
from .errors import PayPalError

_TWO = "AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD ILS MXN MYR NOK NZD PHP PLN SEK SGD THB USD"
DECIMALS = {**dict.fromkeys(_TWO.split(), 2), "HUF": 0, "JPY": 0, "TWD": 0}
_LARGEST = Decimal("999999999999999.99")

# The provider's price: 3.49 % of what is captured, rounded half up, and 0.49 (currencies without
# decimals: 49 units). It keeps all of it on a refund.
_FEE_RATE, _FEE_FIXED = Decimal("0.0349"), 49


def money(value: Decimal, currency: str) -> Json:
    return {"currency_code": currency, "value": f"{value:.{DECIMALS[currency]}f}"}


def read(given: Json, field: str) -> Decimal:
    """:raises PayPalError: not a currency of PayPal's, or not an amount in it."""
    currency, text = given["currency_code"], given["value"]
    if currency not in DECIMALS:
        raise PayPalError("INVALID_CURRENCY_CODE", field=f"{field}/currency_code", value=currency)
    value, at = Decimal(text), f"{field}/value"
    if value <= 0:
        raise PayPalError("CANNOT_BE_ZERO_OR_NEGATIVE", field=at, value=text)
    decimals = max(0, -int(value.normalize().as_tuple().exponent))
    if decimals and DECIMALS[currency] == 0:
        raise PayPalError("DECIMALS_NOT_SUPPORTED", field=at, value=text)
    if decimals > DECIMALS[currency]:
        raise PayPalError("DECIMAL_PRECISION", field=at, value=text)
    if value > _LARGEST:
        raise PayPalError("MAX_VALUE_EXCEEDED", field=at, value=text)
    return value


def amount(shown: Json) -> Decimal:
    """The amount of money that we wrote ourselves."""
    return Decimal(shown["value"])


def fee_of(value: Decimal, currency: str) -> Decimal:
    unit = Decimal(1).scaleb(-DECIMALS[currency])
    return (value * _FEE_RATE).quantize(unit, ROUND_HALF_UP) + _FEE_FIXED * unit
