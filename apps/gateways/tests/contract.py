"""What every provider must do, whatever its company: a further one passes this, or is not added.

A provider's test module derives from `ProviderContract` and gives it a `side`: the provider itself,
connected to a double over HTTP, and the ways in which that double can be made to misbehave. The
calls go through `gateways.services`, as a saga makes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest

from apps.gateways import providers, services
from apps.gateways.tests.desk import Desk, Side, ended, paid, refunded
from apps.gateways.tests.lost_answers import LostAnswers
from apps.gateways.types import (
    Operation,
    PaymentStatus,
    ProviderPayment,
    RefundStatus,
    StrongAuthentication,
    decline,
)
from apps.sagas.definition import Outcome


class ProviderContract(LostAnswers):
    """The cases. A deriving class is named after its provider: `TestStripe`."""

    @pytest.fixture
    def side(self) -> Side:
        raise NotImplementedError

    @pytest.fixture
    def desk(self, side: Side) -> Iterator[Desk]:
        with providers.using(self.provider_name, side.provider):
            yield Desk(side)

    # --- the good way

    def test_a_payment_is_created_confirmed_captured_and_refunded(self, desk):
        reference = desk.created()
        authorized = paid(desk.send(desk.request(Operation.CONFIRM, reference)))
        captured = paid(desk.send(desk.request(Operation.CAPTURE, reference)))
        refund = refunded(desk.send(desk.request(Operation.REFUND, reference, amount=4_000)))

        assert authorized.status is PaymentStatus.AUTHORIZED
        assert (authorized.amount_minor, authorized.currency) == (10_000, "USD")
        assert (authorized.amount_captured_minor, authorized.capture_reference) == (0, "")
        assert datetime.fromisoformat(authorized.capture_before).tzinfo is not None
        assert captured.status is PaymentStatus.CAPTURED
        assert captured.amount_captured_minor == 10_000
        assert captured.capture_reference
        assert refund.status is RefundStatus.SUCCEEDED
        assert (refund.amount_minor, refund.payment_reference) == (4_000, reference)

    def test_a_created_payment_moves_no_money(self, desk, side):
        payment = paid(desk.send(desk.create_request()))

        assert payment.status is PaymentStatus.CREATED
        assert payment.card is None
        confirm = desk.intent(desk.request(Operation.CONFIRM, payment.provider_reference))
        assert side.effects(confirm) == 0

    def test_card_facts_are_told_and_nothing_to_pay_with(self, desk, side):
        reference = desk.created()

        card = paid(desk.send(desk.request(Operation.CONFIRM, reference))).card

        assert (card is not None) == side.pays_with_cards
        if card is None:
            return
        assert len(card.last4) == 4
        assert card.brand
        assert card.exp_year >= 2026

    def test_a_part_may_be_captured_and_the_rest_is_released(self, desk):
        reference = desk.authorized()

        captured = paid(desk.send(desk.request(Operation.CAPTURE, reference, amount=2_500)))

        assert captured.status is PaymentStatus.CAPTURED
        assert captured.amount_captured_minor == 2_500
        second = desk.send(desk.request(Operation.CAPTURE, reference, amount=2_500))
        assert second.outcome is not Outcome.ABSENT
        again = providers.get(desk.name).find_payment(reference)
        assert again.amount_captured_minor == 2_500

    def test_a_void_releases_the_authorization(self, desk):
        reference = desk.authorized()

        voided = paid(desk.send(desk.request(Operation.VOID, reference)))

        assert voided.status is PaymentStatus.VOIDED
        capture = desk.send(desk.request(Operation.CAPTURE, reference))
        assert ended(capture) == ("FAILED", "authorization_voided")

    def test_a_payment_that_was_never_confirmed_can_be_voided(self, desk):
        reference = desk.created()

        assert paid(desk.send(desk.request(Operation.VOID, reference))).status == "voided"

    # --- the provider says no

    def test_every_decline_reads_the_same_at_every_provider(self, desk, side):
        for code, token in side.declines.items():
            intent = desk.intent(desk.request(Operation.CONFIRM, desk.created(token=token)))

            said = services.send(intent)

            assert ended(said) == ("FAILED", code), token
            assert said.message == decline(code).message
            remembered = ("FAILED", code) if side.remembers_declines else ("ABSENT", "")
            assert ended(services.look_up(intent)) == remembered, token
            assert side.effects(intent) == 0

    def test_a_token_that_cannot_be_used_is_refused_before_it_is_charged(self, desk, side):
        said = desk.send(desk.create_request(token=side.unusable_token))
        if said.outcome is Outcome.SUCCEEDED:  # a provider that is told of it when it is to be used
            said = desk.send(desk.request(Operation.CONFIRM, said.provider_reference))

        assert ended(said) == ("FAILED", "token_invalid")

    def test_a_captured_payment_is_not_voided(self, desk):
        reference = desk.captured()

        said = desk.send(desk.request(Operation.VOID, reference))

        assert ended(said) == ("FAILED", "already_captured")
        assert ProviderPayment.from_json(said.result).amount_captured_minor == 10_000

    def test_a_lapsed_authorization_is_not_captured(self, desk, side):
        reference = desk.authorized()
        side.expire(reference)
        intent = desk.intent(desk.request(Operation.CAPTURE, reference))

        assert ended(services.send(intent)) == ("FAILED", "authorization_expired")
        assert ended(services.look_up(intent)) == ("FAILED", "authorization_expired")
        assert side.effects(intent) == 0

    def test_more_than_was_captured_is_not_refunded(self, desk, side):
        reference = desk.captured()
        intent = desk.intent(desk.request(Operation.REFUND, reference, amount=10_001))

        assert services.send(intent).outcome is Outcome.FAILED
        assert services.look_up(intent).outcome is Outcome.ABSENT
        assert side.effects(intent) == 0

    # --- the customer is asked

    def test_a_challenge_waits_for_the_customer(self, desk, side):
        reference = desk.created(token=side.challenged_token)
        confirm = desk.intent(
            replace(
                desk.request(Operation.CONFIRM, reference), return_url="https://shop.example/back"
            )
        )

        asked = paid(services.send(confirm))

        assert asked.status is PaymentStatus.REQUIRES_ACTION
        assert asked.next_action_url.startswith("http")
        assert paid(services.look_up(confirm)).status is PaymentStatus.REQUIRES_ACTION
        inspect = desk.request(Operation.INSPECT, reference)
        assert desk.send(inspect).outcome is Outcome.ABSENT
        side.authenticate(reference, passed=True)
        assert paid(desk.send(inspect)).status is PaymentStatus.AUTHORIZED

    def test_a_failed_challenge_is_a_decline(self, desk, side):
        reference = desk.created(token=side.challenged_token)
        desk.send(desk.request(Operation.CONFIRM, reference))
        side.authenticate(reference, passed=False)

        said = desk.send(desk.request(Operation.INSPECT, reference))

        assert ended(said) == ("FAILED", "authentication_failed")

    def test_authentication_can_be_demanded(self, desk, side):
        reference = desk.created(token=side.challengeable_token)
        confirm = replace(
            desk.request(Operation.CONFIRM, reference), sca=StrongAuthentication.REQUIRED
        )

        assert paid(desk.send(confirm)).status is PaymentStatus.REQUIRES_ACTION

    # --- late news

    def test_a_refund_may_fail_after_it_was_accepted(self, desk, side):
        reference = desk.captured(token=side.pending_refund_token)
        accepted = refunded(desk.send(desk.request(Operation.REFUND, reference, amount=1_000)))
        assert accepted.status is RefundStatus.PENDING

        side.fail_refund(accepted.provider_reference)

        found = providers.get(desk.name).find_refund(accepted.provider_reference)
        assert found.status is RefundStatus.FAILED
        assert found.amount_minor == 1_000
        inspected = desk.send(desk.request(Operation.INSPECT_REFUND, accepted.provider_reference))
        assert refunded(inspected) == found

    # --- amounts

    def test_amounts_arrive_in_the_providers_units_and_return_in_ours(self, desk, side):
        for currency, ours, theirs in side.amounts:
            payment = paid(desk.send(desk.create_request(amount=ours, currency=currency)))

            assert (payment.amount_minor, payment.currency) == (ours, currency)
            assert side.provider_amount(payment.provider_reference) == theirs, currency

    def test_an_amount_it_cannot_express_is_refused_and_never_rounded(self, desk, side):
        for currency, ours in side.impossible_amounts:
            said = desk.send(desk.create_request(amount=ours, currency=currency))

            assert ended(said) == ("FAILED", "amount_not_supported"), currency
