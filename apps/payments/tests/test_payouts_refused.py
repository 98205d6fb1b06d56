"""Payouts that are not made, and looking at those that were."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client

from apps.core import clock, ids
from apps.merchants import services as merchants
from apps.payments.models import Payout
from apps.payments.tests import truth
from apps.payments.tests.conftest import Merchant
from apps.payments.tests.tills import (
    URL,
    agree,
    bank,
    earn,
    end,
    paid_out,
    pay_out,
    payout,
    standing,
)


def error_of(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["error"]
    return found


@pytest.fixture
def rich(merchant: Merchant) -> Merchant:
    """With 97.00 payable, and an account to send it to."""
    earn(merchant, 10_000)
    bank(merchant)
    return merchant


class TestRefused:
    def refused(self, answer: Any, status: int, code: str, merchant: Merchant, **more: Any) -> Any:
        error = error_of(answer)
        assert (answer.status_code, error["code"]) == (status, code), answer.content
        assert {name: error[name] for name in more} == more
        assert not Payout.objects.exists()
        assert truth.violations() == {}
        assert standing(merchant)["in_transit"] == 0
        return error

    def test_more_than_is_payable(self, rich):
        answer = pay_out(rich, 9_701)
        self.refused(answer, 409, "payout_exceeds_payable", rich, remaining=9_700, param="amount")

    def test_nothing_is_payable(self, merchant):
        agree(merchant, delay_days=2)
        merchant.captured()
        bank(merchant)
        answer = pay_out(merchant)
        self.refused(answer, 409, "payout_exceeds_payable", merchant, remaining=0)

    def test_no_account(self, merchant):
        earn(merchant, 1_000)
        bank(merchant, currency="EUR")
        self.refused(pay_out(merchant), 422, "no_bank_account", merchant)

    def test_account_of_another_currency(self, merchant):
        earn(merchant, 1_000)
        account = bank(merchant, currency="EUR")
        answer = pay_out(merchant, bank_account=account)
        self.refused(answer, 422, "currency_mismatch", merchant, currency="EUR")

    def test_account_that_waits(self, merchant):
        earn(merchant, 1_000)
        bank(merchant)
        second = bank(merchant)
        answer = pay_out(merchant, bank_account=second)
        error = self.refused(answer, 409, "bank_account_not_usable", merchant)
        assert error["usable_from"].startswith(str((clock.now() + timedelta(days=1)).date()))
        with time_machine.travel(clock.now() + timedelta(hours=25), tick=False):
            assert pay_out(merchant, bank_account=second).status_code == 201

    def test_account_that_was_removed(self, merchant):
        earn(merchant, 1_000)
        account = bank(merchant)
        headers = {"Authorization": f"Bearer {merchant.api_key}"}
        Client().delete(f"/v1/bank_accounts/{account}", headers=headers)
        answer = pay_out(merchant, bank_account=account)
        self.refused(answer, 409, "bank_account_not_usable", merchant)
        self.refused(pay_out(merchant), 422, "no_bank_account", merchant)

    def test_somebody_elses_account(self, merchant, other_merchant):
        earn(merchant, 1_000)
        theirs = bank(other_merchant)
        customers = bank(merchant, customer_id=ids.new_id())
        for account in (theirs, customers, "ba_x", ids.encode("ba", ids.new_id())):
            answer = pay_out(merchant, bank_account=account)
            self.refused(answer, 404, "resource_missing", merchant)

    def test_less_than_the_least(self, rich):
        agree(rich, minimums={"USD": 5_000})
        answer = pay_out(rich, 4_999)
        self.refused(answer, 422, "amount_too_small", rich, smallest=5_000)
        agree(rich, minimums={"USD": 9_701})
        self.refused(pay_out(rich), 422, "amount_too_small", rich, smallest=9_701)

    def test_negative_balance(self, merchant):
        (payment,) = earn(merchant, 1_000)
        bank(merchant)
        public_id = paid_out(merchant)
        merchant.post(f"/v1/payments/{payment}/refund")
        answer = pay_out(merchant, 1)

        assert (answer.status_code, error_of(answer)["code"]) == (409, "balance_negative")
        assert error_of(answer)["balance"] == -970
        assert Payout.objects.count() == 1
        assert payout(merchant, public_id).status == "IN_TRANSIT"

        earn(merchant, 2_000)  # the next receipts cover it
        assert pay_out(merchant).json()["amount"] == 970
        assert truth.violations() == {}

    def test_negative_payable_is_not_covered_by_what_is_pending(self, merchant):
        (payment,) = earn(merchant, 1_000)
        bank(merchant)
        paid_out(merchant)
        merchant.post(f"/v1/payments/{payment}/refund")
        agree(merchant, delay_days=2)
        merchant.captured(10_000)

        answer = pay_out(merchant, 1)
        assert (answer.status_code, error_of(answer)["code"]) == (409, "payout_exceeds_payable")
        assert error_of(answer)["remaining"] == 0

    def test_amount_that_the_provider_cannot_pay(self, merchant):
        bank(merchant, currency="ISK")
        answer = merchant.post(URL, {"currency": "UGX", "amount": 150})
        assert answer.status_code == 422

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({"amount": 0, "currency": "USD"}, "amount"),
            ({"amount": -1, "currency": "USD"}, "amount"),
            ({"amount": "10", "currency": "USD"}, "amount"),
            ({"amount": 1.5, "currency": "USD"}, "amount"),
            ({"amount": 10**12 + 1, "currency": "USD"}, "amount"),
            ({"amount": 10}, "currency"),
            ({"amount": 10, "currency": "XXX"}, "currency"),
            ({"amount": 10, "currency": "USD", "to": "x"}, "to"),
            ({"currency": "USD", "bank_account": 5}, "bank_account"),
            ({"currency": "USD", "metadata": "x"}, "metadata"),
            ({"currency": "USD", "description": "x" * 501}, "description"),
        ],
    )
    def test_what_is_no_order(self, rich, body, param):
        answer = rich.post(URL, body)
        assert (answer.status_code, error_of(answer)["param"]) == (400, param)
        assert not Payout.objects.exists()

    def test_without_a_key_or_a_scope(self, rich):
        headers = {"Authorization": f"Bearer {rich.api_key}"}
        answer = Client().post(
            URL, '{"currency": "USD"}', content_type="application/json", headers=headers
        )
        assert (answer.status_code, Payout.objects.count()) == (400, 0)
        _, reader = merchants.issue_key(
            book_id=rich.book_id, scopes=["payouts:read"], actor="system", now=clock.now()
        )
        answer = Merchant(rich.book_id, reader).post(URL, {"currency": "USD"})
        assert (answer.status_code, Payout.objects.count()) == (403, 0)


class TestLooking:
    def test_lists_newest_first_and_by_status_and_currency(self, rich, simulator):
        first, second = paid_out(rich, 1_000), paid_out(rich, 2_000)
        end(simulator, rich, first, "pay")

        def listed(query: str = "") -> list[str]:
            return [one["id"] for one in rich.get(f"{URL}{query}").json()["data"]]

        assert listed() == [second, first]
        assert listed("?status=PAID") == [first]
        assert listed("?currency=EUR") == []
        assert listed(f"?starting_after={second}") == [first]
        assert rich.get(f"{URL}?status=GONE").status_code == 400
        assert rich.get(f"{URL}?color=red").status_code == 400

    def test_another_merchants_are_nobodys(self, rich, other_merchant):
        public_id = paid_out(rich, 1_000)
        assert other_merchant.get(f"{URL}/{public_id}").status_code == 404
        assert other_merchant.get(f"{URL}/{public_id}/items").status_code == 404
        assert other_merchant.get(URL).json()["data"] == []
        assert rich.get(f"{URL}/po_x").status_code == 404

    def test_list_asks_once_whatever_its_length(self, rich, django_assert_max_num_queries):
        for _ in range(4):
            paid_out(rich, 100)
        rich.get(URL)
        with django_assert_max_num_queries(3):
            assert len(rich.get(URL).json()["data"]) == 4

    def test_settlement_does_not_take_ours_for_the_providers_own(self, rich, simulator):
        public_id = paid_out(rich, 5_000)
        end(simulator, rich, public_id, "pay")
        truth.settle(simulator)

        # 100.00 less the provider's fee of 1.75, of which 50.00 had gone to the merchant's bank.
        assert rich.balance("provider:stripe:clearing").amount == 0
        assert rich.balance("bank:in_transit").amount == Decimal("48.25")
        assert truth.settle(simulator) == 0
        assert truth.violations() == {}
