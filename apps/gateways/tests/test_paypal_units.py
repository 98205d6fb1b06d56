"""PayPal's decimal strings and our minor units."""

from __future__ import annotations

import pytest

from apps.core import money
from apps.core.money import from_minor
from apps.gateways.providers.paypal import units
from apps.gateways.types import AmountNotExpressible, Declined, require_expressible

# developer.paypal.com/api/rest/reference/currency-codes
_CURRENCIES = "AUD BRL CAD CNY CZK DKK EUR HKD HUF ILS JPY MYR MXN TWD NZD NOK PHP PLN GBP SGD SEK"
SUPPORTED = [*_CURRENCIES.split(), "CHF", "THB", "USD"]
WITHOUT_DECIMALS = {"HUF", "JPY", "TWD"}


class TestUnits:
    def test_the_table_is_all_there_is_between_paypal_and_iso_4217(self):
        assert set(units.DECIMALS) == set(SUPPORTED)
        for currency in SUPPORTED:
            theirs = 0 if currency in WITHOUT_DECIMALS else 2
            assert units.DECIMALS[currency] == theirs, currency
            assert (money.exponent(currency) != theirs) == (currency in units.WHOLE_ONLY), currency

    @pytest.mark.parametrize(
        ("amount", "currency", "value"),
        [
            (1_099, "USD", "10.99"),
            (5, "EUR", "0.05"),
            (100, "GBP", "1.00"),
            (500, "JPY", "500"),
            (150_000, "HUF", "1500"),
            (100, "TWD", "1"),
            (10**12, "USD", "10000000000.00"),
        ],
    )
    def test_amounts_are_decimal_strings_and_return_the_same(self, amount, currency, value):
        told = units.to_paypal(amount, currency)

        assert told == {"currency_code": currency, "value": value}
        assert units.from_paypal(told) == (amount, currency)

    @pytest.mark.parametrize("currency", SUPPORTED)
    def test_there_and_back_is_the_same_amount(self, currency):
        for amount in (100, 1_000, 123_400, 10**12):
            assert units.minor(units.to_paypal(amount, currency)) == amount

    @pytest.mark.parametrize(
        ("amount", "currency", "code"),
        [
            (150, "HUF", "amount_not_supported"),
            (1, "TWD", "amount_not_supported"),
            (1_000, "KWD", "currency_not_supported"),
            (1_000, "RUB", "currency_not_supported"),
        ],
    )
    def test_what_paypal_cannot_express_is_refused(self, amount, currency, code):
        with pytest.raises(Declined) as caught:
            units.to_paypal(amount, currency)

        assert caught.value.code == code

    def test_whoever_may_not_see_a_provider_is_told_the_same(self):
        for amount in (100, 150):
            for currency in SUPPORTED:
                asked = from_minor(amount, currency)
                try:
                    units.to_paypal(amount, currency)
                except Declined:
                    with pytest.raises(AmountNotExpressible):
                        require_expressible(provider="paypal", amount=asked)
                else:
                    require_expressible(provider="paypal", amount=asked)

    @pytest.mark.parametrize(
        ("value", "currency"),
        [("10.999", "USD"), ("1.5", "JPY"), ("1.5", "HUF"), ("ten", "USD"), ("NaN", "USD"),
         ("Infinity", "USD"), (None, "USD"), ("1.00", "XXX")],
    )  # fmt: skip
    def test_what_should_not_exist_is_not_rounded_away(self, value, currency):
        with pytest.raises(ValueError, match=currency):
            units.from_paypal({"currency_code": currency, "value": value})
