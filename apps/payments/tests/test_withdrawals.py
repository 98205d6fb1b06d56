"""Withdrawals from a wallet to a bank account of its customer's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.db import transaction

from apps.audit.models import AuditEntry
from apps.core import clock, ids
from apps.core.errors import DomainError
from apps.core.money import Money
from apps.payments.models import BalanceTransaction, Payout
from apps.payments.services import redirecting
from apps.payments.tests import truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.purses import inside, set_status, wallet
from apps.payments.tests.tills import FAILS, URL, bank, end, payout, standing
from apps.sagas.models import Run
from apps.wallets.models import Wallet


def owner_of(public_id: str) -> UUID:
    customer_id: UUID = Wallet.objects.get(id=ids.decode("wallet", public_id)).customer_id
    return customer_id


def withdraw(merchant: Merchant, purse: str, amount: int, **more: Any) -> Any:
    return merchant.post(f"/v1/wallets/{purse}/withdraw", {"amount": amount, **more})


def top_up(merchant: Merchant, purse: str, amount: int, source: str = "pm_card_visa") -> str:
    body = {"amount": amount, "source": source}
    answer = merchant.post(f"/v1/wallets/{purse}/top_up", body)
    assert answer.status_code == 201, answer.content
    finish_runs()
    return str(answer.json()["id"])


@pytest.fixture
def purse(merchant: Merchant) -> str:
    """A wallet with 100.00, whose customer has a bank account."""
    public_id = wallet(merchant, 10_000)
    bank(merchant, customer_id=owner_of(public_id))
    return public_id


class TestTheGoodWay:
    def test_money_leaves_the_wallet_and_arrives(self, merchant, purse, simulator):
        answer = withdraw(merchant, purse, 4_000, description="to my bank")
        shown = answer.json()

        assert (answer.status_code, shown["status"]) == (201, "IN_TRANSIT")
        assert (shown["type"], shown["wallet"]) == ("withdrawal", purse)
        assert inside(merchant, purse) == (6_000, 0)
        assert standing(merchant)["in_transit"] == 4_000
        assert truth.violations() == {}

        end(simulator, merchant, shown["id"], "pay")

        assert merchant.get(f"{URL}/{shown['id']}").json()["status"] == "PAID"
        assert standing(merchant)["in_transit"] == 0
        assert len(simulator.payouts_for(shown["id"])) == 1
        assert merchant.get(f"{URL}?wallet={purse}").json()["data"][0]["id"] == shown["id"]
        assert truth.violations() == {}

    def test_is_the_customers_money_and_no_line_of_the_merchants_balance(self, merchant, purse):
        public_id = withdraw(merchant, purse, 4_000).json()["id"]

        assert not BalanceTransaction.objects.exists()
        assert merchant.get(f"{URL}/{public_id}/items").json()["data"] == []
        (currency,) = merchant.get("/v1/balance").json()["currencies"] or [{"in_transit": 0}]
        assert currency["in_transit"] == 0

    def test_wallet_says_what_became_of_it(self, merchant, purse, simulator):
        public_id = withdraw(merchant, purse, 4_000).json()["id"]
        end(simulator, merchant, public_id, "return")
        lines = merchant.get(f"/v1/wallets/{purse}/transactions").json()["data"]

        assert [(line["description"], line["amount"]) for line in lines[:2]] == [
            ("Withdrawal returned", 4_000),
            ("Withdrawal", -4_000),
        ]
        assert {line["payout"] for line in lines[:2]} == {public_id}

    def test_same_key_withdraws_once(self, merchant, purse):
        path, body = f"/v1/wallets/{purse}/withdraw", {"amount": 4_000}
        first = merchant.post(path, body, key="k")
        again = merchant.post(path, body, key="k")

        assert again.content == first.content
        assert inside(merchant, purse) == (6_000, 0)

    def test_one_that_fails_gives_back(self, merchant, simulator):
        purse = wallet(merchant, 10_000)
        bank(merchant, FAILS, customer_id=owner_of(purse))
        public_id = withdraw(merchant, purse, 4_000).json()["id"]
        end(simulator, merchant, public_id, "fail")

        assert payout(merchant, public_id).status == "FAILED"
        assert inside(merchant, purse) == (10_000, 0)
        assert truth.violations() == {}

    def test_one_that_comes_back_credits_a_frozen_wallet_too(self, merchant, purse, simulator):
        public_id = withdraw(merchant, purse, 4_000).json()["id"]
        set_status(purse, "FROZEN")
        end(simulator, merchant, public_id, "return")

        assert payout(merchant, public_id).status == "RETURNED"
        assert inside(merchant, purse) == (10_000, 0)
        assert truth.violations() == {}

    @pytest.mark.parametrize("result", ["fail", "return"])
    def test_a_wallet_that_was_closed_meanwhile_needs_a_person(
        self, merchant, purse, simulator, result
    ):
        public_id = withdraw(merchant, purse, 10_000).json()["id"]
        set_status(purse, "CLOSED")
        end(simulator, merchant, public_id, result)
        truth.finish_everything()

        assert Run.objects.filter(status="NEEDS_ATTENTION").count() == 1
        assert (
            payout(merchant, public_id).status == {"fail": "IN_TRANSIT", "return": "PAID"}[result]
        )
        assert inside(merchant, purse) == (0, 0)
        assert truth.violations() == {}

    @pytest.mark.parametrize(("result", "status"), [("fail", "FAILED"), ("return", "RETURNED")])
    def test_that_a_person_gives_to_the_merchant_is_the_merchants_once(
        self, merchant, purse, simulator, result, status
    ):
        public_id = withdraw(merchant, purse, 10_000).json()["id"]
        set_status(purse, "CLOSED")
        end(simulator, merchant, public_id, result)
        truth.finish_everything()

        told = [give_to_merchant(merchant, public_id) for _ in range(2)]
        truth.finish_everything()

        assert told == ["", "not_awaiting_decision"]
        found = payout(merchant, public_id)
        assert (found.status, found.to_merchant_at is None) == (status, False)
        assert inside(merchant, purse) == (0, 0), "nothing stays in a wallet that is closed"
        assert merchant.balance("merchant:payable") == Money("100.00", "USD")
        assert merchant.balance("payout:in_transit") == Money("0.00", "USD")
        assert "payout.redirected" in truth.kinds_of(found.id)
        shown = merchant.get("/v1/balance_transactions?type=withdrawal_return").json()["data"]
        assert [(line["net"], line["source"]) for line in shown] == [(10_000, public_id)]
        entry = AuditEntry.objects.get(action="payout.redirected")
        assert (entry.actor, entry.facts["reason"]) == ("staff:7", "the customer was told")
        truth.assert_nothing_is_left_over()

    def test_whose_wallet_is_open_is_nobodys_to_give_away(self, merchant, purse, simulator):
        public_id = withdraw(merchant, purse, 10_000).json()["id"]
        before = truth.counts()
        assert give_to_merchant(merchant, public_id) == "not_awaiting_decision"
        Run.objects.filter(saga="payout").update(status="NEEDS_ATTENTION", next_run_at=None)
        assert give_to_merchant(merchant, public_id) == "wallet_open"
        assert give_to_merchant(merchant, public_id, reason=" ") == "reason_missing"
        assert truth.counts() == before


def give_to_merchant(merchant, public_id, reason="the customer was told"):
    """What somebody is told who gives what came back to the merchant: nothing, or why not."""
    try:
        with transaction.atomic():
            redirecting.give_to_merchant(
                book_id=merchant.book_id,
                payout_id=ids.decode("po", public_id),
                reason=reason,
                actor="staff:7",
                now=clock.now(),
            )
    except DomainError as error:
        return error.code
    return ""


class TestCardFunds:
    @pytest.fixture(autouse=True)
    def delay(self, settings):
        settings.PAYSYS_CARD_FUNDS_DELAY_HOURS = 72

    def test_stay_for_a_while(self, merchant, purse):
        top_up(merchant, purse, 5_000)
        refused = withdraw(merchant, purse, 10_001)
        error = refused.json()["error"]

        assert (refused.status_code, error["code"]) == (402, "insufficient_funds")
        assert (error["available"], error["currency"]) == (10_000, "USD")
        assert not Payout.objects.exists()
        assert withdraw(merchant, purse, 10_000).status_code == 201
        later = clock.now() + timedelta(hours=73)
        with time_machine.travel(later, tick=False):
            assert withdraw(merchant, purse, 5_000).status_code == 201
        assert inside(merchant, purse) == (0, 0)

    def test_that_were_refunded_are_not_counted(self, merchant, purse):
        payment = top_up(merchant, purse, 5_000)
        merchant.post(f"/v1/payments/{payment}/refund", {"amount": 2_000})
        assert inside(merchant, purse) == (13_000, 0)
        assert withdraw(merchant, purse, 10_001).status_code == 402
        assert withdraw(merchant, purse, 10_000).status_code == 201

    def test_that_were_spent_leave_nothing_to_withdraw_but_no_debt(self, merchant):
        purse = wallet(merchant)
        bank(merchant, customer_id=owner_of(purse))
        top_up(merchant, purse, 5_000)
        assert merchant.pay(3_000, purse).status_code == 201
        error = withdraw(merchant, purse, 1).json()["error"]
        assert (error["code"], error["available"]) == ("insufficient_funds", 0)

    def test_from_another_wallet_do_not_stay(self, merchant, purse):
        other = wallet(merchant)
        bank(merchant, customer_id=owner_of(other))
        merchant.post(f"/v1/wallets/{purse}/transfer", {"to": other, "amount": 1_000})
        assert withdraw(merchant, other, 1_000).status_code == 201


class TestRefused:
    def refused(self, answer: Any, status: int, code: str, **more: Any) -> None:
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (status, code), answer.content
        assert {name: error[name] for name in more} == more
        assert not Payout.objects.exists()
        assert truth.violations() == {}

    def test_more_than_there_is(self, merchant, purse):
        answer = withdraw(merchant, purse, 10_001)
        self.refused(answer, 402, "insufficient_funds", available=10_000)
        assert inside(merchant, purse) == (10_000, 0)

    @pytest.mark.parametrize(
        ("status", "code"), [("FROZEN", "wallet_frozen"), ("CLOSED", "wallet_closed")]
    )
    def test_out_of_one_that_is_not_active(self, merchant, status, code):
        purse = wallet(merchant)
        bank(merchant, customer_id=owner_of(purse))
        set_status(purse, status)
        self.refused(withdraw(merchant, purse, 1), 409, code)

    def test_without_an_account(self, merchant):
        purse = wallet(merchant, 10_000)
        bank(merchant)  # the merchant's is not the customer's
        self.refused(withdraw(merchant, purse, 1), 422, "no_bank_account")

    def test_to_an_account_of_somebody_else(self, merchant, other_merchant, purse):
        anothers = bank(merchant, customer_id=owner_of(wallet(merchant)))
        for account in (bank(merchant), anothers, bank(other_merchant)):
            answer = withdraw(merchant, purse, 1, bank_account=account)
            self.refused(answer, 404, "resource_missing")

    def test_to_an_account_of_another_currency(self, merchant):
        purse = wallet(merchant, 10_000)
        euros = bank(merchant, currency="EUR", customer_id=owner_of(purse))
        answer = withdraw(merchant, purse, 1, bank_account=euros)
        self.refused(answer, 422, "currency_mismatch")

    def test_to_an_account_that_waits(self, merchant, purse):
        second = bank(merchant, customer_id=owner_of(purse))
        answer = withdraw(merchant, purse, 1, bank_account=second)
        self.refused(answer, 409, "bank_account_not_usable")

    def test_another_merchants_wallet(self, merchant, other_merchant, purse):
        self.refused(withdraw(other_merchant, purse, 1), 404, "resource_missing")
        self.refused(withdraw(merchant, "wallet_x", 1), 404, "resource_missing")

    @pytest.mark.parametrize("amount", [0, -1, "1", 1.5, None, 10**12 + 1])
    def test_what_is_no_amount(self, merchant, purse, amount):
        answer = merchant.post(f"/v1/wallets/{purse}/withdraw", {"amount": amount})
        self.refused(answer, 400, "parameter_invalid", param="amount")
