"""ISO 4217's list one, typed from the standard as of 2026-01-01: every exponent is right."""

from __future__ import annotations

from decimal import Decimal

import pytest

from apps.core import money
from apps.core.money import Money

BY_EXPONENT = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: """
        AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD
        CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS
        GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD
        LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB
        PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP
        SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW
        ZWG""",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
EXPONENTS = {code: places for places, codes in BY_EXPONENT.items() for code in codes.split()}
FUNDS = {"BOV", "CHE", "CHW", "CLF", "COU", "MXV", "USN", "UYI", "UYW"}
# No minor unit: metals, units of account, the code for tests and the one for no currency.
WITHOUT = [
    *("XAG", "XAU", "XBA", "XBB", "XBC", "XBD", "XDR", "XPD", "XPT", "XSU", "XTS", "XUA", "XXX"),
]


class TestTheStandard:
    @pytest.mark.parametrize("code", EXPONENTS)
    def test_exponent(self, code):
        assert money.exponent(code) == EXPONENTS[code]

    @pytest.mark.parametrize("code", EXPONENTS)
    def test_one_minor_unit_is_what_the_exponent_says(self, code):
        one = money.from_minor(1, code)

        assert one.amount == Decimal(1).scaleb(-EXPONENTS[code])
        assert money.to_minor(one) == 1
        with pytest.raises(money.NotWhole):
            money.to_minor(Money(one.amount / 10, code))

    def test_what_one_can_pay_in_is_the_list_without_its_funds(self):
        assert set(EXPONENTS) - FUNDS == money._CURRENCIES

    @pytest.mark.parametrize("code", WITHOUT)
    def test_what_has_no_minor_unit_has_no_exponent(self, code):
        assert not money.is_currency(code)
        with pytest.raises(money.UnknownCurrency):
            money.exponent(code)
