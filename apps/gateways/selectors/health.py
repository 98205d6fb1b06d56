"""How well providers do, as far as anybody knows. Hints: nothing here says what became of a call.

With `PAYSYS_CIRCUIT_CALLS` at 0 nothing is noted, and every circuit is closed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db.models import Sum

from apps.core.memory import Remembered
from apps.gateways.models import HealthTally, ProviderCircuit
from apps.gateways.types import Circuit, CircuitState, Operation, Tally, drawn
from apps.gateways.types.health import WINDOW

CIRCUITS_SECONDS: Final = 3.0
# What a new payment needs before its answer.
NEEDED: Final = (Operation.CREATE, Operation.CONFIRM)
# Of a hundred payments that could go elsewhere, so many try a provider whose circuit is half-open.
PROBES: Final = 10
_PROBE: Final = UUID(int=0)

Circuits = dict[tuple[str, str], Circuit]


def circuit_of(*, provider: str, operation: str) -> Circuit:
    """The circuit as it was known here within the last three seconds."""
    known = (circuits.get(None) or {}) if settings.PAYSYS_CIRCUIT_CALLS else {}
    return known.get((provider, operation)) or Circuit(provider, operation)


def opens_at(*, provider: str, operation: str, now: datetime) -> datetime | None:
    """When a call is worth making again, while it is not; else None."""
    circuit = circuit_of(provider=provider, operation=operation)
    return circuit.retry_at if circuit.state(now) is CircuitState.OPEN else None


def shunned(providers: tuple[str, ...], *, payment_id: UUID, now: datetime) -> dict[str, str]:
    """The providers that a new payment should not go to if it can go elsewhere, and why.

    One that is being tried again takes a tenth of them, by the payment's id.
    """
    found = {}
    for provider in providers:
        for operation in NEEDED:
            circuit = circuit_of(provider=provider, operation=operation)
            state = circuit.state(now)
            if state is CircuitState.OPEN:
                found[provider] = f"its circuit for {operation} is open ({circuit.seen})"
            elif state is CircuitState.HALF_OPEN and drawn(payment_id, _PROBE) >= PROBES:
                found[provider] = f"its circuit for {operation} is half-open, others try it"
    return found


def tally_of(*, provider: str, operation: str, now: datetime, since: datetime | None) -> Tally:
    """The calls of the last minute, of those that began after the circuit changed last."""
    rows = HealthTally.objects.filter(
        provider=provider, operation=operation, started_at__gt=now - WINDOW, started_at__lte=now
    )
    if since is not None:
        rows = rows.filter(started_at__gte=since)
    sums = rows.aggregate(succeeded=Sum("succeeded"), failed=Sum("failed"))
    return Tally(sums["succeeded"] or 0, sums["failed"] or 0)


def _load(_: None) -> Circuits:
    rows = [row.as_circuit() for row in ProviderCircuit.objects.all()]
    return {(circuit.provider, circuit.operation): circuit for circuit in rows}


circuits: Remembered[None, Circuits] = Remembered(_load, CIRCUITS_SECONDS)
