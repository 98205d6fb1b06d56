"""Of whom a dispute takes: the payment's budget, a wallet, and us; and what becomes of refunds."""

from __future__ import annotations

from typing import Any

import pytest

from apps.core.money import Money
from apps.ledger import selectors as ledger_selectors
from apps.payments.models import ExcessCase
from apps.payments.services import taking
from apps.payments.tests import purses, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.objections import (
    CLEARING,
    DISPUTED,
    EXCESS,
    PAYABLE,
    WITHDRAWN,
    assert_whole,
    hear,
    only_dispute,
    open_dispute,
    reserve_refund,
    usd,
)
from apps.payments.tests.threads import at_once
from apps.sagas.models import Run
from apps.wallets import selectors as wallets_selectors
from paysys.testing.simulator import Simulator


class TestTheBudget:
    def test_is_the_payments_and_what_exceeds_it_is_ours_with_a_case(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000)
        merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 3_000})
        reference = open_dispute(simulator, payment_id)

        hear(simulator)

        dispute = assert_whole(merchant, simulator, payment_id)
        assert (dispute.budget_part, dispute.excess) == (70, 30)
        assert merchant.balance(DISPUTED) == usd("100.00"), "all of it is set aside"
        assert merchant.balance(EXCESS) == usd("30.00")
        assert ExcessCase.objects.get().closed_at is None
        truth.book_statement()
        assert merchant.balance(CLEARING) == usd("-45.00")

        simulator.decide(reference, "win", amount=4_000)
        hear(simulator)

        dispute = assert_whole(merchant, simulator, payment_id)
        assert (dispute.budget_part, dispute.excess) == (60, 0), "ours comes back first"
        assert merchant.balance(EXCESS) == usd("0.00")
        assert ExcessCase.objects.get().closed_at is not None
        assert merchant.balance(WITHDRAWN) == usd("40.00")
        truth.book_statement()
        finish_runs()
        assert merchant.balance(WITHDRAWN) == usd("0.00")
        assert merchant.balance(CLEARING) == usd("-5.00")
        fee_returned = usd("0.90")  # of the 30.00 that were refunded
        assert merchant.balance(PAYABLE) == usd("-105.00") + fee_returned

    def test_of_a_split_tender_is_the_cards_part_alone(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        purse = purses.wallet(merchant, 6_000)
        payment_id = merchant.pay(10_000, wallet=purse, wallet_amount=6_000).json()["id"]
        finish_runs()
        refund = f"/v1/payments/{payment_id}/refund"
        assert merchant.post(refund, {"amount": 3_000}).status_code == 201
        reference = open_dispute(simulator, payment_id)

        hear(simulator)

        dispute = assert_whole(merchant, simulator, payment_id, alone=False)
        assert (dispute.amount, dispute.budget_part, dispute.excess) == (40, 10, 30)
        assert merchant.balance(EXCESS) == usd("30.00"), "the card has had its money back before"
        simulator.decide(reference, "lose")
        hear(simulator)
        left = merchant.post(refund, {"amount": 6_001}).json()
        assert left["error"]["remaining"] == 6_000, "the wallet gets all that it has paid"
        assert merchant.post(refund).status_code == 201
        finish_runs()
        assert purses.inside(merchant, purse) == (6_000, 0)
        assert_whole(merchant, simulator, payment_id, alone=False)

    def test_that_was_refunded_and_is_lost_when_first_heard_of_is_charged_back(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000)
        merchant.post(f"/v1/payments/{payment_id}/refund")
        finish_runs()
        simulator.decide(open_dispute(simulator, payment_id), "lose")

        hear(simulator)

        dispute = assert_whole(merchant, simulator, payment_id, alone=False)
        assert (dispute.status, dispute.excess) == ("LOST", 100)
        assert merchant.payment(payment_id).status == "CHARGED_BACK"

    def test_is_closed_to_refunds_while_a_dispute_is_open(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000)
        open_dispute(simulator, payment_id, amount=4_000)
        hear(simulator)

        answer = merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 1_000})

        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (409, "payment_not_refundable")
        assert_whole(merchant, simulator, payment_id)

    def test_of_a_refund_that_was_sent_stays_the_refunds(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000, "pm_card_pendingRefund")
        refund = merchant.post(f"/v1/payments/{payment_id}/refund", {}).json()
        assert refund["status"] == "PENDING"
        open_dispute(simulator, payment_id)
        hear(simulator)
        assert only_dispute(merchant).excess == 100
        simulator.settle()

        truth.make_refunds_due()
        truth.finish_everything()

        assert merchant.refund(refund["id"]).status == "SUCCEEDED"
        assert_whole(merchant, simulator, payment_id)
        assert merchant.balance(EXCESS) == usd("100.00")

    def test_of_a_refund_that_was_not_sent_is_free_again(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000)
        refund_id = reserve_refund(merchant, payment_id, 4_000)
        open_dispute(simulator, payment_id)

        hear(simulator)
        truth.finish_everything()

        refund = merchant.refund(refund_id)
        assert (refund.status, refund.failure_code) == ("FAILED", "payment_disputed")
        assert simulator.effects(payment_id)["refunds"] == 0
        dispute = assert_whole(merchant, simulator, payment_id)
        assert (dispute.budget_part, dispute.excess) == (100, 0)
        assert merchant.balance(PAYABLE) == usd("-100.00")


