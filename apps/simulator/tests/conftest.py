import http.client
import json
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest
import stripe


@pytest.fixture
def client(simulator):
    """Stripe's own client, pointed at the simulator; no hidden retries."""
    return client_of(simulator)


def client_of(simulator):
    return stripe.StripeClient(
        simulator.api_key, base_addresses={"api": simulator.url}, max_network_retries=0
    )


@dataclass
class Answer:
    status: int
    headers: dict
    raw: bytes

    @property
    def json(self):
        return json.loads(self.raw)


@pytest.fixture
def wire(simulator):
    """Bare HTTP: what is really on the wire."""
    return wire_to(simulator)


def wire_to(simulator):
    def ask(method, path, fields=None, *, key="sk_test_x", **headers):
        line = http.client.HTTPConnection(simulator.url.removeprefix("http://"), timeout=10)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key:
            sent["Authorization"] = f"Bearer {key}"
        line.request(method, path, urlencode(fields or {}), sent)
        answer = line.getresponse()
        found = Answer(answer.status, dict(answer.headers), answer.read())
        line.close()
        return found

    return ask


class Shop:
    """Makes payment intents for a card, as the house makes them."""

    def __init__(self, client):
        self.client = client

    def make(self, card="pm_card_visa", *, confirm=True, options=None, **params):
        given = {
            "amount": 1000, "currency": "eur", "capture_method": "manual",
            "allowed_payment_method_types": ["card"],
        } | params  # fmt: skip
        intent = self.client.v1.payment_intents.create(given)
        if not confirm:
            return intent
        return self.client.v1.payment_intents.confirm(
            intent.id, {"payment_method": card} | (options or {})
        )

    def paid(self, card="pm_card_visa", **params):
        """A captured payment."""
        return self.client.v1.payment_intents.capture(self.make(card, **params).id)


@pytest.fixture
def make(client):
    return Shop(client).make


@pytest.fixture
def paid(client):
    return Shop(client).paid
