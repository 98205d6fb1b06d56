"""The bug that fallbacks must never have is seen: by the database, and by what looks at the books.

The soak's mutant sends a payment on whose confirmation has no answer. It is planted here in the
test's own process, once with the guards that would stop it, and once without them.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import pytest
from django.db import connection

from apps.gateways import selectors as gateways
from apps.payments.tests import truth
from apps.payments.tests.cards import nobody_hurries, saved_card
from apps.payments.tests.conftest import Merchant
from apps.payments.tests.test_fallback import assert_charged_once, creates
from apps.sagas.engine import Turn
from paysys.testing.paypal import PayPalSimulator
from paysys.testing.simulator import Simulator

__all__ = ["nobody_hurries"]
INDEX, TRIGGER = "gateways_provider_call_one_object", "gateways_provider_call_promise"


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the mutant changes is as it was after the test."""
    monkeypatch.setattr(Turn, "_record", Turn._record)
    monkeypatch.setattr(gateways, "is_nowhere", gateways.is_nowhere)
    import_module("paysys.soak.mutants").MUTANTS["fallback_on_timeout"].plant()


@pytest.fixture
def unguarded(database: None) -> Iterator[None]:
    """Without the index and the trigger, as the soak takes them away."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_indexdef(%s::regclass)", [INDEX])
        (index,) = cursor.fetchone()
        cursor.execute("SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = %s", [TRIGGER])
        (trigger,) = cursor.fetchone()
        for statement in import_module("paysys.soak.mutants").MUTANTS["fallback_on_timeout"].sql:
            cursor.execute(statement)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute("DELETE FROM gateways_provider_call")
            cursor.execute("SET session_replication_role = origin")
            cursor.execute(index)
            cursor.execute(trigger)


@pytest.mark.usefixtures("planted")
def test_the_database_refuses_a_fallback_on_a_timeout(
    merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator
) -> None:
    simulator.fault("confirm", "timeout_after")
    payment_id = merchant.pay(10_000, saved_card(merchant)).json()["id"]
    truth.finish_everything()

    assert_charged_once(merchant, simulator, paypal, payment_id, "stripe")
    assert paypal.book() == []


@pytest.mark.usefixtures("unguarded", "planted")
def test_without_it_a_fallback_on_a_timeout_is_seen_in_the_books(
    merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator
) -> None:
    simulator.fault("confirm", "timeout_after")
    payment_id = merchant.pay(10_000, saved_card(merchant)).json()["id"]
    truth.finish_everything()

    assert creates() == ["stripe SUCCEEDED", "paypal SUCCEEDED"]
    assert simulator.effects(payment_id)["charges"] == 1, "held at Stripe"
    assert paypal.effects(payment_id)["captures"] == 1, "and taken at PayPal"
    assert set(truth.violations()) == {"gateways.one_provider_per_payment"}