class TestATopUp:
    def topped_up(self, merchant: Merchant, amount: int, spent: int) -> tuple[str, str]:
        """A payment into a wallet of which so much is spent again."""
        wallet = purses.wallet(merchant)
        payment_id = merchant.pay(amount, destination=wallet).json()["id"]
        finish_runs()
        if spent:
            assert merchant.pay(spent, wallet).status_code == 201
        return payment_id, wallet

    def test_takes_what_the_wallet_still_has_and_freezes_it(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id, wallet = self.topped_up(merchant, 10_000, spent=7_000)
        open_dispute(simulator, payment_id)

        hear(simulator)

        dispute = assert_whole(merchant, simulator, payment_id, alone=False)
        assert (dispute.bearer_amount, dispute.shortfall, dispute.excess) == (30, 70, 0)
        assert merchant.payment(payment_id).amount_excess == 0
        assert purses.inside(merchant, wallet) == (0, 0)
        assert merchant.balance(EXCESS) == usd("70.00")
        assert merchant.balance(DISPUTED) == usd("100.00")
        assert ExcessCase.objects.get().closed_at is None
        refused = merchant.pay(100, wallet)
        assert refused.json()["error"]["code"] == "wallet_frozen"

    def test_that_is_won_gives_ours_back_first(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id, wallet = self.topped_up(merchant, 10_000, spent=7_000)
        reference = open_dispute(simulator, payment_id)
        hear(simulator)
        simulator.decide(reference, "win", amount=8_000)

        hear(simulator)

        dispute = assert_whole(merchant, simulator, payment_id, alone=False)
        assert (dispute.bearer_amount, dispute.shortfall) == (20, 0)
        assert purses.inside(merchant, wallet) == (1_000, 0)
        assert ExcessCase.objects.get().closed_at is not None

    @pytest.mark.parametrize("refunds", [[10_000], [6_000, 4_000], [3_000]])
    def test_takes_what_a_refund_that_it_cancels_brings_the_wallet(
        self, merchant: Merchant, simulator: Simulator, refunds: list[int]
    ) -> None:
        payment_id, wallet = self.topped_up(merchant, 10_000, spent=0)
        ordered = [reserve_refund(merchant, payment_id, amount) for amount in refunds]
        open_dispute(simulator, payment_id)

        hear(simulator)
        truth.finish_everything()

        assert {merchant.refund(refund_id).status for refund_id in ordered} == {"FAILED"}
        dispute = assert_whole(merchant, simulator, payment_id)
        assert (dispute.bearer_amount, dispute.shortfall, dispute.excess) == (100, 0, 0)
        assert purses.inside(merchant, wallet) == (0, 0), "nothing stays of what is disputed"
        assert merchant.balance(EXCESS) == usd("0.00")
        assert not ExcessCase.objects.exists()

    def test_into_a_wallet_that_closed_goes_to_the_merchant_when_won(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id, wallet = self.topped_up(merchant, 10_000, spent=0)
        reference = open_dispute(simulator, payment_id)
        hear(simulator)
        assert merchant.post(f"/v1/wallets/{wallet}/close").status_code == 200
        simulator.decide(reference, "win")
        before = merchant.balance(PAYABLE)

        hear(simulator)

        assert_whole(merchant, simulator, payment_id, alone=False)
        assert purses.inside(merchant, wallet) == (0, 0)
        assert merchant.balance(PAYABLE) - before == usd("100.00")

    def test_takes_what_is_left_where_something_leaves_the_wallet_at_this_moment(
        self, merchant: Merchant, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        payment_id, wallet = self.topped_up(merchant, 10_000, spent=0)
        open_dispute(simulator, payment_id)
        read = ledger_selectors.balance

        def just_before(**what: Any) -> Money:
            there = read(**what)
            monkeypatch.undo()
            at_once([lambda: purses.take(merchant, wallet, usd("40.00"))])
            return there

        monkeypatch.setattr(taking.ledger_selectors, "balance", just_before)

        hear(simulator)
        truth.finish_everything()

        dispute = assert_whole(merchant, simulator, payment_id, alone=False)
        assert (dispute.bearer_amount, dispute.shortfall) == (60, 40)
        assert purses.inside(merchant, wallet) == (0, 0)
        assert not Run.objects.filter(status="COMPENSATED").exists(), "it looked again, and at once"

    def test_into_a_wallet_that_closes_at_this_moment_goes_to_the_merchant_when_won(
        self, merchant: Merchant, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        payment_id, wallet = self.topped_up(merchant, 10_000, spent=0)
        reference = open_dispute(simulator, payment_id)
        hear(simulator)
        simulator.decide(reference, "win")
        before, read = merchant.balance(PAYABLE), wallets_selectors.get_wallet

        def just_before(**what: Any) -> Any:
            found = read(**what)
            monkeypatch.undo()
            [closed] = at_once([lambda: merchant.post(f"/v1/wallets/{wallet}/close")])
            assert closed.status_code == 200
            return found

        monkeypatch.setattr(wallets_selectors, "get_wallet", just_before)

        hear(simulator)
        truth.finish_everything()

        assert_whole(merchant, simulator, payment_id, alone=False)
        assert purses.inside(merchant, wallet) == (0, 0)
        assert merchant.balance(PAYABLE) - before == usd("100.00")
