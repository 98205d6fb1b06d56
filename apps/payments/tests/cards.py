"""Saved cards that two providers know, and a Stripe that cannot be reached."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from apps.gateways import providers
from apps.gateways.providers.stripe import Stripe
from apps.gateways.types import Operation
from apps.payments.tests.conftest import Merchant
from paysys.testing.simulator import Simulator

ALL = frozenset(Operation)


@pytest.fixture(autouse=True)
def nobody_hurries(settings: Any) -> None:
    """For whoever imports it: two providers are asked before an answer, on any machine."""
    settings.PAYSYS_ANSWER_SECONDS = 20.0


def saved_card(
    merchant: Merchant, token: str = "pm_card_visa", *, at_paypal: str = "payer_good"
) -> str:
    """A saved card that Stripe knows by `token`, and PayPal, too, unless told otherwise."""
    card = merchant.post("/v1/payment_methods", {"provider_token": token}).json()["id"]
    if at_paypal:
        told = {"provider": "paypal", "provider_token": at_paypal}
        assert merchant.post(f"/v1/payment_methods/{card}/tokens", told).status_code == 200
    return str(card)


class HalfReached(Stripe):
    """Stripe, but to whom calls of some operations find no connection: nobody listens there."""

    operations: frozenset[Operation]
    unreached: Stripe

    def send(self, request: Any, **facts: Any) -> Any:
        if request.operation in self.operations:
            return self.unreached.send(request, **facts)
        return super().send(request, **facts)


@contextmanager
def stripe_refuses(
    simulator: Simulator, operations: frozenset[Operation] = ALL
) -> Iterator[HalfReached]:
    """Connections to Stripe are refused inside the block, for these operations."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    facts = {"api_key": simulator.api_key, "webhook_secrets": [simulator.webhook_secret]}
    half = HalfReached(api_base=simulator.url, read_seconds=5.0, **facts)
    half.operations = operations
    half.unreached = Stripe(api_base=f"http://127.0.0.1:{port}", **facts)
    with providers.using("stripe", half):
        yield half
