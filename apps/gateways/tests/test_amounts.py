"""What a provider cannot be told, or does not charge, is refused before any money moves."""

from __future__ import annotations

import pytest

from apps.core.money import Money, from_minor, to_minor
from apps.gateways.providers.stripe import units
from apps.gateways.types import (
    AmountNotExpressible,
    AmountRules,
    ChargeTooSmall,
    Declined,
    payable_part,
    require_chargeable,
    require_expressible,
    require_payable,
    set_amount_rules,
)

CHECKS = (require_chargeable, require_expressible, require_payable)

# By currency, in minor units: what Stripe can be told to charge and to pay out, and the next one
# it cannot; both as docs.stripe.com/currencies says.
CHARGED = {
    "USD": (1, None),
    "JPY": (1, None),
    "ISK": (1, None),
    "UGX": (1, None),
    "HUF": (1, None),
    "TWD": (1, None),
    "IDR": (1, None),
    "MGA": (100, 150),
    "KWD": (10, 5_124),
    "BHD": (10, 1),
    "JOD": (10, 1),
    "OMR": (10, 1),
    "TND": (10, 1),
}
PAID_OUT = {**CHARGED, "HUF": (100, 1_045), "TWD": (100, 1_045)}
# In the units people speak of, as Stripe's page lists them.
SMALLEST = {
    **dict.fromkeys(("USD", "AUD", "BRL", "CAD", "CHF", "EUR", "INR", "NZD", "SGD"), "0.50"),
    "AED": "2.00",
    "CZK": "15.00",
    "DKK": "2.50",
    "GBP": "0.30",
    "HKD": "4.00",
    "HUF": "175.00",
    "JPY": "50",
    "MXN": "10.00",
    "MYR": "2.00",
    "NOK": "3.00",
    "PLN": "2.00",
    "RON": "2.00",
    "SEK": "3.00",
    "THB": "10.00",
}


class TestStripesTable:
    @pytest.mark.parametrize("currency", CHARGED)
    def test_what_can_be_charged(self, currency):
        good, wrong = CHARGED[currency]
        require_expressible(provider="stripe", amount=from_minor(good, currency))
        if wrong is None:
            return
        with pytest.raises(AmountNotExpressible) as caught:
            require_expressible(provider="stripe", amount=from_minor(wrong, currency))
        assert (caught.value.status, caught.value.code) == (422, "amount_not_expressible")
        assert (caught.value.param, caught.value.extra) == ("amount", {"multiple_of": good})

    @pytest.mark.parametrize("currency", PAID_OUT)
    def test_what_can_be_paid_out(self, currency):
        good, wrong = PAID_OUT[currency]
        require_payable(provider="stripe", amount=from_minor(good, currency))
        if wrong is None:
            return
        with pytest.raises(AmountNotExpressible):
            require_payable(provider="stripe", amount=from_minor(wrong, currency))

    def test_of_forints_the_whole_ones_are_paid_and_the_rest_stays(self):
        for ours, paid in ((1_045, 1_000), (1_000, 1_000), (99, 0)):
            part = payable_part(provider="stripe", amount=from_minor(ours, "HUF"))
            assert to_minor(part) == paid
            require_payable(provider="stripe", amount=part)
        dollars = from_minor(1_045, "USD")
        assert payable_part(provider="stripe", amount=dollars) == dollars

    def test_smallest_charges_are_those_it_publishes(self):
        published = {code: to_minor(Money(amount, code)) for code, amount in SMALLEST.items()}
        assert published == units.SMALLEST_CHARGE

    def test_less_is_refused_and_told_what_the_smallest_is(self):
        require_chargeable(provider="stripe", amount=from_minor(50, "USD"))
        require_chargeable(provider="stripe", amount=from_minor(1, "ISK"))  # it names none
        with pytest.raises(ChargeTooSmall) as caught:
            require_chargeable(provider="stripe", amount=from_minor(49, "USD"))

        assert (caught.value.status, caught.value.code) == (422, "amount_too_small")
        assert (caught.value.param, caught.value.extra) == ("amount", {"smallest": 50})

    def test_a_refund_or_a_part_may_be_smaller_than_a_charge(self):
        require_expressible(provider="stripe", amount=from_minor(1, "USD"))

    @pytest.mark.parametrize("currency", CHARGED)
    def test_says_no_exactly_where_its_edge_does(self, currency):
        for amount in (*range(1, 250), 5_124, 10**6):
            asked = from_minor(amount, currency)
            try:
                units.to_stripe(amount, currency)
            except Declined:
                with pytest.raises(AmountNotExpressible):
                    require_expressible(provider="stripe", amount=asked)
            else:
                require_expressible(provider="stripe", amount=asked)


class TestAProviderWithoutATable:
    def test_takes_whatever_it_is_asked_for(self):
        for check in CHECKS:
            check(provider="nobody", amount=from_minor(1, "KWD"))
        assert payable_part(provider="nobody", amount=from_minor(1, "HUF")) == from_minor(1, "HUF")

    def test_brings_one_when_it_is_registered(self):
        set_amount_rules("whole_only", AmountRules(multiple_of={"USD": 100}))
        with pytest.raises(AmountNotExpressible):
            require_chargeable(provider="whole_only", amount=from_minor(150, "USD"))
