"""Refunds that had a wallet when they were asked for, and whose wallet is closed at their end: the
merchant has the money, owes it to the customer, and is whom a dispute takes it from."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core.money import Money
from apps.payments.models import BalanceTransaction, ExcessCase
from apps.payments.tests import news, purses, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.objections import (
    CLEARING,
    EXCESS,
    PAYABLE,
    assert_whole,
    hear,
    only_dispute,
    open_dispute,
    reserve_refund,
    usd,
)
from apps.payments.tests.test_confluence import begin
from apps.payments.tests.test_conversion import paid as paid_in_euros
from apps.payments.tests.test_conversion import quote, set_rate
from apps.payments.tests.threads import at_once
from apps.wallets import selectors as wallets_selectors
from paysys.testing.crowd import ROUNDS
from paysys.testing.simulator import Simulator

SLOW = "pm_card_pendingRefund"


@pytest.fixture(autouse=True)
def nothing_costs_a_fee(merchant: Merchant) -> None:
    """So that the merchant's money is what refunds and disputes make of it."""
    merchant.set_plan(basis_points=0)


def topped_up(merchant: Merchant, source: str = SLOW) -> tuple[str, str]:
    """A payment of 100.00 into a wallet."""
    purse = purses.wallet(merchant)
    payment_id = merchant.pay(10_000, source, destination=purse).json()["id"]
    finish_runs()
    return payment_id, purse


def refund(merchant: Merchant, payment_id: str, **body: Any) -> str:
    answer = merchant.post(f"/v1/payments/{payment_id}/refund", body)
    assert answer.status_code == 201, answer.content
    return str(answer.json()["id"])


def close(merchant: Merchant, purse: str) -> None:
    assert merchant.post(f"/v1/wallets/{purse}/close").status_code == 200


def fail(merchant: Merchant, simulator: Simulator, refund_id: str) -> None:
    """The bank could not give it back, and we hear of it."""
    simulator.fail_refund(merchant.refund(refund_id).provider_reference)
    news.tell(simulator, "refund.failed")
    truth.make_refunds_due()
    truth.finish_everything()


def confirm(simulator: Simulator) -> None:
    simulator.settle()
    truth.make_refunds_due()
    truth.finish_everything()


