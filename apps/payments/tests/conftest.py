"""A merchant, its key, the simulator behind the real Stripe adapter, and a client that speaks JSON.

Tests of payments need real commits: they are all `transaction=True`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections
from django.test import Client

from apps.core import clock, ids
from apps.core.ids import new_id
from apps.core.money import Money
from apps.gateways import providers
from apps.gateways.providers.paypal import PayPal
from apps.gateways.providers.stripe import Stripe
from apps.ledger import selectors as ledger
from apps.merchants import services as merchants
from apps.payments import selectors
from apps.payments.models import Payment, Refund
from apps.sagas import selectors as sagas
from apps.sagas import services as engine
from apps.sagas.models import Run
from paysys.testing.paypal import PayPalSimulator
from paysys.testing.simulator import Simulator


@pytest.fixture(autouse=True)
def database(transactional_db: None) -> None:
    """Real commits for every test here."""


@pytest.fixture(autouse=True)
def stripe_is_simulated(simulator: Simulator) -> Iterator[None]:
    stripe = Stripe(
        api_key=Simulator.api_key,
        api_base=simulator.url,
        webhook_secrets=[Simulator.webhook_secret],
        read_seconds=5.0,  # nothing here takes that long, on however busy a machine
    )
    with providers.using("stripe", stripe):
        yield


@pytest.fixture
def paypal(simulator: Simulator) -> Iterator[PayPalSimulator]:
    """The real adapter, in front of the simulator's PayPal."""
    personality = simulator.paypal
    ours = PayPal(
        client_id=personality.client_id,
        client_secret=personality.client_secret,
        api_base=personality.url,
        webhook_id=personality.webhook_id,
    )
    with providers.using("paypal", ours):
        yield personality


@dataclass
class Merchant:
    """A merchant with a fee plan of 3 % (percentage back on refund), and its books."""

    book_id: UUID
    api_key: str

    @property
    def public_id(self) -> str:
        return ids.encode("merchant", self.book_id)

    def balance(self, code: str, currency: str = "USD") -> Money:
        return ledger.balance(book_id=self.book_id, code=code, currency=currency)

    def post(self, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> Any:
        return Client().post(
            path,
            json.dumps({} if body is None else body),
            content_type="application/json",
            headers={
                "Authorization": f"Bearer {self.api_key}",
                "Idempotency-Key": uuid4().hex if key is None else key,
                **headers,
            },
        )

    def get(self, path: str) -> Any:
        return Client().get(path, headers={"Authorization": f"Bearer {self.api_key}"})

    def pay(self, amount: int = 10_000, source: str = "pm_card_visa", **more: Any) -> Any:
        body = {"amount": amount, "currency": "USD", "source": source, **more}
        return self.post("/v1/payments", body)

    def captured(self, amount: int = 10_000, source: str = "pm_card_visa") -> str:
        """The public id of a payment that has been captured and credited."""
        answer = self.pay(amount, source)
        assert answer.status_code == 201, answer.content
        finish_runs()
        return str(answer.json()["id"])

    def set_plan(
        self,
        *,
        basis_points: int = 300,
        fixed: str = "0.00",
        method: str = "card",
        **returns: bool,
    ) -> None:
        """What payments in USD cost from now on."""
        now = clock.now()
        merchants.set_fee_plan(
            book_id=self.book_id,
            method=method,
            currency="USD",
            basis_points=basis_points,
            fixed=Money(fixed, "USD"),
            valid_from=now,
            actor="system",
            now=now,
            **returns,
        )

    def payment(self, public_id: str) -> Payment:
        return selectors.get(self.book_id, ids.decode("pay", public_id))

    def refund(self, public_id: str) -> Refund:
        return selectors.get_refund(self.book_id, ids.decode("re", public_id))

    def charge_run(self, public_id: str) -> Run:
        run = selectors.find_charge_run(self.payment(public_id))
        assert run is not None
        return run


def make_merchant() -> Merchant:
    book_id, now = new_id(), clock.now()
    merchants.onboard(
        id=book_id,
        name="Copper Kettle",
        country="US",
        default_currency="USD",
        basis_points=300,
        actor="system",
        now=now - timedelta(days=1),
    )
    _, api_key = merchants.issue_key(book_id=book_id, name="test", actor="system", now=now)
    return Merchant(book_id, api_key)


@pytest.fixture
def merchant() -> Merchant:
    return make_merchant()


@pytest.fixture
def other_merchant() -> Merchant:
    return make_merchant()


def make_due(run: Run) -> None:
    """As if time had passed: the run's date has come and nobody holds it."""
    Run.objects.filter(id=run.id).exclude(next_run_at=None).update(
        next_run_at=clock.now(), lease_until=None
    )


def finish_runs(limit: int = 20) -> None:
    """What Celery and the sweeper do: work on whatever is due, until nothing is."""
    for _ in range(limit):
        if not engine.sweep():
            return
    raise AssertionError("runs are still due")


def count_unresolved() -> int:
    return sagas.count_unresolved()


@pytest.fixture(autouse=True)
def pool_connections_are_closed() -> Iterator[None]:
    """The web process's pool threads keep connections; the test database must end alone."""
    yield
    connections.close_all()
