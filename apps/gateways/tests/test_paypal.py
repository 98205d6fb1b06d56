"""PayPal passes the contract of providers, and what is PayPal's alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from apps.gateways import providers
from apps.gateways.providers.paypal import WALLET, PayPal
from apps.gateways.tests.contract import ProviderContract
from apps.gateways.tests.desk import Desk, Side
from apps.gateways.types import (
    Operation,
)
from apps.sagas.definition import Intent
from paysys.testing.simulator import Simulator

_OPS = {Operation.CONFIRM: "paypal_authorize", Operation.INSPECT: "paypal_retrieve"}


class PayPalSide(Side):
    good_token = "payer_good"
    challenged_token = WALLET
    challengeable_token = "payer_good"
    pending_refund_token = "payer_refund_pending"
    unusable_token = "payer_that_nobody_is"
    declines = {
        "card_declined": "payer_instrument_declined",
        "not_permitted": "payer_cannot_pay",
        "invalid_account": "payer_locked",
        "limit_exceeded": "payer_over_limit",
        "blocked_by_provider": "payer_refused",
        "expired_card": "payer_card_expired",
        "token_invalid": "payer_agreement_canceled",
    }
    amounts = (
        ("USD", 1_050, "10.50"),
        ("EUR", 999, "9.99"),
        ("JPY", 500, "500"),
        ("HUF", 150_000, "1500"),
        ("TWD", 99_900, "999"),
    )
    impossible_amounts = (("HUF", 150_050), ("TWD", 1))
    pays_with_cards = False
    saves_errors = False
    remembers_declines = False

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.paypal = simulator.paypal
        self.provider = self.elsewhere(simulator.url)

    def elsewhere(self, url: str) -> PayPal:
        return self._provider(url, self.paypal.client_secret)

    def with_wrong_key(self) -> PayPal:
        return self._provider(self.simulator.url, "the secret of another")

    def _provider(self, url: str, secret: str) -> PayPal:
        return PayPal(
            client_id=self.paypal.client_id,
            client_secret=secret,
            api_base=f"{url}/paypal",
            webhook_id=self.paypal.webhook_id,
        )

    def break_next(self, operation: Operation, kind: str) -> None:
        self.simulator.fault(_OPS.get(operation, f"paypal_{operation}"), kind)

    def effects(self, intent: Intent) -> int:
        order = self.paypal.order(intent.request["provider_reference"])
        match intent.request["operation"]:
            case Operation.CONFIRM:
                return len(order["authorizations"])
            case Operation.CAPTURE:
                return len(order["captures"])
            case Operation.VOID:
                return sum(each["status"] == "VOIDED" for each in order["authorizations"])
        return sum(each["amount"]["value"] == "10.00" for each in order["refunds"])

    def provider_amount(self, reference: str) -> str:
        return str(self.paypal.order(reference)["amount"]["value"])

    def authenticate(self, reference: str, *, passed: bool) -> None:
        act = self.paypal.approve if passed else self.paypal.decline
        act(reference)

    def expire(self, reference: str) -> None:
        self.paypal.expire(reference)

    def fail_refund(self, reference: str) -> None:
        self.paypal.fail_refund(reference)


class TestPayPal(ProviderContract):
    provider_name = "paypal"

    @pytest.fixture
    def side(self, simulator):
        return PayPalSide(simulator)


class AtPayPal:
    """For tests of what is PayPal's alone: a side, and a desk at it."""

    @pytest.fixture
    def side(self, simulator: Simulator) -> PayPalSide:
        return PayPalSide(simulator)

    @pytest.fixture
    def desk(self, side: PayPalSide) -> Iterator[Desk]:
        with providers.using("paypal", side.provider):
            yield Desk(side)
