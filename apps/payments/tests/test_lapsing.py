"""Authorizations that lapse, are voided in time, or turn out to be captured."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import time_machine

from apps.core import clock
from apps.gateways import providers
from apps.gateways.providers.stripe import Stripe
from apps.gateways.types import ConfirmRequest, ProviderPayment
from apps.payments.sagas.capturing import VOID_BEFORE_EXPIRY
from apps.payments.tests import news, purses, truth
from apps.payments.tests.conftest import Merchant, finish_runs, make_due
from apps.payments.tests.test_manual import ACTION, authorized, capture, void
from apps.sagas import services as engine
from paysys.testing.simulator import Simulator


class TestAnAuthorizationThatLapses:
    def at(self, merchant: Merchant, payment_id: str, before: timedelta) -> datetime:
        lapses = merchant.payment(payment_id).capture_before
        assert lapses is not None
        return lapses - before

    def test_is_voided_by_us_an_hour_before_the_provider_does(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = authorized(merchant)
        moment = self.at(merchant, payment_id, VOID_BEFORE_EXPIRY)
        with time_machine.travel(moment - timedelta(seconds=5), tick=False):
            assert engine.sweep() == 0

        with time_machine.travel(moment, tick=False):
            assert engine.sweep() == 1

        payment = truth.assert_told_once(merchant, simulator, payment_id)
        assert (payment.status, payment.failure_code) == ("VOIDED", "authorization_expired")
        assert simulator.book()[0]["cancellation_reason"] == "abandoned"

    def test_that_the_provider_gives_no_end_ends_after_the_days_that_networks_grant(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        class Silent(Stripe):
            def confirm(self, request: ConfirmRequest, *, op_key: str) -> ProviderPayment:
                return replace(super().confirm(request, op_key=op_key), capture_before="")

        silent = Silent(api_key=simulator.api_key, api_base=simulator.url)
        with providers.using("stripe", silent):
            payment_id = authorized(merchant)
        moment = self.at(merchant, payment_id, VOID_BEFORE_EXPIRY)
        assert moment > clock.now() + timedelta(days=6)

        with time_machine.travel(moment + timedelta(seconds=1), tick=False):
            finish_runs()

        assert truth.assert_told_once(merchant, simulator, payment_id).status == "VOIDED"

    def test_is_captured_if_the_order_came_before(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        """The order is given in the last hour, before the sweeper came by."""
        payment_id = authorized(merchant)

        with time_machine.travel(self.at(merchant, payment_id, timedelta(minutes=59)), tick=False):
            answer = capture(merchant, payment_id)

        assert (answer.status_code, answer.json()["status"]) == (200, "CAPTURED")
        truth.assert_told_once(merchant, simulator, payment_id)

    def test_at_the_provider_behind_our_back_ends_voided_when_we_hear_of_it(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = authorized(merchant)
        intent = simulator.book()[0]["id"]
        simulator._fetch("POST", f"/v1/payment_intents/{intent}/cancel")

        news.tell(simulator, "payment_intent.canceled")
        finish_runs()

        payment = truth.assert_told_once(merchant, simulator, payment_id)
        assert (payment.status, payment.failure_code) == ("VOIDED", "authorization_voided")

    def test_that_a_void_finds_captured_is_booked_and_given_back(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = authorized(merchant)
        intent = simulator.book()[0]["id"]
        simulator._fetch("POST", f"/v1/payment_intents/{intent}/capture")

        merchant.post(f"/v1/payments/{payment_id}/void")
        truth.finish_everything()

        payment = truth.assert_told_once(merchant, simulator, payment_id)
        assert (payment.status, payment.amount_refunded) == ("REFUNDED", payment.amount)
        assert merchant.balance("merchant:pending").amount == 0
        assert merchant.balance("payment:unallocated").amount == 0

    def test_that_a_void_finds_captured_before_we_knew_of_it_is_given_back(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        simulator.fault("confirm", "timeout_after")
        payment_id = merchant.pay().json()["id"]
        intent = simulator.book()[0]["id"]
        simulator._fetch("POST", f"/v1/payment_intents/{intent}/capture")
        assert merchant.payment(payment_id).status == "VALIDATED"

        assert void(merchant, payment_id).status_code in (200, 202)
        truth.finish_everything()

        payment = truth.assert_told_once(merchant, simulator, payment_id)
        assert (payment.status, payment.amount_refunded) == ("REFUNDED", payment.amount)
        assert truth.kinds_of(payment.id) == [
            *("payment.created", "payment.void_requested", "payment.authorized"),
            *("payment.captured", "payment.compensating", "payment.refunded"),
        ]
        assert merchant.balance("payment:unallocated").amount == 0

    def test_that_a_void_finds_captured_while_the_customer_is_asked_is_given_back(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        purse = purses.wallet(merchant, 4_000)
        payment_id = merchant.pay(source=ACTION, wallet=purse).json()["id"]
        intent = simulator.book()[0]["id"]
        simulator.pass_3ds(intent)
        simulator._fetch("POST", f"/v1/payment_intents/{intent}/capture")
        assert merchant.payment(payment_id).status == "REQUIRES_ACTION"

        assert void(merchant, payment_id).status_code in (200, 202)
        truth.finish_everything()

        payment = truth.assert_told_once(merchant, simulator, payment_id, alone=False)
        assert (payment.status, payment.amount_captured) == ("REFUNDED", 60)
        assert truth.kinds_of(payment.id) == [
            *("payment.created", "payment.requires_action", "payment.void_requested"),
            *("payment.action_completed", "payment.authorized"),
            *("payment.captured", "payment.compensating", "payment.refunded"),
        ]
        assert purses.inside(merchant, purse) == (4_000, 0), "nothing was taken of the wallet"
        assert merchant.balance("payment:unallocated").amount == 0

    def test_is_not_ended_by_news_that_it_still_stands(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = authorized(merchant)

        for _ in range(3):
            make_due(merchant.charge_run(payment_id))
            finish_runs()

        assert merchant.payment(payment_id).status == "AUTHORIZED"
        assert merchant.charge_run(payment_id).status == "WAITING"
        assert merchant.charge_run(payment_id).waiting_for == "capture"
        assert merchant.charge_run(payment_id).attempts == 0
        assert capture(merchant, payment_id).status_code == 200
        truth.assert_told_once(merchant, simulator, payment_id)
