"""Stripe passes the contract of providers, and what is Stripe's alone."""

from datetime import UTC, datetime

import pytest

from apps.core import ids
from apps.gateways import providers, services, statements
from apps.gateways.providers.stripe import Stripe
from apps.gateways.tests.contract import ProviderContract
from apps.gateways.tests.desk import Desk, Side
from apps.gateways.types import LineKind, Operation, OutcomeUnknown
from apps.sagas.definition import Intent
from paysys.testing.simulator import Simulator

_OPS = {Operation.VOID: "cancel", Operation.INSPECT: "retrieve"}


class StripeSide(Side):
    good_token = "pm_card_visa"
    challenged_token = "pm_card_authenticationRequired"
    challengeable_token = "pm_card_mastercard"
    pending_refund_token = "pm_card_pendingRefund"
    unusable_token = "pm_that_nobody_made"
    declines = {
        "card_declined": "pm_card_visa_chargeDeclined",
        "insufficient_funds": "pm_card_visa_chargeDeclinedInsufficientFunds",
        "lost_card": "pm_card_visa_chargeDeclinedLostCard",
        "stolen_card": "pm_card_visa_chargeDeclinedStolenCard",
        "limit_exceeded": "pm_card_visa_chargeDeclinedVelocityLimitExceeded",
        "expired_card": "pm_card_chargeDeclinedExpiredCard",
        "incorrect_cvc": "pm_card_chargeDeclinedIncorrectCvc",
        "processing_error": "pm_card_chargeDeclinedProcessingError",
        "fraudulent": "pm_card_chargeDeclinedFraudulent",
    }
    amounts = (
        ("USD", 1_050, 1_050),
        ("EUR", 999, 999),
        ("JPY", 500, 500),
        ("KWD", 5_120, 5_120),
        ("ISK", 500, 50_000),
        ("UGX", 5_000, 500_000),
        ("MGA", 500_000, 5_000),
    )
    impossible_amounts = (("KWD", 5_124), ("BHD", 1_001), ("MGA", 500_001))

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.provider = self.elsewhere(simulator.url)

    def elsewhere(self, url: str) -> Stripe:
        return Stripe(
            api_key=self.simulator.api_key,
            api_base=url,
            webhook_secrets=[self.simulator.webhook_secret],
        )

    def with_wrong_key(self) -> Stripe:
        return Stripe(api_key="sk_live_of_another", api_base=self.simulator.url)

    def break_next(self, operation: Operation, kind: str) -> None:
        self.simulator.fault(_OPS.get(operation, str(operation)), kind)

    def effects(self, intent: Intent) -> int:
        reference = intent.request["provider_reference"]
        line = next(line for line in self.simulator.book() if line["id"] == reference)
        match intent.request["operation"]:
            case Operation.CONFIRM:
                return int(line["charges"])
            case Operation.CAPTURE:
                return int(line["amount_received"] > 0)
            case Operation.VOID:
                return int(line["status"] == "canceled")
        return int(line["amount_refunded"] / 1_000)

    def provider_amount(self, reference: str) -> int:
        return int(self.simulator.intent(reference)["amount"])

    def authenticate(self, reference: str, *, passed: bool) -> None:
        act = self.simulator.pass_3ds if passed else self.simulator.fail_3ds
        act(reference)

    def expire(self, reference: str) -> None:
        self.simulator.expire(reference)

    def fail_refund(self, reference: str) -> None:
        self.simulator.fail_refund(reference)


class TestStripe(ProviderContract):
    provider_name = "stripe"

    @pytest.fixture
    def side(self, simulator):
        return StripeSide(simulator)


class TestStatement:
    """Lines of Stripe's account with us, as they will be booked."""

    @pytest.fixture
    def desk(self, simulator):
        side = StripeSide(simulator)
        with providers.using("stripe", side.provider):
            yield Desk(side)

    def test_charges_refunds_and_the_payout_are_told_with_their_payment(self, desk, simulator):
        reference = desk.captured()
        desk.send(desk.request(Operation.REFUND, reference, amount=4_000))
        simulator.pay_out()

        lines = list(statements.fetch(provider="stripe", since=datetime(2020, 1, 1, tzinfo=UTC)))

        found = {line.kind: line for line in lines}
        assert set(found) == {LineKind.CHARGE, LineKind.REFUND, LineKind.PAYOUT}
        charge, refund = found[LineKind.CHARGE], found[LineKind.REFUND]
        assert (charge.gross_minor, charge.currency) == (10_000, "USD")
        assert charge.fee_minor > 0
        assert refund.gross_minor == -4_000
        assert charge.payment_reference == refund.payment_reference == reference
        assert charge.payment_public_id == ids.encode("pay", desk.payment_id)
        for line in lines:
            assert line.net_minor == line.gross_minor - line.fee_minor
        assert found[LineKind.PAYOUT].gross_minor == -(charge.net_minor + refund.net_minor)

    def test_the_lines_of_a_payout_carry_its_id(self, desk, simulator):
        desk.captured()
        payout = simulator.pay_out()[0]["id"]
        desk.captured()

        lines = list(statements.fetch(provider="stripe", payout=payout))

        assert {line.kind for line in lines} == {LineKind.CHARGE, LineKind.PAYOUT}
        assert {line.payout_reference for line in lines} == {payout}

    def test_lines_come_page_by_page_and_every_one_once(self, desk, monkeypatch):
        monkeypatch.setattr("apps.gateways.providers.stripe.PAGE_SIZE", 2)
        references = {desk.captured() for _ in range(5)}

        lines = list(statements.fetch(provider="stripe", since=datetime(2020, 1, 1, tzinfo=UTC)))

        assert len(lines) == 5
        assert {line.payment_reference for line in lines} == references

    def test_a_provider_that_cannot_be_asked_gives_no_short_list(self, desk, simulator):
        desk.captured()
        simulator.fault("*", "unavailable")

        with pytest.raises(OutcomeUnknown):
            list(statements.fetch(provider="stripe", since=datetime(2020, 1, 1, tzinfo=UTC)))

    def test_everything_there_ever_was_is_not_a_question(self, desk):
        with pytest.raises(AssertionError):
            list(statements.fetch(provider="stripe"))


class TestRefundsOfAPayment:
    def test_a_refund_on_a_later_page_is_found(self, simulator, monkeypatch):
        monkeypatch.setattr("apps.gateways.providers.stripe.PAGE_SIZE", 2)
        side = StripeSide(simulator)
        with providers.using("stripe", side.provider):
            desk = Desk(side)
            reference = desk.captured()
            intents = [
                desk.intent(desk.request(Operation.REFUND, reference, amount=100)) for _ in range(5)
            ]
            made = [services.send(intent) for intent in intents]

            assert [services.look_up(intent) for intent in intents] == made
