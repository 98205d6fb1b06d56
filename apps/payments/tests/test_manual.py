"""Authorized first: captured in full or in part, given up, or let lapse."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from apps.payments.tests import news, truth
from apps.payments.tests.conftest import Merchant, finish_runs, make_due
from apps.payments.tests.rows import execute, payment_row, plant
from apps.sagas import services as engine
from paysys.testing.simulator import Simulator

ACTION = "pm_card_threeDSecure2Required"


def authorized(merchant: Merchant, amount: int = 10_000) -> str:
    answer = merchant.pay(amount, capture_method="manual")
    assert answer.status_code == 201, answer.content
    finish_runs()
    return str(answer.json()["id"])


def capture(merchant: Merchant, payment_id: str, body: Any = None, **more: Any) -> Any:
    return merchant.post(f"/v1/payments/{payment_id}/capture", body, **more)


def void(merchant: Merchant, payment_id: str, **more: Any) -> Any:
    return merchant.post(f"/v1/payments/{payment_id}/void", **more)


def error_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


class TestCapture:
    def test_in_full_takes_what_was_authorized(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = authorized(merchant)

        answer = capture(merchant, payment_id)

        assert answer.status_code == 200, answer.content
        assert (answer.json()["status"], answer.json()["amount_captured"]) == ("CAPTURED", 10_000)
        payment = truth.assert_told_once(merchant, simulator, payment_id)
        assert truth.kinds_of(payment.id) == [
            *("payment.created", "payment.authorized", "payment.capture_requested"),
            *("payment.captured", "payment.succeeded"),
        ]

    def test_in_part_lets_the_rest_go_for_good(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = authorized(merchant)

        capture(merchant, payment_id, {"amount": 1})

        payment = truth.assert_told_once(merchant, simulator, payment_id)
        shown = merchant.get(f"/v1/payments/{payment_id}").json()
        assert (payment.status, shown["amount_captured"], shown["amount_refundable"]) == (
            *("CAPTURED", 1),
            1,
        )
        assert simulator.book()[0]["amount_capturable"] == 0
        assert error_of(capture(merchant, payment_id, {"amount": 1})) == (
            *(409, "payment_not_capturable"),
        )

    def test_of_more_than_was_authorized_is_refused_with_what_there_is(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = authorized(merchant)
        before = merchant.payment(payment_id).version

        answer = capture(merchant, payment_id, {"amount": 10_001})

        assert error_of(answer) == (409, "capture_exceeds_authorized")
        assert answer.json()["error"]["remaining"] == 10_000
        assert merchant.payment(payment_id).version == before
        assert capture(merchant, payment_id).status_code == 200

    def test_happens_once(self, merchant: Merchant, simulator: Simulator) -> None:
        payment_id = authorized(merchant)
        capture(merchant, payment_id, {"amount": 4_000})

        assert error_of(capture(merchant, payment_id, {"amount": 1_000})) == (
            *(409, "payment_not_capturable"),
        )
        truth.assert_told_once(merchant, simulator, payment_id)

    def test_repeated_with_its_key_is_the_same_answer(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = authorized(merchant)
        first = capture(merchant, payment_id, {"amount": 4_000}, key="k")

        again = capture(merchant, payment_id, {"amount": 4_000}, key="k")

        assert (again.status_code, again.content) == (200, first.content)
        assert error_of(capture(merchant, payment_id, {"amount": 4_001}, key="k")) == (
            *(422, "idempotency_key_reused"),
        )

    def test_whose_answer_got_lost_is_answered_when_it_is_asked_for_again(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = authorized(merchant)
        simulator.fault("capture", "timeout_after")
        first = capture(merchant, payment_id, key="k")
        assert (first.status_code, first.json()["outcome"]) == (202, "unknown")
        truth.finish_everything()
        execute("UPDATE idempotency_key SET locked_until = clock_timestamp() - interval '1 s'")

        again = capture(merchant, payment_id, key="k")

        assert (again.status_code, again.json()["status"]) == (200, "CAPTURED")
        assert capture(merchant, payment_id, key="k").content == again.content
        truth.assert_told_once(merchant, simulator, payment_id)

    def test_of_an_automatic_payment_is_refused(self, merchant: Merchant) -> None:
        payment_id = merchant.pay().json()["id"]

        assert error_of(capture(merchant, payment_id)) == (409, "payment_not_capturable")

    def test_that_comes_too_late_is_refused_and_takes_nothing(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        """The provider let go of the authorization and we have not heard of it yet."""
        payment_id = authorized(merchant)
        simulator.expire(simulator.book()[0]["id"])

        answer = capture(merchant, payment_id)

        assert error_of(answer) == (409, "payment_not_capturable")
        assert answer.json()["error"]["payment"]["status"] == "VOIDED"
        payment = truth.assert_told_once(merchant, simulator, payment_id)
        assert payment.failure_code == "authorization_expired"


class TestVoid:
    def test_of_an_authorized_payment_books_nothing(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = authorized(merchant)

        answer = void(merchant, payment_id)

        assert (answer.status_code, answer.json()["status"]) == (200, "VOIDED")
        assert answer.json()["failure"] is None
        payment = truth.assert_told_once(merchant, simulator, payment_id)
        assert truth.kinds_of(payment.id)[-2:] == ["payment.void_requested", "payment.voided"]
        assert simulator.effects(payment_id)["canceled"] == 1

    def test_while_the_customer_is_away_ends_it_at_the_provider_too(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.pay(source=ACTION).json()["id"]

        answer = void(merchant, payment_id)

        assert (answer.status_code, answer.json()["status"]) == (200, "VOIDED")
        assert answer.json()["next_action"] is None
        assert simulator.effects(payment_id)["canceled"] == 1
        truth.assert_told_once(merchant, simulator, payment_id)

    def test_while_nobody_knows_whether_it_was_authorized_waits_until_somebody_does(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        simulator.fault("confirm", "timeout_after")
        payment_id = merchant.pay().json()["id"]
        simulator.fault("retrieve", "unavailable")

        answer = void(merchant, payment_id, key="k")

        assert (answer.status_code, answer.json()["status"]) == (202, "VALIDATED")
        assert answer.json()["outcome"] == "unknown"
        assert answer.json()["void_requested_at"]
        truth.finish_everything()
        payment = truth.assert_told_once(merchant, simulator, payment_id)
        assert payment.status == "VOIDED"
        execute("UPDATE idempotency_key SET locked_until = clock_timestamp() - interval '1 s'")
        again = void(merchant, payment_id, key="k")
        assert (again.status_code, again.json()["status"]) == (200, "VOIDED")

    def test_twice_is_one_void(self, merchant: Merchant, simulator: Simulator) -> None:
        payment_id = authorized(merchant)
        simulator.fault("cancel", "timeout_before")
        assert void(merchant, payment_id).status_code == 202

        assert void(merchant, payment_id).status_code in (200, 202)

        truth.finish_everything()
        payment = truth.assert_told_once(merchant, simulator, payment_id)
        assert truth.kinds_of(payment.id).count("payment.void_requested") == 1

    def test_after_an_order_to_capture_is_refused(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = authorized(merchant)
        simulator.fault("capture", "timeout_before", times=2)
        assert capture(merchant, payment_id).status_code == 202

        assert error_of(void(merchant, payment_id)) == (409, "payment_not_voidable")

        truth.finish_everything()
        assert truth.assert_told_once(merchant, simulator, payment_id).status == "CAPTURED"

    @pytest.mark.parametrize(
        "status", ["CAPTURED", "SETTLED", "REFUNDED", "VOIDED", "FAILED", "REJECTED", "DISPUTED"]
    )
    def test_of_a_payment_that_is_over_is_refused(self, merchant: Merchant, status: str) -> None:
        payment = plant(payment_row(status, book_id=merchant.book_id))
        public_id = truth.public_id(payment)

        assert error_of(void(merchant, public_id)) == (409, "payment_not_voidable")
        assert error_of(capture(merchant, public_id)) == (409, "payment_not_capturable")
        assert merchant.payment(public_id).version == payment.version

    def test_of_an_automatic_payment_is_refused_once_it_is_authorized(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.pay().json()["id"]

        assert error_of(void(merchant, payment_id)) == (409, "payment_not_voidable")
        finish_runs()
        assert merchant.payment(payment_id).status == "CAPTURED"


class TestTheCustomersPart:
    def test_that_never_comes_fails_the_payment_after_an_hour(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.pay(source=ACTION).json()["id"]
        until = merchant.payment(payment_id).action_expires_at
        assert until is not None
        with time_machine.travel(until - timedelta(seconds=5), tick=False):
            assert engine.sweep() == 0

        with time_machine.travel(until + timedelta(seconds=1), tick=False):
            finish_runs()

        payment = truth.assert_told_once(merchant, simulator, payment_id)
        assert (payment.status, payment.failure_code) == ("FAILED", "authentication_timed_out")
        assert simulator.effects(payment_id)["canceled"] == 1

    def test_that_came_in_the_last_second_counts(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.pay(source=ACTION).json()["id"]
        until = merchant.payment(payment_id).action_expires_at
        assert until is not None
        simulator.pass_3ds(simulator.book()[0]["id"])

        with time_machine.travel(until + timedelta(seconds=1), tick=False):
            finish_runs()

        assert truth.assert_told_once(merchant, simulator, payment_id).status == "CAPTURED"

    def test_is_asked_for_again_and_again_without_an_end_of_its_own(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.pay(source=ACTION, capture_method="manual").json()["id"]

        for _ in range(3):
            make_due(merchant.charge_run(payment_id))
            finish_runs()

        assert merchant.payment(payment_id).status == "REQUIRES_ACTION"
        simulator.pass_3ds(simulator.book()[0]["id"])
        news.tell(simulator, "payment_intent.amount_capturable_updated")
        finish_runs()
        assert merchant.payment(payment_id).status == "AUTHORIZED"
        assert capture(merchant, payment_id).status_code == 200
        payment = truth.assert_told_once(merchant, simulator, payment_id)
        assert truth.kinds_of(payment.id)[:4] == [
            *("payment.created", "payment.requires_action", "payment.action_completed"),
            "payment.authorized",
        ]

    def test_that_went_well_and_yet_the_bank_declines_fails_the_payment(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        card = "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds"
        payment_id = merchant.pay(source=card).json()["id"]
        simulator.pass_3ds(simulator.book()[0]["id"])

        news.tell(simulator, "payment_intent.payment_failed")
        finish_runs()

        payment = truth.assert_told_once(merchant, simulator, payment_id)
        assert (payment.status, payment.failure_code) == ("FAILED", "insufficient_funds")
