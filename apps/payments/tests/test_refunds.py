"""Giving back: within the budget, with the fee's share, and what becomes of a refund that fails."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from apps.core.money import Money
from apps.payments import fees, services
from apps.payments.models import Payment
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


class TestARefundThatTheProviderRefuses:
    def test_gives_the_merchant_everything_back_and_frees_the_budget(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        """Somebody has refunded it in the provider's own console before."""
        payment_id = merchant.captured(10_000)
        self.refund_outside(simulator, payment_id)

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
        self.refund_outside(simulator, payment_id)
        path = f"/v1/payments/{payment_id}/refund"
        first = merchant.post(path, {"amount": 4_000}, key="k")

        again = merchant.post(path, {"amount": 4_000}, key="k")

        assert (again.status_code, again.content) == (402, first.content)
        assert len(truth.refunds_of(merchant, payment_id)) == 1

    def refund_outside(self, simulator: Simulator, payment_id: str) -> None:
        from urllib.parse import urlencode
        from urllib.request import Request, urlopen

        [intent] = simulator.effects(payment_id)["intents"]
        request = Request(
            f"{simulator.url}/v1/refunds",
            urlencode({"payment_intent": intent}).encode(),
            {"Authorization": f"Bearer {simulator.api_key}"},
        )
        with urlopen(request, timeout=10) as answer:
            answer.read()


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


class TestTheShareOfTheFee:
    def payment(self, captured: int, returnable: int) -> Payment:
        whole = Decimal(captured)
        return payment_row(
            "CAPTURED",
            currency="JPY",
            amount=whole,
            amount_authorized=whole,
            amount_captured=whole,
            fee=Decimal(returnable),
            fee_returnable=Decimal(returnable),
        )

    @settings(max_examples=200, deadline=None)
    @given(
        captured=st.integers(1, 5_000),
        share=st.integers(0, 100),
        parts=st.lists(st.integers(1, 1_000), max_size=20),
    )
    def test_of_all_parts_is_the_whole_and_never_more_on_the_way(
        self, captured: int, share: int, parts: list[int]
    ) -> None:
        payment = self.payment(captured, captured * share // 100)
        for part in (*parts, captured):
            refunded = min(part, captured - int(payment.refund_reserved))
            returned = fees.returned_by(payment, payment.money(Decimal(refunded))).amount
            assert 0 <= returned <= refunded
            payment.refund_reserved += refunded
            payment.fee_returned += returned
            assert payment.fee_returned <= payment.fee_returnable

        assert payment.refund_reserved == captured
        assert payment.fee_returned == payment.fee_returnable

    @settings(max_examples=200, deadline=None)
    @given(
        captured=st.integers(1, 300),
        share=st.integers(0, 100),
        moves=st.lists(st.tuples(st.booleans(), st.integers(1, 300)), max_size=12),
    )
    @example(captured=100, share=3, moves=[(False, 49), (False, 2), (True, 0), (False, 1)])
    @example(
        captured=10,
        share=50,
        moves=[*[(False, 1)] * 8, *[(True, n) for n in (0, 1, 2, 3)], (False, 1)],
    )
    def test_stays_within_its_bounds_when_refunds_fail_in_between(
        self, captured: int, share: int, moves: list[tuple[bool, int]]
    ) -> None:
        payment = self.payment(captured, captured * share // 100)
        refunds: list[tuple[int, Decimal]] = []
        for is_failure, size in moves:
            left = captured - int(payment.refund_reserved)
            if is_failure and refunds:
                part, returned = refunds.pop(size % len(refunds))
                payment.refund_reserved -= part
                payment.fee_returned -= returned
            elif left:
                part = min(size, left)
                returned = fees.returned_by(payment, payment.money(Decimal(part))).amount
                assert 0 <= returned <= part
                payment.refund_reserved += part
                payment.fee_returned += returned
                refunds.append((part, returned))
            assert 0 <= payment.fee_returned <= payment.fee_returnable

    @settings(
        max_examples=8,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(cuts=st.sets(st.integers(1, 9_998), max_size=4))
    def test_comes_back_to_the_books_to_the_last_unit(
        self, merchant: Merchant, cuts: set[int]
    ) -> None:
        payment_id = merchant.captured(9_999)
        edges = [0, *sorted(cuts), 9_999]
        earned = merchant.balance("platform:fees")

        answers = [
            refund(merchant, payment_id, end - start).json() for start, end in pairwise(edges)
        ]

        assert sum(answer["fee_returned"] for answer in answers) == 300
        assert earned - merchant.balance("platform:fees") == usd("3.00")
        assert merchant.payment(payment_id).status == "REFUNDED"
        assert truth.violations() == {}

    @pytest.mark.parametrize(
        ("returns", "fee_returned"),
        [
            ({"returns_percentage": True, "returns_fixed": True}, 350),
            ({"returns_percentage": True, "returns_fixed": False}, 300),
            ({"returns_percentage": False, "returns_fixed": True}, 50),
            ({"returns_percentage": False, "returns_fixed": False}, 0),
        ],
    )
    def test_is_of_the_parts_that_the_plan_returns(
        self, merchant: Merchant, returns: dict[str, bool], fee_returned: int
    ) -> None:
        merchant.set_plan(fixed="0.50", **returns)
        payment_id = merchant.captured(10_000)

        answer = refund(merchant, payment_id)

        assert answer.json()["fee_returned"] == fee_returned
        assert truth.violations() == {}

    def test_of_a_fee_as_large_as_the_payment_comes_back_whole(self, merchant: Merchant) -> None:
        merchant.set_plan(fixed="5.00", returns_fixed=True)
        payment_id = merchant.captured(60)

        assert refund(merchant, payment_id, 20).json()["fee_returned"] == 20
        assert refund(merchant, payment_id).json()["fee_returned"] == 40


class TestTheMoneyOutBudget:
    def test_is_what_was_captured_plus_what_went_out_beyond_it(self) -> None:
        payment = payment_row(
            "DISPUTED",
            refund_reserved=Decimal(30),
            amount_disputed=Decimal(100),
            amount_excess=Decimal(30),
        )

        assert payment.refundable == 0
        assert services.RefundTooLarge.status == 409
