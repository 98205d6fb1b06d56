"""`manage.py route --explain` says in words why a payment goes where it goes."""

from __future__ import annotations

import subprocess
import sys
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.core import clock, ids
from apps.gateways.models import ProviderCircuit
from apps.payments.tests import truth
from apps.payments.tests.cards import saved_card, stripe_refuses
from apps.payments.tests.conftest import Merchant
from apps.payments.tests.purses import wallet
from apps.payments.tests.test_routing import set_rule
from paysys.embedded.folder import CHECKOUT
from paysys.testing.paypal import PayPalSimulator
from paysys.testing.simulator import Simulator


def explained(*words: str) -> str:
    out = StringIO()
    call_command("route", "--explain", *words, stdout=out)
    return out.getvalue()


def what_if(whose: Merchant, **facts: str) -> str:
    told = {"merchant": whose.public_id, "currency": "USD", "amount": "10000", **facts}
    return explained(*(f"--{name}={value}" for name, value in told.items()))


class TestAHypotheticalPayment:
    def test_is_told_every_rule_every_provider_and_the_decision(self, merchant: Merchant) -> None:
        set_rule(("paypal", 100), position=10, currency="EUR")
        set_rule(("paypal", 100), position=20, country="DE")
        set_rule(("stripe", 0), ("paypal", 100), position=30, method="card")
        set_rule(("stripe", 100), position=40)

        told = what_if(merchant)

        lines = [" ".join(line.split()) for line in told.splitlines()]
        assert "10 of a test EUR → paypal 100 no: the currency is USD, not EUR" in lines
        assert "20 of a test DE → paypal 100 no: the card's country is not known, not DE" in lines
        assert "30 of a test card → stripe 0, paypal 100 FITS" in lines
        assert "40 of a test every payment → stripe 100 not looked at" in lines
        assert "paypal can charge it create CLOSED no calls" in lines
        assert "provider paypal" in lines
        assert "else stripe" in lines
        assert any(line.startswith("because rule 30 “of a test” fits") for line in lines)
        columns = {line.index("→") for line in told.splitlines() if "→" in line}
        assert len(columns) == 1, "aligned"

    def test_is_told_who_is_ill(self, merchant: Merchant, settings: Any) -> None:
        settings.PAYSYS_CIRCUIT_CALLS = 5
        now = clock.now()
        ProviderCircuit.objects.create(
            provider="stripe", operation="confirm", opened_at=now, changed_at=now,
            retry_at=now.replace(year=now.year + 1), succeeded=1, failed=9,
        )  # fmt: skip

        told = what_if(merchant)

        assert "OPEN until" in told
        assert (
            "stripe is passed over: its circuit for confirm is open (1 of 10 calls succeeded)"
        ) in told

    def test_is_told_who_has_no_token_and_who_cannot_say_the_amount(
        self, merchant: Merchant
    ) -> None:
        assert "has no token" in what_if(merchant, tokens="stripe")
        told = what_if(merchant, currency="HUF", amount="150050")
        assert "cannot: An amount in HUF has to be a multiple of" in told

    def test_without_explaining_is_one_word(self, merchant: Merchant) -> None:
        out = StringIO()
        words = (f"--merchant={merchant.public_id}", "--currency=USD", "--amount=500")
        call_command("route", *words, stdout=out)

        assert out.getvalue() == "stripe\n"


class TestAPaymentThatWasMade:
    def test_is_told_what_was_decided_then_and_what_would_be_now(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator
    ) -> None:
        with stripe_refuses(simulator):
            payment_id = merchant.pay(10_000, saved_card(merchant)).json()["id"]
        set_rule(("stripe", 100), method="card")
        before = truth.counts()

        told = explained(payment_id)

        assert "100.00" in told
        assert "from stripe to paypal at " in told
        then, _, now = told.partition("A payment like it would be decided now")
        assert "no rule fits: stripe is the default" in then
        assert "rule 10 “of a test” fits" in now
        assert truth.counts() == before


class TestBadInput:
    @pytest.mark.parametrize(
        ("facts", "says"),
        [
            ({"merchant": "merchant_none"}, "--merchant: No such merchant"),
            ({"merchant": "pay_x"}, "--merchant: No such merchant"),
            ({"currency": "XXX"}, "--currency: Unknown currency"),
            ({"amount": "0"}, "--amount: A whole number"),
            ({"amount": "-5"}, "--amount: A whole number"),
            ({"amount": "1.5"}, "--amount: A whole number"),
            ({"amount": "1" * 500}, "--amount: A whole number"),
            ({"amount": "１０"}, "--amount: A whole number"),
            ({"country": "Germany"}, "--country: Two capitals"),
            ({"tokens": "stripe,nobody"}, "--tokens: Unknown: nobody"),
            ({"amount": "1", "tokens": "stripe"}, "--amount: The smallest charge"),
        ],
    )
    def test_is_named_and_ends_with_two(
        self, merchant: Merchant, facts: dict[str, str], says: str
    ) -> None:
        with pytest.raises(CommandError) as refused:
            what_if(merchant, **facts)

        assert refused.value.returncode == 2
        assert str(refused.value).startswith(says)

    def test_is_a_payment_that_nobody_made_or_that_no_provider_takes_part_in(
        self, merchant: Merchant
    ) -> None:
        purse = merchant.pay(100, wallet(merchant, 10_000)).json()["id"]
        for words in (
            ("pay_nothing",),
            (ids.encode("pay", ids.new_id()),),
            (purse,),
            (purse, "--currency=USD"),
            (),
        ):
            with pytest.raises(CommandError) as refused:
                explained(*words)
            assert refused.value.returncode == 2

    def test_ends_the_process_with_two_and_one_line(self) -> None:
        done = subprocess.run(
            [sys.executable, "manage.py", "route", "--explain", "--currency", "USD"],
            cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].endswith("Needed, if no payment is named.")
