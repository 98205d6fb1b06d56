"""Noting how calls ended, and moving circuits by it.

Only what says something of a provider's health counts against it: no connection, no answer in time,
an error of its own. What it refuses, it has answered.

A process counts by itself and writes a sum every few seconds; a failure is written at once. All of
it is done after the call and outside of every commit of the payment, and whatever goes wrong with
it is logged and forgotten: it is a hint, and no payment may wait or fail for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import structlog
from django.conf import settings
from django.db import Error, connection, transaction

from apps.audit import services as audit
from apps.core import db, ids
from apps.gateways.models import ProviderCircuit
from apps.gateways.selectors import health
from apps.gateways.types import Circuit, CircuitState, Tally
from apps.ledger.chart import PLATFORM_BOOK

WRITE_SECONDS: Final = 5.0
BUCKET_SECONDS: Final = 10
BUCKETS: Final = 12  # two minutes; a bucket is used again after them, so the table never grows

log = structlog.get_logger(__name__)

_ADD = """
INSERT INTO gateways_health_tally AS t
    (id, provider, operation, slot, started_at, succeeded, failed)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (provider, operation, slot) DO UPDATE SET
    started_at = excluded.started_at,
    succeeded = excluded.succeeded + CASE WHEN t.started_at = excluded.started_at
                                          THEN t.succeeded ELSE 0 END,
    failed = excluded.failed + CASE WHEN t.started_at = excluded.started_at
                                    THEN t.failed ELSE 0 END
WHERE t.started_at <= excluded.started_at
"""


class _Unwritten:
    """What this process has counted since it wrote last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tallies: dict[tuple[str, str], tuple[Tally, float]] = {}

    def add(self, key: tuple[str, str], *, is_failure: bool, at_once: bool) -> Tally | None:
        """Count one call; what is to be written now, if it is time."""
        moment = time.monotonic()
        with self._lock:
            tally, since = self._tallies.get(key, (Tally(), moment))
            tally = Tally(tally.succeeded + (not is_failure), tally.failed + is_failure)
            if not at_once and moment - since < WRITE_SECONDS:
                self._tallies[key] = tally, since
                return None
            self._tallies[key] = Tally(), moment
            return tally

    def forget(self) -> None:
        with self._lock:
            self._tallies.clear()


unwritten: Final = _Unwritten()


def note(*, provider: str, operation: str, is_failure: bool, now: datetime) -> None:
    """Count how a call ended. No transaction may be open. Never raises what the database does."""
    if not settings.PAYSYS_CIRCUIT_CALLS:
        return
    assert not db.is_open(), "health is noted outside of every commit"
    try:
        circuit = health.circuit_of(provider=provider, operation=operation)
        moves = is_failure or circuit.state(now) is CircuitState.HALF_OPEN
        tally = unwritten.add((provider, operation), is_failure=is_failure, at_once=moves)
        if tally is not None:
            with transaction.atomic():
                _write(provider, operation, tally, now)
                if moves:
                    _move(provider, operation, is_failure=is_failure, now=now)
    except Error as error:
        log.warning("gateways.health_not_noted", error=type(error).__name__)


def _write(provider: str, operation: str, tally: Tally, now: datetime) -> None:
    bucket = int(now.timestamp()) // BUCKET_SECONDS
    started_at = datetime.fromtimestamp(bucket * BUCKET_SECONDS, UTC)
    place = (ids.new_id(), provider, operation, bucket % BUCKETS, started_at)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '200ms'")
        cursor.execute(_ADD, (*place, tally.succeeded, tally.failed))


def _move(provider: str, operation: str, *, is_failure: bool, now: datetime) -> None:
    """Open or close the circuit, if it is time; of several at once, one does."""
    rows = ProviderCircuit.objects.select_for_update()
    row = rows.filter(provider=provider, operation=operation).first()
    before = row.as_circuit() if row else Circuit(provider, operation)
    since = before.changed_at if before.retry_at is None else None
    seen = health.tally_of(provider=provider, operation=operation, now=now, since=since)
    after = before.heard(
        is_failure=is_failure, seen=seen, now=now, calls=settings.PAYSYS_CIRCUIT_CALLS
    )
    if after == before:
        return
    written = ProviderCircuit.from_circuit(after, id=row.id if row else ids.new_id())
    written.save(force_insert=row is None, force_update=row is not None)
    _tell(written, after, now)
    db.on_commit(health.circuits.forget_all)


def _tell(row: ProviderCircuit, circuit: Circuit, now: datetime) -> None:
    what = "opened" if circuit.opened_at else "closed"
    facts: Mapping[str, str | int] = {
        "provider": circuit.provider,
        "operation": circuit.operation,
        "succeeded": circuit.seen.succeeded,
        "failed": circuit.seen.failed,
    }
    log.warning(f"gateways.circuit_{what}", **facts)
    audit.record(
        book_id=PLATFORM_BOOK,
        actor="system",
        action=f"circuit.{what}",
        subject_id=row.id,
        subject_kind="circuit",
        facts=facts,
        now=now,
    )