class TestARefundOfATopUpThatFails:
    @pytest.mark.parametrize("is_confirmed", [False, True])
    def test_is_the_merchants_once_the_wallet_is_closed(
        self, merchant: Merchant, simulator: Simulator, is_confirmed: bool
    ) -> None:
        payment_id, purse = topped_up(merchant)
        refund_id = refund(merchant, payment_id)
        close(merchant, purse)
        if is_confirmed:
            confirm(simulator)
        assert merchant.balance(PAYABLE) == usd("0.00")

        fail(merchant, simulator, refund_id)

        assert purses.inside(merchant, purse) == (0, 0), "nothing stays in a wallet that is closed"
        assert merchant.balance(PAYABLE) == usd("100.00")
        assert merchant.balance(CLEARING) == usd("100.00")
        shown = merchant.get(f"/v1/refunds/{refund_id}").json()
        assert (shown["status"], shown["to_merchant"]) == ("FAILED", 10_000)
        lines = merchant.get("/v1/balance_transactions?type=refund_return").json()["data"]
        assert [(line["net"], line["source"]) for line in lines] == [(10_000, refund_id)]
        truth.assert_told_once(merchant, simulator, payment_id)

    def test_goes_back_to_a_wallet_that_is_open(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id, purse = topped_up(merchant)
        refund_id = refund(merchant, payment_id)
        purses.set_status(purse, "FROZEN")

        fail(merchant, simulator, refund_id)

        assert purses.inside(merchant, purse) == (10_000, 0)
        assert merchant.balance(PAYABLE) == usd("0.00")
        assert merchant.get(f"/v1/refunds/{refund_id}").json()["to_merchant"] == 0
        truth.assert_told_once(merchant, simulator, payment_id)

    def test_is_the_merchants_if_the_wallet_closes_at_this_moment(
        self, merchant: Merchant, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        payment_id, purse = topped_up(merchant)
        refund_id = refund(merchant, payment_id)
        read = wallets_selectors.get_wallet

        def just_before(**what: Any) -> Any:
            found = read(**what)
            monkeypatch.undo()
            at_once([lambda: close(merchant, purse)])
            return found

        monkeypatch.setattr(wallets_selectors, "get_wallet", just_before)

        fail(merchant, simulator, refund_id)

        assert purses.inside(merchant, purse) == (0, 0)
        assert merchant.balance(PAYABLE) == usd("100.00")
        truth.assert_told_once(merchant, simulator, payment_id)

    def test_and_is_disputed_afterwards_is_taken_from_the_merchant_who_has_it(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id, purse = topped_up(merchant)
        refund_id = refund(merchant, payment_id, amount=6_000)
        merchant.pay(4_000, purse)  # spent: nobody here has that any more
        before = merchant.balance(PAYABLE)
        close(merchant, purse)
        fail(merchant, simulator, refund_id)
        assert merchant.balance(PAYABLE) - before == usd("60.00")
        reference = open_dispute(simulator, payment_id)

        hear(simulator)

        dispute = assert_whole(merchant, simulator, payment_id, alone=False)
        assert (dispute.bearer_amount, dispute.shortfall, dispute.excess) == (60, 40, 0)
        assert merchant.balance(PAYABLE) == before
        assert merchant.balance(EXCESS) == usd("40.00")

        simulator.decide(reference, "win")
        hear(simulator)

        assert_whole(merchant, simulator, payment_id, alone=False)
        assert merchant.balance(PAYABLE) - before == usd("60.00")
        assert merchant.balance(EXCESS) == usd("0.00")


class TestARefundThatADisputeCancels:
    def test_is_taken_from_the_merchant_who_has_it_for_a_closed_wallet(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id, purse = topped_up(merchant)
        refund_id = reserve_refund(merchant, payment_id, 10_000)
        close(merchant, purse)
        reference = open_dispute(simulator, payment_id)

        hear(simulator)
        truth.finish_everything()

        assert merchant.refund(refund_id).failure_code == "payment_disputed"
        dispute = assert_whole(merchant, simulator, payment_id)
        assert (dispute.bearer_amount, dispute.shortfall, dispute.excess) == (100, 0, 0)
        assert purses.inside(merchant, purse) == (0, 0)
        assert merchant.balance(PAYABLE) == usd("0.00")
        assert not ExcessCase.objects.exists()

        simulator.decide(reference, "win")
        hear(simulator)

        assert_whole(merchant, simulator, payment_id)
        assert merchant.balance(PAYABLE) == usd("100.00")


class TestTheWalletsPartOfARefund:
    def paid(self, merchant: Merchant) -> tuple[str, str]:
        purse = purses.wallet(merchant, 4_000)
        payment_id = merchant.pay(10_000, SLOW, wallet=purse).json()["id"]
        finish_runs()
        return payment_id, purse

    def test_is_the_merchants_once_the_wallet_is_closed(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id, purse = self.paid(merchant)
        refund_id = refund(merchant, payment_id)
        close(merchant, purse)
        assert merchant.balance(PAYABLE) == usd("-100.00")

        confirm(simulator)

        assert purses.inside(merchant, purse) == (0, 0)
        assert merchant.balance(PAYABLE) == usd("-60.00"), "the card has its part"
        shown = merchant.get(f"/v1/refunds/{refund_id}").json()
        assert (shown["status"], shown["to_merchant"]) == ("SUCCEEDED", 4_000)
        assert BalanceTransaction.objects.get(kind="refund_return").net == 40
        truth.assert_told_once(merchant, simulator, payment_id, alone=False)

        fail(merchant, simulator, refund_id)

        assert merchant.balance(PAYABLE) == usd("0.00"), "the card's part has come back as well"
        assert purses.inside(merchant, purse) == (0, 0)
        assert merchant.refund(refund_id).merchant_amount == 40
        truth.assert_told_once(merchant, simulator, payment_id, alone=False)

    def test_of_a_converted_payment_is_the_merchants_at_its_rate(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        set_rate("USD", "1.25")  # less 1 %: 1.2375 for a euro
        purse = purses.wallet(merchant, 4_000, "EUR")
        payment_id = paid_in_euros(merchant, 10_000, source=SLOW, wallet=purse)
        refund_id = refund(merchant, payment_id)
        close(merchant, purse)
        assert merchant.balance(PAYABLE) == usd("-123.75")

        confirm(simulator)

        assert purses.inside(merchant, purse, "EUR") == (0, 0)
        assert merchant.balance(PAYABLE) == usd("-74.25"), "the card's 60 euros at the same rate"
        assert merchant.balance(PAYABLE, "EUR").amount == 0
        assert merchant.get(f"/v1/refunds/{refund_id}").json()["to_merchant"] == 4_950
        assert merchant.balance("platform:fx", "EUR") == Money("40.00", "EUR")
        truth.assert_told_once(merchant, simulator, payment_id, alone=False)

    def test_that_is_nothing_in_the_other_currency_stays_in_no_closed_wallet(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        set_rate("USD", "1.25")
        set_rate("JPY", "16000")
        purse = purses.wallet(merchant, 30, "JPY")
        promised = quote(merchant, 10_000, ("JPY", "USD"))
        order = {"currency": "JPY", "quote": promised, "source": SLOW, "wallet": purse}
        payment_id = paid_in_euros(merchant, 10_000, **order)
        refund(merchant, payment_id)
        close(merchant, purse)
        before = merchant.balance(PAYABLE)

        confirm(simulator)

        assert purses.inside(merchant, purse, "JPY") == (0, 0)
        assert merchant.balance(PAYABLE) == before
        truth.assert_told_once(merchant, simulator, payment_id, alone=False)

    def test_is_the_merchants_also_when_nobody_was_credited(
        self, merchant: Merchant, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from apps.payments import postings
        from apps.payments.sagas.refusals import Rejected

        def refuse(*_facts: object, **_more: object) -> None:
            raise Rejected

        with monkeypatch.context() as planted:
            planted.setattr(postings, "credited", refuse)
            payment_id, purse = self.paid(merchant)
        close(merchant, purse)

        simulator.settle()
        truth.make_due(merchant.payment(payment_id))
        truth.finish_everything()

        assert merchant.payment(payment_id).status == "REFUNDED"
        assert purses.inside(merchant, purse) == (0, 0)
        assert merchant.balance(PAYABLE) == usd("40.00")
        truth.assert_told_once(merchant, simulator, payment_id, alone=False)


class Story:
    """A top-up of 100.00 whose refunds are on their way; beside, what is to be true of it."""

    def __init__(self, merchant: Merchant, simulator: Simulator, data: st.DataObject) -> None:
        self.merchant, self.simulator, self.data = merchant, simulator, data
        self.payment, self.purse = topped_up(merchant)
        amounts = data.draw(st.sampled_from([(), (100,), (60, 40), (30,)]))
        self.refunds = {refund(merchant, self.payment, amount=a * 100): a for a in amounts}
        self.taken, self.dispute = 0, ""
        self.is_closed = False

    def close_the_wallet(self) -> None:
        if self.merchant.post(f"/v1/wallets/{self.purse}/close").status_code == 200:
            self.is_closed = True

    def confirm_the_refunds(self) -> None:
        confirm(self.simulator)

    def fail_a_refund(self) -> None:
        if self.refunds:
            failed = self.data.draw(st.sampled_from(sorted(self.refunds)))
            del self.refunds[failed]
            fail(self.merchant, self.simulator, failed)

    def dispute_it(self) -> None:
        if not self.dispute:
            self.taken = self.data.draw(st.sampled_from([100, 50]))
            self.dispute = open_dispute(self.simulator, self.payment, amount=self.taken * 100)
            hear(self.simulator)

    def decide_it(self) -> None:
        if self.taken and only_dispute(self.merchant).is_open:
            result = self.data.draw(st.sampled_from(["win", "lose"]))
            self.taken = 0 if result == "win" else self.taken
            self.simulator.decide(self.dispute, result)
            hear(self.simulator)

    def check(self) -> None:
        """Whoever was given the money is who gives it back; nothing is carried but what exceeds."""
        assert truth.violations() == {}
        out = sum(self.refunds.values())
        excess = max(out + self.taken - 100, 0)
        assert self.merchant.balance(EXCESS) == usd(f"{excess}.00")
        wallet, _held = purses.inside(self.merchant, self.purse)
        merchants = self.merchant.balance(PAYABLE)
        left = 100 - out - self.taken + excess
        assert usd(f"{wallet // 100}.00") + merchants == usd(f"{left}.00")
        assert not (self.is_closed and wallet)
        assert self.is_closed or not merchants.amount


@pytest.mark.repeated
@settings(
    max_examples=ROUNDS,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_in_any_order_whoever_was_given_the_money_gives_it_back(
    simulator: Simulator, data: st.DataObject
) -> None:
    merchant = begin(simulator)
    merchant.set_plan(basis_points=0)
    story = Story(merchant, simulator, data)
    story.check()
    steps = [
        *(story.close_the_wallet, story.confirm_the_refunds, story.fail_a_refund),
        *(story.dispute_it, story.decide_it),
    ]
    for step in data.draw(st.lists(st.sampled_from(steps), max_size=8)):
        step()
        story.check()
