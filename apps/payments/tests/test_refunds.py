"""Giving back: within the budget, with the fee's share, and what becomes of a refund that fails."""

from __future__ import annotations

from typing import Any

import pytest

from apps.core.money import Money
from apps.payments.tests import news, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.rows import payment_row, plant
from apps.sagas.models import Run
from paysys.testing.simulator import Simulator

PENDING_FIRST, FAILS_LATER = "pm_card_pendingRefund", "pm_card_refundFail"


def usd(amount: str) -> Money:
    return Money(amount, "USD")


def refund(merchant: Merchant, payment_id: str, amount: int | None = None, **more: Any) -> Any:
    body = {} if amount is None else {"amount": amount}
    return merchant.post(f"/v1/payments/{payment_id}/refund", {**body, **more})


class TestARefund:
    def test_in_full_takes_everything_back_but_nothing_more(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000)

        answer = refund(merchant, payment_id, reason="broken", metadata={"by": "desk 3"})

        assert answer.status_code == 201, answer.content
        shown = answer.json()
        assert (shown["status"], shown["amount"], shown["fee_returned"]) == (
            *("SUCCEEDED", 10_000),
            300,
        )
        assert (shown["reason"], shown["metadata"]) == ("broken", {"by": "desk 3"})
        payment = truth.assert_told_once(merchant, simulator, payment_id)
        assert payment.status == "REFUNDED"
        assert merchant.balance("merchant:pending") == usd("97.00")
        assert merchant.balance("merchant:payable") == usd("-97.00")
        for code in ("platform:fees", "provider:stripe:clearing", "refund:payable"):
            assert merchant.balance(code) == usd("0.00"), code
        [booked] = truth.refunds_of(merchant, payment_id)
        assert truth.kinds_of(booked.id) == ["refund.created", "refund.succeeded"]

    def test_of_more_than_is_left_is_refused_with_what_is_left(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000)
        refund(merchant, payment_id, 6_000)
        before = truth.counts()

        answer = refund(merchant, payment_id, 4_001)

        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (
            *(409, "refund_exceeds_remaining"),
            "amount",
        )
        assert error["remaining"] == 4_000
        assert truth.counts() == {**before, "idempotency_key": before["idempotency_key"] + 1}
        assert refund(merchant, payment_id, 4_000).status_code == 201
        assert merchant.payment(payment_id).status == "REFUNDED"

    def test_of_a_payment_that_has_nothing_left_is_refused(self, merchant: Merchant) -> None:
        payment_id = merchant.captured(10_000)
        refund(merchant, payment_id)

        for amount in (None, 1):
            answer = refund(merchant, payment_id, amount)
            assert answer.status_code == 409
            assert answer.json()["error"]["remaining"] == 0

    @pytest.mark.parametrize("status", ["VALIDATED", "AUTHORIZED", "VOIDED", "FAILED", "DISPUTED"])
    def test_of_a_payment_that_cannot_give_is_refused(
        self, merchant: Merchant, status: str
    ) -> None:
        payment = plant(payment_row(status, book_id=merchant.book_id))

        answer = refund(merchant, truth.public_id(payment), 1)

        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "payment_not_refundable"
        assert truth.refunds_of(merchant, truth.public_id(payment)) == []

    def test_of_what_was_captured_and_not_of_what_was_authorized(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.pay(10_000, capture_method="manual").json()["id"]
        merchant.post(f"/v1/payments/{payment_id}/capture", {"amount": 3_000})

        assert refund(merchant, payment_id, 3_001).json()["error"]["remaining"] == 3_000
        assert refund(merchant, payment_id).json()["amount"] == 3_000
        assert truth.assert_told_once(merchant, simulator, payment_id).status == "REFUNDED"

    def test_of_nobodys_key_is_not_allowed(self, merchant: Merchant) -> None:
        payment_id = merchant.captured()

        answer = merchant.post(
            f"/v1/payments/{payment_id}/refund", {}, Authorization="Bearer sk_test_nobody"
        )

        assert answer.status_code == 401
        assert merchant.payment(payment_id).refund_reserved == 0


class TestARefundThatTakesItsTime:
    def pending(self, merchant: Merchant) -> tuple[str, str]:
        payment_id = merchant.captured(10_000, PENDING_FIRST)
        answer = refund(merchant, payment_id, 4_000)
        assert (answer.status_code, answer.json()["status"]) == (201, "PENDING"), answer.content
        return payment_id, answer.json()["id"]

    def test_is_promised_until_the_provider_says_that_it_is_done(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id, refund_id = self.pending(merchant)
        assert merchant.balance("refund:payable") == usd("40.00")
        assert merchant.get(f"/v1/payments/{payment_id}").json()["amount_refundable"] == 6_000
        assert truth.violations() == {}

        simulator.settle()
        news.tell(simulator, "refund.updated")
        finish_runs()

        assert merchant.refund(refund_id).status == "SUCCEEDED"
        truth.assert_told_once(merchant, simulator, payment_id)
        assert merchant.balance("refund:payable") == usd("0.00")

    def test_is_asked_about_again_when_no_news_comes(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id, refund_id = self.pending(merchant)
        for _ in range(3):
            truth.make_refunds_due()
            finish_runs()
        assert merchant.refund(refund_id).status == "PENDING"
        simulator.settle()

        truth.make_refunds_due()
        finish_runs()

        assert merchant.refund(refund_id).status == "SUCCEEDED"
        truth.assert_told_once(merchant, simulator, payment_id)

    def test_and_then_fails_gives_the_merchant_everything_back(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id, refund_id = self.pending(merchant)
        simulator.fail_refund(simulator.effects(payment_id)["refund_ids"][0])

        news.tell(simulator, "refund.failed")
        finish_runs()

        failed = merchant.refund(refund_id)
        assert (failed.status, failed.failure_code) == ("FAILED", "expired_or_canceled_card")
        [shown] = merchant.get(f"/v1/payments/{payment_id}?expand=refunds").json()["refunds"]
        assert shown["failure"] == {"code": "card_not_usable"}, "not the provider's own word"
        payment = truth.assert_told_once(merchant, simulator, payment_id)
        assert (payment.status, payment.refund_reserved, payment.fee_returned) == (
            *("CAPTURED", 0),
            0,
        )
        assert merchant.balance("merchant:payable") == usd("0.00")
        assert merchant.balance("platform:fees") == usd("3.00")
        assert refund(merchant, payment_id, 10_000).status_code == 201

    def test_does_not_keep_the_next_one_waiting(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id, _ = self.pending(merchant)

        answer = refund(merchant, payment_id, 6_000)

        assert (answer.status_code, answer.json()["status"]) == (201, "PENDING")
        assert simulator.effects(payment_id)["refunds"] == 2

    def test_is_found_by_news_that_overtook_the_answer_which_names_it(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000, PENDING_FIRST)
        simulator.fault("refund", "reset_after")
        refund_id = refund(merchant, payment_id, 4_000).json()["id"]
        assert merchant.refund(refund_id).provider_reference == ""
        simulator.settle()

        news.tell(simulator, "refund.updated")
        finish_runs()

        assert merchant.refund(refund_id).status == "SUCCEEDED"
        truth.assert_told_once(merchant, simulator, payment_id)


class TestARefundThatTheProviderRefuses:
    def test_gives_the_merchant_everything_back_and_frees_the_budget(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        """Somebody has refunded it in the provider's own console before."""
        payment_id = merchant.captured(10_000)
        news.refund_outside(simulator, payment_id)

        answer = refund(merchant, payment_id, 4_000)

        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["decline_code"]) == (
            *(402, "refund_failed"),
            "already_refunded",
        )
        assert error["refund"]["status"] == "FAILED"
        payment = merchant.payment(payment_id)
        assert (payment.refund_reserved, payment.amount_refunded) == (0, 0)
        for code in ("merchant:payable", "refund:payable"):
            assert merchant.balance(code) == usd("0.00"), code
        assert merchant.balance("platform:fees") == usd("3.00")
        truth.assert_nothing_is_left_over()

    def test_says_so_again_when_the_request_is_repeated(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000)
        news.refund_outside(simulator, payment_id)
        path = f"/v1/payments/{payment_id}/refund"
        first = merchant.post(path, {"amount": 4_000}, key="k")

        again = merchant.post(path, {"amount": 4_000}, key="k")

        assert (again.status_code, again.content) == (402, first.content)
        assert len(truth.refunds_of(merchant, payment_id)) == 1


class TestARefundThatFailsAfterItSucceeded:
    def succeeded(self, merchant: Merchant, amount: int | None = None) -> tuple[str, str]:
        payment_id = merchant.captured(10_000, FAILS_LATER)
        answer = refund(merchant, payment_id, amount)
        assert (answer.status_code, answer.json()["status"]) == (201, "SUCCEEDED")
        return payment_id, answer.json()["id"]

    def test_is_undone_in_the_books_and_the_payment_is_captured_again(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id, refund_id = self.succeeded(merchant)
        assert merchant.payment(payment_id).status == "REFUNDED"
        simulator.settle()

        told = news.tell(simulator, "refund.failed", "refund.updated", "charge.refund.updated")
        finish_runs()

        assert len(told) == 3
        failed = merchant.refund(refund_id)
        assert (failed.status, failed.failure_code) == ("FAILED", "expired_or_canceled_card")
        payment = truth.assert_told_once(merchant, simulator, payment_id)
        assert payment.status == "CAPTURED"
        assert truth.postings_in(merchant) == {
            "capture": 1,
            "credit": 1,
            "refund_reserve": 1,
            "refund": 1,
            "undo refund_reserve": 1,
            "undo refund": 1,
        }
        assert merchant.balance("merchant:payable") == usd("0.00")
        assert merchant.balance("provider:stripe:clearing") == usd("100.00")
        assert merchant.balance("platform:fees") == usd("3.00")
        assert truth.kinds_of(failed.id)[-1] == "refund.failed"
        assert truth.kinds_of(payment.id)[-1] == "payment.refund_failed"

    def test_after_the_payout_leaves_the_payment_settled(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id, refund_id = self.succeeded(merchant)
        merchant.captured(50_000)
        truth.settle(simulator)
        assert merchant.payment(payment_id).status == "REFUNDED"
        simulator.settle()

        news.tell(simulator, "refund.failed")
        finish_runs()

        assert merchant.refund(refund_id).status == "FAILED"
        assert merchant.payment(payment_id).status == "SETTLED"

    def test_is_told_to_the_next_ones_fee(self, merchant: Merchant, simulator: Simulator) -> None:
        payment_id, _ = self.succeeded(merchant, 5_000)
        simulator.settle()
        news.tell(simulator, "refund.failed")
        finish_runs()

        answer = refund(merchant, payment_id)

        assert (answer.json()["amount"], answer.json()["fee_returned"]) == (10_000, 300)

    def test_has_one_look_at_a_time_however_much_news_there_is(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id, refund_id = self.succeeded(merchant)
        simulator.settle()
        for event in simulator.events():
            news.post(simulator.deliver(event))

        news.apply_all()

        assert Run.objects.filter(saga="refund_check").count() == 1
        finish_runs()
        assert merchant.refund(refund_id).status == "FAILED"
        truth.assert_told_once(merchant, simulator, payment_id)

    def test_of_which_the_news_is_wrong_changes_nothing(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id, refund_id = self.succeeded(merchant)
        version = merchant.payment(payment_id).version

        news.tell(simulator, "refund.created")
        finish_runs()

        assert merchant.refund(refund_id).status == "SUCCEEDED"
        assert merchant.payment(payment_id).version == version
