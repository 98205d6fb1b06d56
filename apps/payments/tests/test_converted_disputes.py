"""Disputes of payments in one currency that were credited in another."""

from __future__ import annotations

from decimal import Decimal

from django.db import transaction

from apps.core import clock
from apps.core.money import Money
from apps.gateways.types import LineKind, StatementLine
from apps.payments.models import Dispute
from apps.payments.services import disputes, quotes
from apps.payments.tests import truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.objections import (
    DISPUTED,
    EXCESS,
    PAYABLE,
    assert_whole,
    hear,
    only_dispute,
    open_dispute,
    usd,
)
from apps.payments.tests.rows import execute
from paysys.testing.simulator import Simulator


class TestAConvertedPayment:
    def paid(self, merchant: Merchant) -> str:
        """80.01 EUR, credited in USD: 1.2375 for each of them."""
        now = clock.now()
        quotes.set_rate(
            currency="USD", day=now.date(), per_euro=Decimal("1.25"), actor="system", now=now
        )
        quote = merchant.post("/v1/quotes", {"from": "EUR", "to": "USD", "amount": 8_001})
        order = {"amount": 8_001, "currency": "EUR", "source": "pm_card_visa"}
        answer = merchant.post("/v1/payments", {**order, "quote": quote.json()["id"]})
        finish_runs()
        return str(answer.json()["id"])

    def test_pays_the_fee_in_what_the_merchant_is_paid_in(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = self.paid(merchant)
        open_dispute(simulator, payment_id)
        hear(simulator)
        before, fees = merchant.balance(PAYABLE), merchant.balance("platform:fees", "EUR")

        truth.book_statement()
        finish_runs()

        dispute = assert_whole(merchant, simulator, payment_id)
        assert dispute.provider_fee == 15, "euros"
        assert before - merchant.balance(PAYABLE) == usd("18.56")
        assert merchant.balance(PAYABLE, "EUR") == Money("0.00", "EUR")
        assert merchant.balance("platform:fees", "EUR") - fees == Money("15.00", "EUR")
        shown = merchant.get("/v1/balance_transactions?type=dispute_fee").json()["data"]
        assert [(line["fee"], line["net"], line["currency"]) for line in shown] == [
            (1_856, -1_856, "USD")
        ]

    def test_pays_every_fee_of_a_dispute_to_the_last_cent(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = self.paid(merchant)
        open_dispute(simulator, payment_id)
        hear(simulator)
        before = merchant.balance(PAYABLE)

        charged = []
        for number, fee in enumerate([1, 1, 1, 1_500, -1_503]):
            assert self.line(merchant, only_dispute(merchant), f"txn_{number}", fee)
            charged.append(before - merchant.balance(PAYABLE))
        finish_runs()

        cents = ["0.01", "0.02", "0.04", "18.60", "0.00"]
        assert charged == [usd(amount) for amount in cents]
        assert merchant.balance(PAYABLE, "EUR") == Money("0.00", "EUR")
        assert truth.violations() == {}

    def test_is_charged_nothing_by_a_line_in_another_currency_than_was_paid(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = self.paid(merchant)
        open_dispute(simulator, payment_id)
        hear(simulator)
        before = truth.counts()

        assert not self.line(merchant, only_dispute(merchant), "txn_usd", 1_500, currency="USD")

        assert truth.counts() == before
        assert truth.violations() == {}

    def test_whose_fee_was_once_charged_as_it_was_gets_that_back(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = self.paid(merchant)
        open_dispute(simulator, payment_id)
        hear(simulator)
        before = merchant.balance(PAYABLE)
        assert self.line(merchant, only_dispute(merchant), "txn_old", 1_500)
        with transaction.atomic():
            execute("SET LOCAL session_replication_role = replica")
            execute("UPDATE payments_dispute_line SET merchant_fee = NULL")
        after = merchant.balance(PAYABLE)

        assert self.line(merchant, only_dispute(merchant), "txn_back", -1_500)

        assert merchant.balance(PAYABLE) == after != before
        assert merchant.balance(PAYABLE, "EUR") == Money("15.00", "EUR")

    def line(
        self, merchant: Merchant, dispute: Dispute, name: str, fee: int, currency: str = "EUR"
    ) -> bool:
        """A line of the statement that is about the fee alone; whether it is booked."""
        line = StatementLine(
            provider="stripe",
            line_reference=name,
            kind=LineKind.DISPUTE,
            gross_minor=0,
            fee_minor=fee,
            net_minor=-fee,
            currency=currency,
            occurred_at=clock.now(),
            available_on=clock.now(),
            source_reference=dispute.provider_reference,
            payment_reference=dispute.payment.provider_reference,
        )
        return disputes.apply_line(line, now=clock.now())

    def test_takes_of_the_merchant_what_it_was_credited_for_it(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = self.paid(merchant)
        merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 1_000})
        before = merchant.balance(PAYABLE)
        reference = open_dispute(simulator, payment_id)

        hear(simulator)

        dispute = assert_whole(merchant, simulator, payment_id)
        payment = merchant.payment(payment_id)
        assert (dispute.budget_part, dispute.excess) == (Decimal("70.01"), 10)
        assert payment.credit_returned == payment.amount_credited, "to the last cent"
        assert before - merchant.balance(PAYABLE) == Money(dispute.bearer_amount, "USD")
        assert merchant.balance(DISPUTED, "EUR") == Money("80.01", "EUR")

        simulator.decide(reference, "win", amount=4_000)
        hear(simulator)

        assert_whole(merchant, simulator, payment_id)
        assert merchant.payment(payment_id).amount_charged_back == Decimal("40.01")
        assert merchant.balance(EXCESS, "EUR") == Money("0.00", "EUR")
