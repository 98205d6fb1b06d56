"""A dispute at Stripe: read, answered once, given up, and decided in full, in part and later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from apps.gateways import providers, services
from apps.gateways.tests.desk import Desk
from apps.gateways.tests.test_stripe import StripeSide
from apps.gateways.types import (
    AcceptDisputeRequest,
    DisputeReason,
    DisputeStage,
    DisputeStatus,
    InspectDisputeRequest,
    ProviderDispute,
    SubmitEvidenceRequest,
    freeze,
    thaw,
)
from apps.sagas.definition import Intent, Observation, Outcome
from paysys.testing.simulator import Simulator

TOLD = {"uncategorized_text": "It was delivered.", "shipping_carrier": "UPS"}


@pytest.fixture
def desk(simulator: Simulator) -> Iterator[Desk]:
    side = StripeSide(simulator)
    with providers.using("stripe", side.provider):
        yield Desk(side)


@pytest.fixture
def disputed(desk: Desk, simulator: Simulator) -> Callable[..., str]:
    """The id of a dispute of a captured payment of 100.00."""

    def dispute(**facts: Any) -> str:
        intent = simulator.intent(desk.captured())
        return str(simulator.dispute(intent["latest_charge"], **facts)["id"])

    return dispute


def asked(desk: Desk, kind: Any, reference: str, **facts: Any) -> Intent:
    return desk.intent(
        kind(provider="stripe", payment_id=desk.payment_id, provider_reference=reference, **facts)
    )


def told(observation: Observation) -> ProviderDispute:
    assert observation.outcome is Outcome.SUCCEEDED, observation
    return ProviderDispute.from_json(observation.result)


def look(desk: Desk, reference: str) -> ProviderDispute:
    return told(services.send(asked(desk, InspectDisputeRequest, reference)))


class TestADispute:
    def test_says_what_it_is_about_and_until_when(self, desk, disputed) -> None:
        found = look(desk, disputed(reason="product_not_received"))

        assert found.stage is DisputeStage.CHARGEBACK
        assert found.status is DisputeStatus.NEEDS_RESPONSE
        assert found.reason is DisputeReason.NOT_RECEIVED
        assert (found.amount_minor, found.currency) == (10_000, "USD")
        assert (found.provider_reason, found.network_reason_code) == (
            "product_not_received",
            "13.1",
        )
        assert found.payment_reference.startswith("pi_")
        assert found.due_by
        assert not found.has_evidence

    def test_of_which_only_a_question_is_asked_moves_no_money(
        self, desk, disputed, simulator
    ) -> None:
        reference = disputed(inquiry="yes")

        assert look(desk, reference).stage is DisputeStage.INQUIRY
        assert simulator.find_dispute(reference)["balance_transactions"] == []

        simulator.decide(reference, "close")
        found = look(desk, reference)
        assert (found.stage, found.status.is_over) == (DisputeStage.INQUIRY, True)
        assert found.amount_lost_minor == 0

    def test_that_was_a_question_becomes_a_chargeback(self, desk, disputed, simulator) -> None:
        reference = disputed(inquiry="yes")
        simulator.decide(reference, "escalate")

        found = look(desk, reference)

        assert (found.stage, found.status) == (
            DisputeStage.CHARGEBACK,
            DisputeStatus.NEEDS_RESPONSE,
        )

    @pytest.mark.parametrize(
        ("result", "facts", "status", "lost"),
        [
            ("win", {}, DisputeStatus.WON, 0),
            ("win", {"amount": 4_000}, DisputeStatus.WON, 6_000),
            ("lose", {}, DisputeStatus.LOST, 10_000),
        ],
    )
    def test_is_decided(self, desk, disputed, simulator, result, facts, status, lost) -> None:
        reference = disputed()
        simulator.decide(reference, result, **facts)

        found = look(desk, reference)

        assert (found.status, found.amount_lost_minor) == (status, lost)

    def test_that_was_lost_may_be_won_later(self, desk, disputed, simulator) -> None:
        reference = disputed()
        simulator.decide(reference, "lose")
        simulator.decide(reference, "reverse")

        assert look(desk, reference).status is DisputeStatus.WON


class TestEvidence:
    def test_arrives_once_however_often_it_is_sent(self, desk, disputed, simulator) -> None:
        reference = disputed()
        intent = asked(desk, SubmitEvidenceRequest, reference)

        for _ in range(2):
            assert told(services.send(intent, evidence=TOLD)).has_evidence

        kept = simulator.find_dispute(reference)
        assert kept["evidence"]["uncategorized_text"] == TOLD["uncategorized_text"]
        assert kept["evidence_details"]["submission_count"] == 1
        assert kept["status"] == "under_review"

    def test_whose_answer_was_lost_is_found(self, desk, disputed, simulator) -> None:
        reference = disputed()
        intent = asked(desk, SubmitEvidenceRequest, reference)
        assert services.look_up(intent).outcome is Outcome.ABSENT

        simulator.fault("submit_evidence", "reset_after")
        assert services.send(intent).outcome is Outcome.UNKNOWN

        assert told(services.look_up(intent)).has_evidence

    def test_that_comes_too_late_is_answered_by_the_dispute(
        self, desk, disputed, simulator
    ) -> None:
        reference = disputed()
        simulator.decide(reference, "lose")

        found = told(services.send(asked(desk, SubmitEvidenceRequest, reference)))

        assert (found.status, found.has_evidence) == (DisputeStatus.LOST, False)


class TestAccepting:
    def test_is_to_lose(self, desk, disputed) -> None:
        reference = disputed()

        found = told(services.send(asked(desk, AcceptDisputeRequest, reference)))

        assert (found.status, found.amount_lost_minor) == (DisputeStatus.LOST, 10_000)

    def test_whose_answer_was_lost_is_found(self, desk, disputed, simulator) -> None:
        intent = asked(desk, AcceptDisputeRequest, disputed())
        assert services.look_up(intent).outcome is Outcome.ABSENT
        simulator.fault("accept_dispute", "timeout_after")
        assert services.send(intent).outcome is Outcome.UNKNOWN

        assert told(services.look_up(intent)).status is DisputeStatus.LOST

    def test_what_is_decided_already_is_answered_by_the_decision(
        self, desk, disputed, simulator
    ) -> None:
        reference = disputed()
        simulator.decide(reference, "win")

        found = told(services.send(asked(desk, AcceptDisputeRequest, reference)))

        assert found.status is DisputeStatus.WON


def test_what_is_frozen_is_what_is_sent(desk) -> None:
    request = SubmitEvidenceRequest(
        provider="stripe", payment_id=desk.payment_id, provider_reference="du_1", evidence=TOLD
    )

    assert thaw(freeze(request)) == request
    assert thaw(freeze(replace(request, evidence={}))).evidence == {}
