"""Payers, authorizations, keys and tokens: what is PayPal's alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from apps.gateways import providers, services
from apps.gateways.providers.paypal import WALLET
from apps.gateways.tests.desk import ended, paid, refunded
from apps.gateways.tests.test_paypal import AtPayPal
from apps.gateways.types import (
    CaptureMethod,
    DisputeReason,
    DisputeStage,
    Operation,
    OutcomeUnknown,
    PaymentStatus,
)
from apps.sagas.definition import Outcome


class TestPayer(AtPayPal):
    """Whoever pays agrees at PayPal, unless a vaulted token says that they have."""

    def test_a_payment_without_a_token_is_approved_and_then_authorized_once(self, desk, side):
        reference = desk.created(token=WALLET)
        asked = paid(desk.send(desk.request(Operation.CONFIRM, reference)))
        assert asked.status is PaymentStatus.REQUIRES_ACTION
        assert f"token={reference}" in asked.next_action_url
        side.paypal.approve(reference)
        inspect = desk.request(Operation.INSPECT, reference)

        first, second = paid(desk.send(inspect)), paid(desk.send(inspect))

        assert first.status is second.status is PaymentStatus.AUTHORIZED
        assert len(side.paypal.order(reference)["authorizations"]) == 1

    def test_a_look_alone_authorizes_nothing(self, desk, side):
        reference = desk.created(token=WALLET)
        desk.send(desk.request(Operation.CONFIRM, reference))
        side.paypal.approve(reference)

        payment = providers.get("paypal").find_payment(reference)

        assert payment.status is PaymentStatus.CREATED
        assert side.paypal.order(reference)["authorizations"] == []

    @pytest.mark.parametrize("kind", ["timeout_after", "reset_before", "error_after"])
    def test_an_authorization_whose_answer_was_lost_is_found_by_the_next_look(
        self, desk, side, kind
    ):
        reference = desk.created(token=WALLET)
        desk.send(desk.request(Operation.CONFIRM, reference))
        side.paypal.approve(reference)
        side.simulator.fault("paypal_authorize", kind)
        inspect = desk.intent(desk.request(Operation.INSPECT, reference))

        assert services.send(inspect).outcome is Outcome.UNKNOWN
        assert paid(services.send(inspect)).status is PaymentStatus.AUTHORIZED
        assert len(side.paypal.order(reference)["authorizations"]) == 1

    def test_a_payer_who_cannot_pay_after_approving_is_declined(self, desk, side):
        reference = desk.created(token=WALLET)
        desk.send(desk.request(Operation.CONFIRM, reference))
        side.paypal.approve(reference, payer="payer_instrument_declined")

        said = desk.send(desk.request(Operation.INSPECT, reference))

        assert ended(said) == ("FAILED", "card_declined")

    def test_a_payer_known_by_a_token_who_must_act_is_sent_to_paypal(self, desk, side):
        reference = desk.created(token="payer_must_act")

        asked = paid(desk.send(desk.request(Operation.CONFIRM, reference)))

        assert asked.status is PaymentStatus.REQUIRES_ACTION
        side.paypal.approve(reference, payer="payer_must_act")
        inspected = paid(desk.send(desk.request(Operation.INSPECT, reference)))
        assert inspected.status is PaymentStatus.AUTHORIZED

    def test_whoever_approved_before_the_question_was_answered_is_not_asked_again(self, desk, side):
        reference = desk.created(token=WALLET)
        side.simulator.fault("paypal_confirm_source", "reset_after")
        confirm = desk.intent(desk.request(Operation.CONFIRM, reference))
        assert services.send(confirm).outcome is Outcome.UNKNOWN
        side.paypal.approve(reference)

        assert services.look_up(confirm).outcome is Outcome.ABSENT
        assert paid(services.send(confirm)).status is PaymentStatus.AUTHORIZED

    def test_an_older_billing_agreement_pays(self, desk):
        reference = desk.created(token="B-5MM75364DX123456A")

        confirmed = paid(desk.send(desk.request(Operation.CONFIRM, reference)))

        assert confirmed.status is PaymentStatus.AUTHORIZED

    def test_an_approved_order_is_given_up_without_a_trace(self, desk, side):
        reference = desk.created(token=WALLET)
        desk.send(desk.request(Operation.CONFIRM, reference))
        side.paypal.approve(reference)

        voided = paid(desk.send(desk.request(Operation.VOID, reference)))

        assert voided.status is PaymentStatus.VOIDED
        assert side.paypal.order(reference)["authorizations"] == []


class TestAuthorization(AtPayPal):
    def test_one_under_review_is_not_known_yet(self, desk, side):
        reference = desk.created(token="payer_under_review")
        intent = desk.intent(desk.request(Operation.CONFIRM, reference))

        assert ended(services.send(intent)) == ("UNKNOWN", "processing")
        assert ended(services.look_up(intent)) == ("UNKNOWN", "processing")
        side.simulator.settle()
        assert paid(services.look_up(intent)).status is PaymentStatus.AUTHORIZED

    def test_one_that_was_denied_is_a_decline_for_whoever_looks(self, desk):
        reference = desk.created(token="payer_denied")
        intent = desk.intent(desk.request(Operation.CONFIRM, reference))

        assert ended(services.send(intent)) == ("FAILED", "card_declined")
        assert ended(services.look_up(intent)) == ("FAILED", "card_declined")

    def test_a_capture_that_was_declined_takes_nothing(self, desk, side):
        reference = desk.authorized(token="payer_capture_declined")
        intent = desk.intent(desk.request(Operation.CAPTURE, reference))

        said = services.send(intent)

        assert ended(said) == ("FAILED", "card_declined")
        assert services.look_up(intent).outcome is Outcome.ABSENT
        assert paid(desk.send(desk.request(Operation.VOID, reference))).status == "voided"

    def test_a_capture_that_is_pending_is_not_known_yet(self, desk, side):
        reference = desk.authorized(token="payer_capture_pending")
        intent = desk.intent(desk.request(Operation.CAPTURE, reference))

        assert ended(services.send(intent)) == ("UNKNOWN", "processing")
        side.simulator.settle()
        assert paid(services.look_up(intent)).status is PaymentStatus.CAPTURED

    def test_a_payment_never_authorized_is_not_captured(self, desk):
        said = desk.send(desk.request(Operation.CAPTURE, desk.created()))

        assert ended(said) == ("FAILED", "not_authorized")

    def test_no_order_takes_money_for_a_name_that_has_paid(self, desk):
        first = desk.create_request()
        reference = desk.send(first).provider_reference
        desk.tokens[reference] = first.token
        desk.send(desk.request(Operation.CONFIRM, reference))
        again = desk.send(first)  # another key: another order, of the same payment
        desk.tokens[again.provider_reference] = first.token

        said = desk.send(desk.request(Operation.CONFIRM, again.provider_reference))

        assert again.provider_reference != reference
        assert ended(said) == ("FAILED", "duplicate")

    def test_what_takes_the_money_at_once_is_not_offered(self, desk):
        automatic = replace(desk.create_request(), capture_method=CaptureMethod.AUTOMATIC)

        assert ended(desk.send(automatic)) == ("FAILED", "operation_not_supported")

    def test_a_currency_that_paypal_does_not_take_is_refused(self, desk, side):
        said = desk.send(desk.create_request(currency="KWD"))

        assert ended(said) == ("FAILED", "currency_not_supported")
        assert side.paypal.book() == []

    def test_its_parts_are_told_by_name(self, desk, side):
        reference = desk.captured()

        payment = providers.get("paypal").find_payment(reference)

        order = side.paypal.order(reference)
        parts = (order["authorizations"][0]["id"], order["captures"][0]["id"])
        assert payment.also_known_as == parts
        assert payment.capture_reference == parts[1]


class TestKeysAndTokens(AtPayPal):
    def test_a_key_is_forgotten_after_paypals_time_and_before_ours(self, desk, side):
        """What the horizon is for: beyond it the same key would pay back twice."""
        refund = desk.ready_for(Operation.REFUND)
        first = refunded(services.send(refund))
        create = desk.intent(desk.create_request())
        order = services.send(create).provider_reference

        side.simulator.advance_clock(int(services.CREATE.horizon_seconds(create)))
        assert services.send(create).provider_reference == order
        side.simulator.advance_clock(3_601)
        assert services.send(create).provider_reference != order
        horizon = int(services.REFUND.horizon_seconds(refund))
        side.simulator.advance_clock(horizon - 6 * 3_600 - 1)
        assert refunded(services.send(refund)) == first
        side.simulator.advance_clock(86_400)
        assert refunded(services.send(refund)) != first

    def test_a_token_that_ran_out_is_renewed_in_the_same_call(self, desk, side):
        intent = desk.ready_for(Operation.CAPTURE)
        side.simulator.advance_clock(9 * 3_600)

        assert services.send(intent).outcome is Outcome.SUCCEEDED
        assert side.effects(intent) == 1

    def test_a_request_that_still_runs_is_not_made_again(self, desk, side):
        intent = desk.ready_for(Operation.CAPTURE)
        side.break_next(Operation.CAPTURE, "lock_timeout")

        assert ended(services.send(intent)) == ("UNKNOWN", "in_progress")

    @pytest.mark.parametrize("kind", ["unavailable", "error_before", "reset_before", "rate_limit"])
    def test_without_a_token_nothing_is_sent(self, desk, side, kind):
        intent = desk.ready_for(Operation.CAPTURE)
        side.simulator.advance_clock(9 * 3_600)
        side.simulator.fault("paypal_token", kind)

        said = services.send(intent)

        assert ended(said) == ("ABSENT", "not_sent")
        assert said.unsent
        assert side.effects(intent) == 0


class TestDispute(AtPayPal):
    @pytest.fixture
    def capture(self, desk) -> str:
        reference = desk.captured()
        return providers.get("paypal").find_payment(reference).capture_reference

    def test_one_that_is_open_names_the_capture_and_when_we_have_to_answer(self, side, capture):
        opened = side.paypal.dispute(capture)["dispute_id"]

        found = side.provider.find_dispute(opened)

        assert (found.provider_reference, found.payment_reference) == (opened, capture)
        assert (found.stage, found.status) == (DisputeStage.CHARGEBACK, "needs_response")
        assert (found.amount_minor, found.currency, found.amount_lost_minor) == (10_000, "USD", 0)
        assert found.reason is DisputeReason.FRAUDULENT
        assert datetime.fromisoformat(found.due_by) > datetime.now(UTC)

    @pytest.mark.parametrize(
        ("stage", "won", "status", "lost"),
        [
            ("CHARGEBACK", True, "won", 0),
            ("CHARGEBACK", False, "lost", 10_000),
            ("INQUIRY", True, "won", 0),
            ("INQUIRY", False, "won", 0),  # for a question PayPal takes nothing from us
        ],
    )
    def test_one_that_is_decided_says_for_whom(self, side, capture, stage, won, status, lost):
        opened = side.paypal.dispute(capture, stage=stage)["dispute_id"]
        side.paypal.resolve(opened, won=won)

        found = side.provider.find_dispute(opened)

        assert (found.stage, found.status) == (DisputeStage[stage], status)
        assert found.amount_lost_minor == lost

    def test_one_that_is_not_there_is_no_answer(self, side):
        with pytest.raises(OutcomeUnknown) as caught:
            side.provider.find_dispute("PP-D-1")

        assert caught.value.reason == "object_missing"
