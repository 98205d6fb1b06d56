"""A dispute at Stripe passes the contract, and what is Stripe's alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from apps.core import ids
from apps.gateways.providers.stripe import objects
from apps.gateways.tests.dispute_contract import TOLD, DisputeContract, DisputeSide
from apps.gateways.tests.test_stripe import StripeSide
from apps.gateways.types import Operation, SubmitEvidenceRequest, freeze, thaw
from paysys.testing.simulator import Simulator


class StripeDisputes(DisputeSide):
    not_received = ("product_not_received", "13.1")

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.side = StripeSide(simulator)

    def open(self, reference: str, *, inquiry: bool = False) -> str:
        charge = self.simulator.intent(reference)["latest_charge"]
        asking = "yes" if inquiry else "no"
        return str(self.simulator.dispute(charge, self.not_received[0], inquiry=asking)["id"])

    def win(self, reference: str, *, lost: int = 0) -> None:
        self.simulator.decide(reference, "win", amount=10_000 - lost)

    def lose(self, reference: str) -> None:
        self.simulator.decide(reference, "lose")

    def reverse(self, reference: str) -> None:
        self.simulator.decide(reference, "reverse")

    def drop(self, reference: str) -> None:
        self.simulator.decide(reference, "close")

    def escalate(self, reference: str) -> None:
        self.simulator.decide(reference, "escalate")

    def submissions(self, reference: str) -> int:
        details = self.simulator.find_dispute(reference)["evidence_details"]
        return int(details["submission_count"])

    def said(self, reference: str) -> str:
        return str(self.simulator.find_dispute(reference)["evidence"])

    def files(self, reference: str) -> list[str]:
        named = self.simulator.find_dispute(reference)["evidence"].values()
        return [file["sha256"] for file in self.simulator.files() if file["id"] in list(named)]

    def lines(self, reference: str) -> int:
        return len(self.simulator.find_dispute(reference)["balance_transactions"])

    def break_next(self, operation: Operation, kind: str) -> None:
        self.side.break_next(operation, kind)


class TestStripeDisputes(DisputeContract):
    provider_name = "stripe"

    @pytest.fixture
    def side(self, simulator: Simulator) -> StripeDisputes:
        return StripeDisputes(simulator)


def test_what_is_frozen_is_what_is_sent() -> None:
    request = SubmitEvidenceRequest(
        provider="stripe", payment_id=ids.new_id(), provider_reference="du_1", evidence=TOLD
    )

    assert thaw(freeze(request)) == request
    assert thaw(freeze(replace(request, evidence={}))).evidence == {}


def test_what_returns_to_an_account_in_another_currency_is_no_part_of_the_dispute() -> None:
    """Euros came for the dollars that were disputed, and for fewer than they cost."""
    lines = [{"amount": -9_200, "currency": "eur"}, {"amount": 9_100, "currency": "eur"}]
    found: dict[str, Any] = {"id": "du_1", "status": "won", "currency": "usd", "amount": 10_000}
    found["balance_transactions"] = lines

    assert objects.dispute(found).amount_lost_minor == 0
