"""What went out beyond a payment is charged to the merchant or written off, once; and what comes
back later goes to whoever bore it."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from django.db import transaction

from apps.audit import selectors as audit
from apps.core import clock, ids
from apps.core.errors import DomainError
from apps.core.money import Money, round_half_up
from apps.payments.models import BalanceTransaction, Dispute, ExcessCase
from apps.payments.services import excess, quotes, suspense
from apps.payments.tests import news, purses, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.objections import (
    EXCESS,
    PAYABLE,
    assert_whole,
    hear,
    only_dispute,
    open_dispute,
    usd,
)
from apps.payments.tests.threads import at_once
from paysys.testing.simulator import Simulator

LOSSES = "platform:losses"
FINANCE = "staff:7"


def decide(decision: Any, amount: str | Money, *, seen: int | None = None) -> Dispute:
    """As somebody does who has looked at the newest case just now."""
    found = ExcessCase.objects.latest("id")
    version = Dispute.objects.get(id=found.dispute_id).version if seen is None else seen
    with transaction.atomic():
        dispute: Dispute = decision(
            case_id=found.id,
            amount=usd(amount) if isinstance(amount, str) else amount,
            seen=version,
            reason="agreed with the merchant",
            actor=FINANCE,
            now=clock.now(),
        )
    return dispute


@pytest.fixture
def exceeding(merchant: Merchant, simulator: Simulator) -> tuple[str, str]:
    """A payment of 100.00, 30.00 of it given back, all of it disputed: 30.00 are ours."""
    payment_id = merchant.captured(10_000)
    merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 3_000})
    reference = open_dispute(simulator, payment_id)
    hear(simulator)
    return payment_id, reference


class TestADecision:
    def test_charges_the_merchant_who_is_told_and_sees_the_line(
        self, merchant: Merchant, simulator: Simulator, exceeding: tuple[str, str]
    ) -> None:
        before = merchant.balance(PAYABLE)

        decide(excess.charge, "30.00")

        dispute = assert_whole(merchant, simulator, exceeding[0])
        assert (dispute.excess, dispute.merchant_charged) == (30, 30)
        assert before - merchant.balance(PAYABLE) == usd("30.00"), "also below zero"
        assert (merchant.balance(EXCESS), merchant.balance(LOSSES)) == (usd("0.00"), usd("0.00"))
        case = ExcessCase.objects.get()
        assert case.closed_at is not None
        assert truth.kinds_of(dispute.id)[-1] == "dispute.excess_charged"
        shown = merchant.get(f"/v1/disputes/{ids.encode('dp', dispute.id)}").json()
        assert (shown["excess_charged"], shown["charged_currency"]) == (3_000, "USD")
        lines = merchant.get("/v1/balance_transactions").json()["data"]
        assert [(line["type"], line["net"]) for line in lines][:1] == [("excess_charge", -3_000)]
        trail = audit.list_entries(book_id=case.book_id, subject_id=case.id)
        assert [(entry.action, entry.actor) for entry in trail] == [
            ("case.opened", "system"),
            ("case.charged", FINANCE),
            ("case.closed", FINANCE),
        ]
        assert trail[1].facts == {
            "dispute": str(dispute.id),
            "amount": 3_000,
            "currency": "USD",
            "reason": "agreed with the merchant",
        }

    def test_writes_off_and_takes_nothing_from_the_merchant(
        self, merchant: Merchant, simulator: Simulator, exceeding: tuple[str, str]
    ) -> None:
        before = merchant.balance(PAYABLE)

        decide(excess.write_off, "30.00")

        dispute = assert_whole(merchant, simulator, exceeding[0])
        assert (dispute.merchant_charged, dispute.excess_written_off) == (0, 30)
        assert merchant.balance(PAYABLE) == before
        assert (merchant.balance(EXCESS), merchant.balance(LOSSES)) == (usd("0.00"), usd("30.00"))
        assert ExcessCase.objects.get().closed_at is not None
        assert not BalanceTransaction.objects.filter(kind="excess_charge").exists()

    def test_in_part_leaves_the_case_open_for_the_rest(
        self, merchant: Merchant, simulator: Simulator, exceeding: tuple[str, str]
    ) -> None:
        decide(excess.charge, "10.00")
        assert merchant.balance(EXCESS) == usd("20.00")
        assert ExcessCase.objects.get().closed_at is None
        decide(excess.write_off, "5.00")
        decide(excess.charge, "15.00")

        dispute = assert_whole(merchant, simulator, exceeding[0])
        assert (dispute.merchant_charged, dispute.excess_written_off) == (25, 5)
        assert merchant.balance(EXCESS) == usd("0.00")
        assert ExcessCase.objects.get().closed_at is not None

    @pytest.mark.parametrize(
        ("amount", "facts", "error"),
        [
            ("30.01", {}, excess.MoreThanIsOpen),
            ("0.00", {}, excess.MoreThanIsOpen),
            ("-1.00", {}, excess.MoreThanIsOpen),
            ("1.00", {"reason": " "}, excess.ReasonMissing),
            ("1.00", {"reason": "x" * 201}, excess.ReasonMissing),
            ("1.00", {"seen": 99}, excess.CaseChanged),
            ("1.00", {"amount": Money("1.00", "EUR")}, excess.MoreThanIsOpen),
        ],
    )
    def test_that_does_not_fit_changes_nothing(
        self,
        merchant: Merchant,
        exceeding: tuple[str, str],
        amount: str,
        facts: dict[str, Any],
        error: type[DomainError],
    ) -> None:
        before = truth.counts()
        said: dict[str, Any] = {
            "case_id": ExcessCase.objects.get().id,
            "amount": usd(amount),
            "seen": only_dispute(merchant).version,
            "reason": "because",
            "actor": FINANCE,
            "now": clock.now(),
        }
        for decision in (excess.charge, excess.write_off):
            with pytest.raises(error), transaction.atomic():
                decision(**{**said, **facts})
        assert truth.counts() == before

    def test_of_a_closed_case_is_refused(
        self, merchant: Merchant, exceeding: tuple[str, str]
    ) -> None:
        decide(excess.charge, "30.00")
        before = truth.counts()

        with pytest.raises(suspense.CaseNotOpen):
            decide(excess.write_off, "30.00")

        assert truth.counts() == before

    @pytest.mark.parametrize("round_", range(4))
    def test_of_two_people_at_once_counts_once(
        self, merchant: Merchant, simulator: Simulator, exceeding: tuple[str, str], round_: int
    ) -> None:
        seen = only_dispute(merchant).version

        def act(decision: Any) -> str:
            try:
                decide(decision, "10.00", seen=seen)
            except DomainError as error:
                return error.code
            return "done"

        told = at_once([lambda: act(excess.charge), lambda: act(excess.write_off)])

        assert sorted(told) == ["case_changed", "done"]
        assert merchant.balance(EXCESS) == usd("20.00")
        assert_whole(merchant, simulator, exceeding[0])


class TestWhoseItIs:
    def test_of_a_top_up_the_merchant_is_charged_what_the_wallet_did_not_have(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        wallet = purses.wallet(merchant)
        payment_id = merchant.pay(10_000, destination=wallet).json()["id"]
        finish_runs()
        merchant.pay(7_000, wallet)
        reference = open_dispute(simulator, payment_id)
        hear(simulator)
        before = merchant.balance(PAYABLE)

        decide(excess.charge, "50.00")
        decide(excess.write_off, "20.00")

        dispute = assert_whole(merchant, simulator, payment_id, alone=False)
        assert (dispute.shortfall_charged, dispute.shortfall_written_off) == (50, 20)
        assert before - merchant.balance(PAYABLE) == usd("50.00")
        assert merchant.balance(EXCESS) == usd("0.00")

        simulator.decide(reference, "win", amount=4_000)
        hear(simulator)

        dispute = assert_whole(merchant, simulator, payment_id, alone=False)
        assert (dispute.shortfall, dispute.shortfall_charged) == (30, 30)
        assert dispute.shortfall_written_off == 0, "what is ours comes back first"
        assert before - merchant.balance(PAYABLE) == usd("30.00")

    def test_of_a_converted_payment_is_charged_at_its_rate(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = converted(merchant, 8_001)
        merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 1_000})
        reference = open_dispute(simulator, payment_id)
        hear(simulator)
        before = merchant.balance(PAYABLE)
        rate = merchant.payment(payment_id).rate
        assert rate is not None

        for euros in ("3.33", "3.33", "3.34"):
            decide(excess.charge, Money(euros, "EUR"))

        dispute = assert_whole(merchant, simulator, payment_id)
        charged = round_half_up(Fraction(10) * Fraction(rate), "USD")
        assert before - merchant.balance(PAYABLE) == charged, "the pieces are the whole"
        assert dispute.merchant_charged == charged.amount
        assert merchant.balance(EXCESS, "EUR") == Money("0.00", "EUR")

        simulator.decide(reference, "win", amount=1_000)
        hear(simulator)

        assert assert_whole(merchant, simulator, payment_id).merchant_charged == 0
        assert merchant.balance(PAYABLE) == before

    def test_of_two_disputes_is_the_budgets_once_one_is_won(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000)
        first = open_dispute(simulator, payment_id)
        hear(simulator)
        open_dispute(simulator, payment_id, amount=6_000)
        hear(simulator)
        assert merchant.balance(EXCESS) == usd("60.00")
        decide(excess.charge, "60.00")
        assert merchant.balance(PAYABLE) == usd("-160.00")

        simulator.decide(first, "win")
        hear(simulator)

        truth.assert_told_once(merchant, simulator, payment_id)
        assert merchant.payment(payment_id).amount_excess == 0
        assert merchant.balance(PAYABLE) == usd("-60.00"), "the second one alone"
        assert merchant.balance(EXCESS) == usd("0.00")
        for dispute in Dispute.objects.all():
            assert len(truth.kinds_of(dispute.id)) == dispute.version


def converted(merchant: Merchant, minor: int) -> str:
    """A payment in euros that is credited in dollars, at 1.25 less our spread."""
    now = clock.now()
    quotes.set_rate(
        currency="USD", day=now.date(), per_euro=Decimal("1.25"), actor="system", now=now
    )
    quote = merchant.post("/v1/quotes", {"from": "EUR", "to": "USD", "amount": minor}).json()
    body = {"amount": minor, "currency": "EUR", "source": "pm_card_visa", "quote": quote["id"]}
    payment_id = str(merchant.post("/v1/payments", body).json()["id"])
    finish_runs()
    return payment_id


class TestWhatComesBackLater:
    def test_of_what_was_charged_is_the_merchants_again(
        self, merchant: Merchant, simulator: Simulator, exceeding: tuple[str, str]
    ) -> None:
        before = merchant.balance(PAYABLE)
        decide(excess.charge, "30.00")
        simulator.decide(exceeding[1], "win", amount=2_000)

        hear(simulator)

        dispute = assert_whole(merchant, simulator, exceeding[0])
        assert (dispute.excess, dispute.excess_charged, dispute.merchant_charged) == (10, 10, 10)
        assert before - merchant.balance(PAYABLE) == usd("10.00")
        assert merchant.balance(EXCESS) == usd("0.00")
        kinds = BalanceTransaction.objects.order_by("id").values_list("kind", flat=True)
        assert list(kinds)[-2:] == ["excess_charge", "excess_charge_return"]

    def test_is_what_nobody_bore_then_ours_then_the_merchants(
        self, merchant: Merchant, simulator: Simulator, exceeding: tuple[str, str]
    ) -> None:
        decide(excess.charge, "12.00")
        decide(excess.write_off, "8.00")
        simulator.decide(exceeding[1], "win", amount=2_500)

        hear(simulator)

        dispute = assert_whole(merchant, simulator, exceeding[0])
        assert (dispute.excess, dispute.excess_charged, dispute.excess_written_off) == (5, 5, 0)
        assert ExcessCase.objects.get().closed_at is not None
        assert merchant.balance(LOSSES) == usd("0.00")

    def test_opens_another_case_if_it_is_taken_again(
        self, merchant: Merchant, simulator: Simulator, exceeding: tuple[str, str]
    ) -> None:
        decide(excess.charge, "30.00")
        simulator.decide(exceeding[1], "lose")
        hear(simulator)
        simulator.decide(exceeding[1], "reverse")
        hear(simulator)

        dispute = assert_whole(merchant, simulator, exceeding[0])
        assert (dispute.excess, dispute.merchant_charged) == (0, 0)
        assert ExcessCase.objects.filter(closed_at=None).count() == 0


class TestARefundThatFails:
    def sent_before_the_dispute(
        self, merchant: Merchant, simulator: Simulator, amount: int = 10_000
    ) -> tuple[str, str]:
        payment_id = merchant.captured(10_000)
        refund = merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": amount}).json()
        assert refund["status"] == "SUCCEEDED"
        open_dispute(simulator, payment_id)
        hear(simulator)
        return payment_id, refund["id"]

    def fail(self, simulator: Simulator, payment_id: str) -> None:
        simulator.fail_refund(simulator.effects(payment_id)["refund_ids"][0])
        news.tell(simulator, "refund.failed")
        finish_runs()

    def test_lets_the_budget_bear_what_exceeded_it(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id, refund_id = self.sent_before_the_dispute(merchant, simulator)
        assert only_dispute(merchant).excess == 100

        self.fail(simulator, payment_id)

        assert merchant.refund(refund_id).status == "FAILED"
        dispute = assert_whole(merchant, simulator, payment_id)
        assert (dispute.budget_part, dispute.excess) == (100, 0)
        assert merchant.payment(payment_id).amount_excess == 0
        assert merchant.balance(EXCESS) == usd("0.00")
        assert merchant.balance(PAYABLE) == usd("-100.00"), "the merchant bears the dispute"
        assert ExcessCase.objects.get().closed_at is not None

    def test_gives_back_what_was_charged_for_it(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id, _ = self.sent_before_the_dispute(merchant, simulator, 4_000)
        decide(excess.charge, "30.00")
        decide(excess.write_off, "10.00")

        self.fail(simulator, payment_id)

        dispute = assert_whole(merchant, simulator, payment_id)
        assert (dispute.excess, dispute.merchant_charged, dispute.excess_written_off) == (0, 0, 0)
        assert merchant.balance(PAYABLE) == usd("-100.00"), "not a cent more than the dispute"
        assert merchant.balance(LOSSES) == usd("0.00")

    def test_of_a_top_up_takes_what_it_brings_the_wallet(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        wallet = purses.wallet(merchant)
        payment_id = merchant.pay(10_000, destination=wallet).json()["id"]
        finish_runs()
        merchant.pay(6_000, wallet)
        merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 4_000})
        open_dispute(simulator, payment_id)
        hear(simulator)
        dispute = only_dispute(merchant)
        assert (dispute.excess, dispute.shortfall) == (40, 60)

        self.fail(simulator, payment_id)

        dispute = assert_whole(merchant, simulator, payment_id, alone=False)
        assert (dispute.excess, dispute.shortfall, dispute.bearer_amount) == (0, 60, 40)
        assert purses.inside(merchant, wallet) == (0, 0)
        assert merchant.balance(EXCESS) == usd("60.00")
