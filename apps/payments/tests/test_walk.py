"""A card payment from the API to the books and back."""

from __future__ import annotations

from apps.core.money import Money
from apps.payments.tests.conftest import Merchant, count_unresolved, finish_runs, make_due
from paysys.testing.simulator import Simulator


def usd(amount: str) -> Money:
    return Money(amount, "USD")


class TestAutomaticCapture:
    def test_the_answer_is_authorized_and_the_money_follows(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        answer = merchant.pay(10_000)

        assert answer.status_code == 201, answer.content
        payment = answer.json()
        assert payment["status"] == "AUTHORIZED"
        assert payment["outcome"] == "known"
        assert payment["amount"] == 10_000
        assert payment["card"]["last4"] == "4242"

        finish_runs()

        assert merchant.get(f"/v1/payments/{payment['id']}").json()["status"] == "CAPTURED"
        assert merchant.balance("merchant:pending") == usd("97.00")
        assert merchant.balance("platform:fees") == usd("3.00")
        assert merchant.balance("provider:stripe:clearing") == usd("100.00")
        assert merchant.balance("payment:unallocated") == usd("0.00")
        assert simulator.charges_for(payment["id"]) == 1
        assert count_unresolved() == 0

    def test_a_declined_card_fails_and_books_nothing(self, merchant: Merchant) -> None:
        answer = merchant.pay(source="pm_card_visa_chargeDeclinedInsufficientFunds")

        assert answer.status_code == 402, answer.content
        error = answer.json()["error"]
        assert error["type"] == "card_error"
        assert error["decline_code"] == "insufficient_funds"
        assert error["payment"]["status"] == "FAILED"
        finish_runs()
        assert merchant.balance("merchant:pending") == usd("0.00")
        assert merchant.balance("provider:stripe:clearing") == usd("0.00")


class TestManualCapture:
    def test_a_part_is_captured_and_the_fee_is_that_of_the_part(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment = merchant.pay(10_000, capture_method="manual").json()
        finish_runs()
        assert merchant.payment(payment["id"]).status == "AUTHORIZED"

        answer = merchant.post(f"/v1/payments/{payment['id']}/capture", {"amount": 4_000})

        assert answer.status_code == 200, answer.content
        assert answer.json()["status"] == "CAPTURED"
        assert answer.json()["amount_captured"] == 4_000
        assert answer.json()["fee"] == 120
        assert merchant.balance("merchant:pending") == usd("38.80")

    def test_a_void_is_voided_at_the_provider_and_books_nothing(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment = merchant.pay(capture_method="manual").json()

        answer = merchant.post(f"/v1/payments/{payment['id']}/void")

        assert answer.status_code == 200, answer.content
        assert answer.json()["status"] == "VOIDED"
        assert simulator.book()[0]["status"] == "canceled"
        assert merchant.balance("merchant:pending") == usd("0.00")
        assert merchant.charge_run(payment["id"]).status == "COMPENSATED"


class TestRefund:
    def test_a_part_refund_returns_its_share_of_the_fee(self, merchant: Merchant) -> None:
        payment_id = merchant.captured(10_000)

        answer = merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 2_500})

        assert answer.status_code == 201, answer.content
        assert answer.json()["status"] == "SUCCEEDED"
        assert answer.json()["fee_returned"] == 75
        assert merchant.balance("merchant:payable") == usd("-24.25")
        assert merchant.balance("refund:payable") == usd("0.00")
        assert merchant.balance("provider:stripe:clearing") == usd("75.00")
        assert merchant.payment(payment_id).status == "CAPTURED"

    def test_the_last_part_makes_it_refunded(self, merchant: Merchant) -> None:
        payment_id = merchant.captured(10_000)
        merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 3_333})

        answer = merchant.post(f"/v1/payments/{payment_id}/refund")

        assert answer.json()["amount"] == 6_667
        assert merchant.payment(payment_id).status == "REFUNDED"
        assert merchant.balance("platform:fees") == usd("0.00")


class TestThreeDSecure:
    def test_passing_leads_to_the_money(self, merchant: Merchant, simulator: Simulator) -> None:
        answer = merchant.pay(source="pm_card_threeDSecure2Required")
        assert answer.status_code == 201, answer.content
        payment = answer.json()
        assert payment["status"] == "REQUIRES_ACTION"
        assert payment["next_action"]["url"].startswith(simulator.url)

        simulator.pass_3ds(simulator.book()[0]["id"])
        make_due(merchant.charge_run(payment["id"]))
        finish_runs()

        assert merchant.payment(payment["id"]).status == "CAPTURED"
        assert merchant.balance("merchant:pending") == usd("97.00")

    def test_failing_fails_the_payment_and_books_nothing(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment = merchant.pay(source="pm_card_threeDSecure2Required").json()

        simulator.fail_3ds(simulator.book()[0]["id"])
        make_due(merchant.charge_run(payment["id"]))
        finish_runs()

        failed = merchant.payment(payment["id"])
        assert failed.status == "FAILED"
        assert failed.failure_code == "authentication_failed"
        assert merchant.balance("merchant:pending") == usd("0.00")
