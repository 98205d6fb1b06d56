"""A payment whose provider is PayPal goes through the very same sagas, into the same books."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction
from django.test import Client

from apps.core import clock
from apps.core.money import Money
from apps.payments import services
from apps.payments.models import Dispute
from apps.payments.services import deadlines, disputes
from apps.payments.tests import news, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from paysys.testing.paypal import PayPalSimulator
from paysys.testing.simulator import Simulator


@pytest.fixture
def source() -> str:
    """Whoever pays says at PayPal who they are."""
    return "paypal"


def order_of(paypal: PayPalSimulator) -> dict[str, Any]:
    [order] = paypal.book()
    return order


def approve(merchant: Merchant, paypal: PayPalSimulator, payment_id: str) -> None:
    """The payer agrees, and the run looks: by the time it has waited for, or by news."""
    paypal.approve(order_of(paypal)["id"])
    truth.make_due(merchant.payment(payment_id))
    finish_runs()


def usd(amount: str) -> Money:
    return Money(amount, "USD")


class TestAPaymentAtPayPal:
    def test_is_approved_captured_credited_refunded_and_settled_once(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator, source: str
    ) -> None:
        asked = merchant.pay(10_000, source).json()
        assert (asked["status"], asked["provider"]) == ("REQUIRES_ACTION", "paypal")
        assert order_of(paypal)["id"] in asked["next_action"]["url"]
        approve(merchant, paypal, asked["id"])
        payment = merchant.payment(asked["id"])
        assert payment.status == "CAPTURED"
        assert payment.charge_reference == order_of(paypal)["captures"][0]["id"]
        refund = merchant.post(f"/v1/payments/{asked['id']}/refund", {"amount": 4_000}).json()
        finish_runs()
        assert merchant.refund(refund["id"]).status == "SUCCEEDED"

        paypal.pay_out()
        simulator.advance_clock(paypal.reporting_delay_seconds)
        since, now = clock.now() - timedelta(days=1), clock.now()
        assert services.settle(provider="paypal", since=since, now=now) == 2
        assert services.settle(provider="paypal", since=since, now=now) == 0

        assert merchant.payment(asked["id"]).settled_at is not None
        assert merchant.balance("provider:paypal:clearing") == usd("0.00")
        assert merchant.balance("provider:paypal:fees") == usd("3.98")
        assert merchant.balance("bank:in_transit") == usd("56.02")
        effects = paypal.effects(asked["id"])
        assert (effects["authorizations"], effects["captures"], effects["refunds"]) == (1, 1, 1)
        assert truth.violations() == {}

    def test_part_of_which_is_captured_lets_go_of_the_rest(
        self, merchant: Merchant, paypal: PayPalSimulator, source: str
    ) -> None:
        payment_id = merchant.pay(10_000, source, capture_method="manual").json()["id"]
        approve(merchant, paypal, payment_id)
        assert merchant.payment(payment_id).status == "AUTHORIZED"

        merchant.post(f"/v1/payments/{payment_id}/capture", {"amount": 2_500})
        finish_runs()

        assert merchant.payment(payment_id).amount_captured == usd("25.00").amount
        assert paypal.effects(payment_id)["amount_captured"] == {"USD": "25.00"}
        assert order_of(paypal)["authorizations"][0]["status"] == "CAPTURED"

    def test_that_nobody_approves_in_time_fails_and_takes_nothing(
        self, merchant: Merchant, paypal: PayPalSimulator, source: str
    ) -> None:
        payment_id = merchant.pay(10_000, source).json()["id"]
        payment = merchant.payment(payment_id)
        type(payment).objects.filter(id=payment.id).update(action_expires_at=clock.now())
        truth.make_due(payment)
        finish_runs()

        failed = merchant.payment(payment_id)
        assert (failed.status, failed.failure_code) == ("FAILED", "authentication_timed_out")
        assert paypal.effects(payment_id)["authorizations"] == 0
        assert truth.postings_in(merchant) == {}

    @pytest.mark.parametrize(
        ("op", "kind"),
        [
            ("paypal_create", "reset_after"),
            ("paypal_confirm_source", "reset_after"),
            ("paypal_authorize", "timeout_after"),
            ("paypal_authorize", "error_before"),
            ("paypal_capture", "reset_after"),
            ("paypal_capture", "timeout_before"),
            ("paypal_capture", "error_after"),
            ("paypal_token", "unavailable"),
        ],
    )
    def test_whatever_is_lost_on_the_way_is_charged_once(
        self,
        merchant: Merchant,
        simulator: Simulator,
        paypal: PayPalSimulator,
        source: str,
        op: str,
        kind: str,
    ) -> None:
        simulator.fault(op, kind)
        payment_id = merchant.pay(10_000, source).json()["id"]
        for _ in range(4):
            truth.make_due(merchant.payment(payment_id))
            finish_runs()
        approve(merchant, paypal, payment_id)
        for _ in range(4):
            truth.make_due(merchant.payment(payment_id))
            finish_runs()

        assert merchant.payment(payment_id).status == "CAPTURED"
        effects = paypal.effects(payment_id)
        assert (effects["authorizations"], effects["captures"]) == (1, 1)
        assert merchant.balance("provider:paypal:clearing") == usd("100.00")
        assert truth.violations() == {}

    def test_its_news_come_in_at_a_door_of_their_own(
        self, merchant: Merchant, paypal: PayPalSimulator, source: str
    ) -> None:
        merchant.pay(10_000, source)
        paypal.approve(order_of(paypal)["id"])
        [approved] = paypal.events("CHECKOUT.ORDER.APPROVED")
        signed = paypal.deliver(approved)

        def post(body: bytes) -> int:
            answer = Client().post(
                "/webhooks/paypal", body, content_type="application/json", headers=signed.headers
            )
            return answer.status_code

        assert post(signed.body) == 200
        assert post(signed.body.replace(b"100.00", b"900.00")) == 400


class TestADisputeAtPayPal:
    """Its lines name the capture alone, and what is said to it is said once without a key."""

    def disputed(
        self, merchant: Merchant, paypal: PayPalSimulator, source: str
    ) -> tuple[str, dict[str, Any]]:
        payment_id = merchant.pay(10_000, source).json()["id"]
        approve(merchant, paypal, payment_id)
        return payment_id, paypal.dispute(order_of(paypal)["captures"][0]["id"])

    def hear(self, paypal: PayPalSimulator) -> None:
        for event in paypal.events():
            news.apply_event_of(paypal.deliver(event))
        finish_runs()

    def settle(self, simulator: Simulator, paypal: PayPalSimulator) -> None:
        simulator.advance_clock(paypal.reporting_delay_seconds)
        since, now = clock.now() - timedelta(days=1), clock.now()
        services.settle(provider="paypal", since=since, now=now)
        finish_runs()

    @pytest.mark.parametrize(("won", "status"), [(True, "CAPTURED"), (False, "CHARGED_BACK")])
    @pytest.mark.parametrize("lines_first", [True, False])
    def test_is_followed_and_its_lines_are_booked(
        self,
        merchant: Merchant,
        simulator: Simulator,
        paypal: PayPalSimulator,
        source: str,
        won: bool,
        status: str,
        lines_first: bool,
    ) -> None:
        payment_id, dispute = self.disputed(merchant, paypal, source)
        if lines_first:  # of which dispute, nobody knows yet
            self.settle(simulator, paypal)
            assert merchant.balance("provider:paypal:disputed") == usd("0.00")
        self.hear(paypal)
        assert merchant.payment(payment_id).status == "DISPUTED"
        self.settle(simulator, paypal)
        assert merchant.balance("provider:paypal:disputed") == usd("100.00")

        paypal.resolve(dispute["dispute_id"], won=won)
        self.hear(paypal)
        self.settle(simulator, paypal)

        assert merchant.payment(payment_id).status == status
        for code in ("merchant:disputed", "provider:paypal:disputed"):
            assert merchant.balance(code) == usd("0.00"), code
        truth.assert_nothing_is_left_over()

    @pytest.mark.parametrize("first", ["reversal", "dispute"])
    def test_makes_no_second_one_of_the_reversal_by_which_it_is_lost(
        self,
        merchant: Merchant,
        simulator: Simulator,
        paypal: PayPalSimulator,
        source: str,
        first: str,
    ) -> None:
        """PayPal tells of the reversal as of a refund, with an id of its own; we made none."""
        payment_id, dispute = self.disputed(merchant, paypal, source)
        paypal.resolve(dispute["dispute_id"], won=False)
        [reversal] = paypal.events("PAYMENT.CAPTURE.REVERSED")

        for _ in range(2):
            if first == "reversal":
                news.apply_event_of(paypal.deliver(reversal))
                truth.finish_everything()
            self.hear(paypal)
            first = "reversal"

        self.settle(simulator, paypal)
        [shown] = Dispute.objects.values_list("provider_reference", "status")
        assert shown == (dispute["dispute_id"], "LOST")
        assert merchant.payment(payment_id).status == "CHARGED_BACK"
        truth.assert_nothing_is_left_over()

    def test_that_only_asks_and_is_answered_by_a_refund_has_lost_nothing(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator, source: str
    ) -> None:
        """PayPal closes it for the payer, and says how much the payer was given: by us."""
        payment_id = merchant.pay(10_000, source).json()["id"]
        approve(merchant, paypal, payment_id)
        asked = paypal.dispute(order_of(paypal)["captures"][0]["id"], stage="INQUIRY")
        self.hear(paypal)

        refund = merchant.post(f"/v1/payments/{payment_id}/refund", {}).json()
        finish_runs()
        self.hear(paypal)
        self.settle(simulator, paypal)

        assert merchant.refund(refund["id"]).status == "SUCCEEDED"
        told = paypal.find_dispute(asked["dispute_id"])["dispute_outcome"]
        assert told["outcome_code"] == "RESOLVED_BUYER_FAVOUR"
        assert told["amount_refunded"]["value"] == "100.00"
        dispute = Dispute.objects.get()
        assert (dispute.status, dispute.amount_lost, dispute.excess) == ("WON", 0, 0)
        payment = merchant.payment(payment_id)
        assert (payment.status, payment.amount_excess) == ("REFUNDED", 0)
        assert merchant.balance("provider:paypal:disputed") == usd("0.00")
        truth.assert_nothing_is_left_over()

    def test_that_does_not_exist_keeps_nothing_from_being_done(
        self, merchant: Merchant, paypal: PayPalSimulator, source: str
    ) -> None:
        payment_id = merchant.pay(10_000, source).json()["id"]
        approve(merchant, paypal, payment_id)
        with transaction.atomic():
            disputes.look(
                disputes.find_or_report(
                    merchant.payment(payment_id),
                    provider="paypal",
                    reference="PP-D-OFNOBODY",
                    now=clock.now(),
                ),
                now=clock.now(),
            )
        finish_runs()
        with time_machine.travel(clock.now() + timedelta(seconds=70), tick=False):
            truth.finish_everything()

        refund = merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 4_000}).json()
        finish_runs()

        assert merchant.refund(refund["id"]).status == "SUCCEEDED"
        assert merchant.get("/v1/disputes").json()["data"] == []
        assert deadlines.look_again(now=clock.now() + timedelta(hours=23)) == 0, "daily, no more"
        truth.assert_nothing_is_left_over()

    def say(self, merchant: Merchant, order: str, **body: Any) -> Any:
        [shown] = merchant.get("/v1/disputes").json()["data"]
        return merchant.post(f"/v1/disputes/{shown['id']}/{order}", body)

    @pytest.mark.parametrize("fault", ["", "reset_after", "timeout_after", "error_before"])
    def test_is_answered_once_whatever_becomes_of_the_answer(
        self,
        merchant: Merchant,
        simulator: Simulator,
        paypal: PayPalSimulator,
        source: str,
        fault: str,
    ) -> None:
        payment_id, dispute = self.disputed(merchant, paypal, source)
        self.hear(paypal)
        if fault:
            simulator.fault("paypal_provide_evidence", fault)
        texts = {"shipping_tracking_number": "1Z9", "shipping_carrier": "UPS"}

        assert self.say(merchant, "evidence", texts=texts, submit=True).status_code == 200
        finish_runs()
        truth.finish_everything()

        outside = paypal.find_dispute(dispute["dispute_id"])
        assert outside["submissions"] == 1
        told = {each["evidence_type"]: each for each in outside["evidences"]}
        assert told["PROOF_OF_FULFILLMENT"]["evidence_info"]["tracking_info"] == [
            {"carrier_name": "UPS", "tracking_number": "1Z9"}
        ]
        assert "100.00 captured" in told["OTHER"]["notes"], "what we know ourselves"
        [shown] = merchant.get("/v1/disputes").json()["data"]
        assert (shown["status"], bool(shown["evidence_received_at"])) == ("UNDER_REVIEW", True)
        assert merchant.payment(payment_id).status == "DISPUTED"
        truth.assert_nothing_is_left_over()

    def test_names_what_was_given_back_before(
        self, merchant: Merchant, paypal: PayPalSimulator, source: str
    ) -> None:
        payment_id = merchant.pay(10_000, source).json()["id"]
        approve(merchant, paypal, payment_id)
        merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 4_000})
        finish_runs()
        order = order_of(paypal)
        dispute = paypal.dispute(order["captures"][0]["id"])["dispute_id"]
        self.hear(paypal)

        self.say(merchant, "evidence", submit=True)
        finish_runs()

        told = {e["evidence_type"]: e for e in paypal.find_dispute(dispute)["evidences"]}
        refunds = [refund["id"] for refund in order["refunds"]]
        assert told["PROOF_OF_REFUND"]["evidence_info"]["refund_ids"] == refunds

    @pytest.mark.parametrize("fault", ["", "reset_after", "error_before"])
    def test_is_given_up_once(
        self,
        merchant: Merchant,
        simulator: Simulator,
        paypal: PayPalSimulator,
        source: str,
        fault: str,
    ) -> None:
        payment_id, dispute = self.disputed(merchant, paypal, source)
        self.hear(paypal)
        if fault:
            simulator.fault("paypal_accept_claim", fault)

        assert self.say(merchant, "accept").status_code == 200
        finish_runs()
        truth.finish_everything()
        self.hear(paypal)
        self.settle(simulator, paypal)

        [shown] = merchant.get("/v1/disputes").json()["data"]
        assert (shown["status"], bool(shown["accepted_at"])) == ("LOST", True)
        assert merchant.payment(payment_id).status == "CHARGED_BACK"
        assert len(paypal.find_dispute(dispute["dispute_id"])["adjudications"]) == 1
        assert merchant.balance("provider:paypal:disputed") == usd("0.00")
        truth.assert_nothing_is_left_over()

    @pytest.mark.parametrize(
        ("order", "code"),
        [("evidence", "not_supported_by_method"), ("accept", "not_supported_by_method")],
    )
    def test_that_only_asks_is_answered_in_paypals_own_console(
        self, merchant: Merchant, paypal: PayPalSimulator, source: str, order: str, code: str
    ) -> None:
        payment_id = merchant.pay(10_000, source).json()["id"]
        approve(merchant, paypal, payment_id)
        paypal.dispute(order_of(paypal)["captures"][0]["id"], stage="INQUIRY")
        self.hear(paypal)
        body = {"submit": True} if order == "evidence" else {}

        answer = self.say(merchant, order, **body)

        assert answer.status_code == 422, answer.content
        assert answer.json()["error"]["code"] == code
        assert merchant.payment(payment_id).status == "CAPTURED"
        truth.assert_nothing_is_left_over()
