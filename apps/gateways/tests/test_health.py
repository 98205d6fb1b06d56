"""Circuits open by what calls tell, close by the first good answer, and never stop a payment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from apps.audit.models import AuditEntry
from apps.core import ids
from apps.gateways import selectors
from apps.gateways.models import HealthTally, ProviderCircuit
from apps.gateways.services import health
from apps.gateways.types import Circuit, CircuitState, OutcomeUnknown, Tally
from apps.gateways.types.health import COOL_DOWN, WINDOW

NOW = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
CALLS = 4
GOOD, BAD = Tally(9, 1), Tally(1, 9)

closed = Circuit("stripe", "create")
opened = Circuit("stripe", "create", NOW, NOW + COOL_DOWN, NOW, BAD)


def heard(circuit: Circuit, *, is_failure: bool, seen: Tally, after: float = 0.0) -> Circuit:
    now = NOW + timedelta(seconds=after)
    return circuit.heard(is_failure=is_failure, seen=seen, now=now, calls=CALLS)


class TestACircuit:
    @pytest.mark.parametrize(
        ("before", "is_failure", "seen", "after", "state"),
        [
            (closed, True, BAD, 0, CircuitState.OPEN),
            (closed, True, Tally(2, 3), 0, CircuitState.OPEN),
            (closed, True, Tally(2, 2), 0, CircuitState.CLOSED),  # half of them is enough
            (closed, True, Tally(0, 3), 0, CircuitState.CLOSED),  # too few to say
            (closed, True, GOOD, 0, CircuitState.CLOSED),
            (closed, False, BAD, 0, CircuitState.CLOSED),
            (opened, True, BAD, 1, CircuitState.OPEN),
            (opened, False, GOOD, 1, CircuitState.OPEN),  # asked before it opened
            (opened, True, GOOD, 30, CircuitState.OPEN),  # the first one that fails
            (opened, False, BAD, 30, CircuitState.CLOSED),  # the first one that succeeds
        ],
    )
    def test_moves_by_what_is_heard(self, before, is_failure, seen, after, state):
        found = heard(before, is_failure=is_failure, seen=seen, after=after)

        assert found.state(NOW + timedelta(seconds=after)) is state

    def test_is_half_open_once_it_has_cooled_down(self):
        assert opened.state(NOW + COOL_DOWN - timedelta(microseconds=1)) is CircuitState.OPEN
        assert opened.state(NOW + COOL_DOWN) is CircuitState.HALF_OPEN

    def test_that_opens_anew_cools_down_anew(self):
        again = heard(opened, is_failure=True, seen=BAD, after=31)

        assert again.retry_at == NOW + timedelta(seconds=31) + COOL_DOWN

    @given(
        st.lists(
            st.tuples(
                st.booleans(),
                st.builds(Tally, st.integers(0, 20), st.integers(0, 20)),
                st.integers(0, 40),
            )
        )
    )
    def test_whatever_is_heard_is_open_for_no_longer_than_it_takes_to_cool_down(self, news):
        circuit, now = closed, NOW
        for is_failure, seen, seconds in news:
            now += timedelta(seconds=seconds)
            before = circuit
            circuit = circuit.heard(is_failure=is_failure, seen=seen, now=now, calls=CALLS)

            assert (circuit.opened_at is None) == (circuit.retry_at is None)
            if circuit.state(now) is CircuitState.OPEN:
                assert circuit.retry_at <= now + COOL_DOWN
            if circuit != before and circuit.retry_at is not None:
                assert is_failure
                assert circuit.retry_at == now + COOL_DOWN
            assert circuit.state(now + COOL_DOWN) is not CircuitState.OPEN


class TestWhatCounts:
    @pytest.mark.parametrize(
        ("reason", "is_ill"),
        [
            *((reason, True) for reason in ("not_sent", "timeout", "connection_lost")),
            *((reason, True) for reason in ("provider_error", "provider_unavailable")),
            ("malformed_answer", True),
            *((reason, False) for reason in ("rate_limited", "not_authenticated", "key_reused")),
            *((reason, False) for reason in ("in_progress", "unexpected_state", "processing")),
        ],
    )
    def test_is_what_says_something_of_the_provider_and_not_of_us(self, reason, is_ill):
        assert OutcomeUnknown(reason).is_ill is is_ill


@pytest.fixture
def counting(settings: Any, transactional_db: None) -> None:
    settings.PAYSYS_CIRCUIT_CALLS = CALLS
    health.unwritten.forget()


def note(*, is_failure: bool, seconds: float = 0.0, times: int = 1) -> None:
    for _ in range(times):
        health.note(
            provider="stripe",
            operation="create",
            is_failure=is_failure,
            now=NOW + timedelta(seconds=seconds),
        )


def state(seconds: float = 0.0) -> CircuitState:
    circuit = selectors.circuit_of(provider="stripe", operation="create")
    return circuit.state(NOW + timedelta(seconds=seconds))


@pytest.mark.usefixtures("counting")
class TestNoting:
    def test_opens_after_so_many_failures_and_closes_by_the_first_success(self):
        note(is_failure=True, times=CALLS - 1)
        assert state() is CircuitState.CLOSED
        note(is_failure=True)
        assert state() is CircuitState.OPEN
        note(is_failure=False, seconds=10)
        assert state(10) is CircuitState.OPEN

        note(is_failure=False, seconds=31)

        assert state(31) is CircuitState.CLOSED
        trail = AuditEntry.objects.filter(subject_kind="circuit").order_by("id")
        assert [entry.action for entry in trail] == ["circuit.opened", "circuit.closed"]
        assert (trail[0].facts["succeeded"], trail[0].facts["failed"]) == (0, CALLS)

    def test_forgets_what_is_older_than_the_window(self):
        note(is_failure=True, times=CALLS - 1)
        note(is_failure=True, seconds=WINDOW.total_seconds() + 10)

        assert state(80) is CircuitState.CLOSED

    def test_counts_only_what_came_after_it_had_closed(self):
        note(is_failure=True, times=CALLS)
        note(is_failure=False, seconds=31)
        note(is_failure=True, seconds=36)

        assert state(36) is CircuitState.CLOSED

    def test_writes_successes_together_and_a_failure_at_once(self, monkeypatch):
        note(is_failure=False, times=50)
        assert not HealthTally.objects.exists()
        note(is_failure=True)

        tally = selectors.tally_of(provider="stripe", operation="create", now=NOW, since=None)
        assert (tally.succeeded, tally.failed) == (50, 1)
        assert state() is CircuitState.CLOSED
        monkeypatch.setattr(health, "WRITE_SECONDS", 0.0)
        note(is_failure=False)
        tally = selectors.tally_of(provider="stripe", operation="create", now=NOW, since=None)
        assert tally.succeeded == 51

    def test_keeps_no_more_than_two_minutes_of_rows(self):
        for minute in range(10):
            note(is_failure=True, seconds=minute * 60)

        assert HealthTally.objects.count() == 2
        assert HealthTally.objects.get(slot=0).failed == 1

    def test_is_of_one_operation_of_one_provider(self):
        note(is_failure=True, times=CALLS)

        for provider, operation in (("stripe", "refund"), ("paypal", "create")):
            circuit = selectors.circuit_of(provider=provider, operation=operation)
            assert circuit.state(NOW) is CircuitState.CLOSED

    def test_that_the_database_refuses_is_forgotten(self, monkeypatch):
        def away(*_: Any) -> None:
            raise OperationalError("the database is away")

        monkeypatch.setattr(health, "_write", away)
        note(is_failure=True)

        assert not ProviderCircuit.objects.exists()

    def test_does_not_wait_for_who_holds_its_rows(self, transactional_db):
        note(is_failure=True, times=CALLS)
        other = connection.copy()
        with other.cursor() as cursor:
            cursor.execute("BEGIN; SELECT * FROM gateways_health_tally FOR UPDATE")
        try:
            note(is_failure=True)
        finally:
            other.close()
        tally = selectors.tally_of(provider="stripe", operation="create", now=NOW, since=None)
        assert tally.failed == CALLS

    def test_costs_nothing_where_it_is_switched_off(self, settings, django_assert_num_queries):
        settings.PAYSYS_CIRCUIT_CALLS = 0

        with django_assert_num_queries(0):
            note(is_failure=True, times=CALLS)
            assert state() is CircuitState.CLOSED


@pytest.mark.usefixtures("counting")
class TestANewPayment:
    def shunned(self, seconds: float) -> int:
        """Of two hundred payments, how many should go elsewhere."""
        now = NOW + timedelta(seconds=seconds)
        found = [
            selectors.shunned(("paypal", "stripe"), payment_id=ids.new_id(), now=now)
            for _ in range(200)
        ]
        return sum("stripe" in each for each in found)

    def test_goes_elsewhere_while_the_circuit_is_open_and_a_tenth_tries_it_afterwards(self):
        assert self.shunned(0) == 0
        note(is_failure=True, times=CALLS)

        assert self.shunned(1) == 200
        assert 160 <= self.shunned(31) < 200
        note(is_failure=False, seconds=31)
        assert self.shunned(32) == 0

    def test_is_told_why(self):
        note(is_failure=True, times=CALLS)

        found = selectors.shunned(("stripe",), payment_id=ids.new_id(), now=NOW)

        assert found == {"stripe": "its circuit for create is open (0 of 4 calls succeeded)"}


@pytest.mark.usefixtures("counting")
class TestTheConsole:
    def test_shows_circuits_and_how_calls_ended(self, client):
        client.force_login(get_user_model().objects.create_superuser("root", password="x"))
        note(is_failure=True, times=CALLS)

        circuits = client.get(reverse("admin:gateways_providercircuit_changelist")).content
        tallies = client.get(reverse("admin:gateways_healthtally_changelist")).content

        assert b"HALF_OPEN" in circuits
        assert b"0 of 4 calls succeeded" in circuits
        assert b"create" in tallies
