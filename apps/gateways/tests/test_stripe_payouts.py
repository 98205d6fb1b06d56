"""Stripe sends money to banks: the contract of payouts, and the pages of its list."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import Any

import pytest

from apps.gateways import providers, services
from apps.gateways.providers.stripe import Stripe
from apps.gateways.tests.payout_contract import Bank, PayoutContract, told
from apps.gateways.types import Operation, thaw
from apps.sagas.definition import Intent
from paysys.testing.simulator import Simulator


class StripeBank(Bank):
    arrives = "000123456789"
    fails = ("000111111116", "no_account")
    refused = "00000000000000000000000000000BAD00"
    amounts = (("USD", 1_050, 1_050), ("JPY", 500, 500), ("ISK", 500, 50_000))

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.provider = self.elsewhere(simulator.url)

    def elsewhere(self, url: str) -> Stripe:
        return Stripe(api_key=self.simulator.api_key, api_base=url, account="acct_simulator")

    def break_next(self, operation: Operation, kind: str) -> None:
        self.simulator.fault(str(operation), kind)

    def made(self, intent: Intent) -> list[dict[str, Any]]:
        return self.simulator.payouts_for(intent.request["payout_public_id"])

    def end(self, reference: str, result: str) -> None:
        self.simulator.end_payout(reference, result)


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class TestStripePayouts(PayoutContract):
    provider_name = "stripe"

    @pytest.fixture
    def bank(self, simulator):
        return StripeBank(simulator)

    def test_one_on_a_later_page_is_found(self, counter, bank, monkeypatch):
        monkeypatch.setattr("apps.gateways.providers.stripe.PAGE_SIZE", 2)
        destination = counter.destination(bank.arrives)
        intents = [counter.pay_out(destination, amount=100) for _ in range(5)]
        made = [services.send(intent) for intent in intents]

        assert [services.look_up(intent) for intent in intents] == made

    def test_only_payouts_to_the_account_since_the_order_are_looked_through(self, counter, bank):
        told(services.send(counter.pay_out(counter.destination(bank.arrives))))
        intent = counter.pay_out(counter.destination(bank.arrives))
        mine = told(services.send(intent))
        request = thaw(intent.request)

        assert list(bank.provider.find_payouts(request)) == [mine]
        later = replace(request, ordered_at="2999-01-01T00:00:00+00:00")
        assert list(bank.provider.find_payouts(later)) == []


def test_every_registered_provider_that_pays_out_has_passed_the_contract():
    covered = {contract.provider_name for contract in PayoutContract.__subclasses__()}
    paying = {name for name in providers.names() if pays_out(name)}

    # `instant` keeps nothing and exists for a bench in test mode alone.
    assert paying - {"instant"} == covered


def pays_out(name: str) -> bool:
    return Operation.PAY_OUT in providers.get(name).capabilities
