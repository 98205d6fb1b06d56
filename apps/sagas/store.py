"""The writes of the engine: start, lease, save, let go. Every one is a single statement."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from apps.core import db, ids
from apps.sagas.definition import Observation, Outcome, Saga, known
from apps.sagas.models import Run
from apps.sagas.types import ENDED, OPEN, Status

LEASE_SECONDS = 25.0  # decision 25

_INSERT = """
INSERT INTO sagas_run (id, book_id, saga, definition_version, subject_id, current_step,
    completed_steps, status, waiting_for, attempts, look_ups, generation, next_run_at, nudges,
    lease_until, fence, results, abort, last_error, created_at, updated_at)
VALUES (%s, %s, %s, %s, %s, %s, %s::varchar[], %s, %s, 0, 0, %s, %s, 0,
    clock_timestamp() + make_interval(secs => %s), 1, '{}'::jsonb, NULL, '', %s, %s)
"""

_LEASE = """
UPDATE sagas_run
SET fence = fence + 1, lease_until = clock_timestamp() + make_interval(secs => %s)
WHERE id = %s AND status IN ('IN_PROGRESS', 'WAITING', 'COMPENSATING') AND next_run_at <= %s
  AND (lease_until IS NULL OR lease_until < clock_timestamp())
  AND saga || ':' || definition_version = ANY(%s)
RETURNING id
"""

# A nudge that came while the holder worked makes the run due at once.
_SAVE = """
UPDATE sagas_run
SET current_step = %s, completed_steps = %s::varchar[], status = %s, waiting_for = %s,
    attempts = %s, look_ups = %s, generation = %s,
    next_run_at = CASE WHEN nudges > %s THEN least(%s::timestamptz, %s::timestamptz)
                       ELSE %s::timestamptz END,
    lease_until = clock_timestamp() + make_interval(secs => %s),
    results = %s::jsonb, abort = %s::jsonb, last_error = %s, updated_at = %s,
    fence = core_same(fence, %s, %s)
WHERE id = %s AND book_id = %s
"""

# The same, for the commits between two calls, where little of it changes.
_HOLD = """
UPDATE sagas_run
SET current_step = %s, completed_steps = %s::varchar[], results = %s::jsonb, updated_at = %s,
    lease_until = clock_timestamp() + make_interval(secs => %s), fence = core_same(fence, %s, %s)
WHERE id = %s AND book_id = %s
"""

LEASE_LOST = "sagas: the lease was lost"


def new(*, saga: Saga, book_id: UUID, subject_id: UUID, now: datetime, generation: int = 1) -> Run:
    """A run at its first step, leased to whoever starts it; see `insert`."""
    return Run(
        id=ids.new_id(),
        book_id=book_id,
        saga=saga.name,
        definition_version=saga.version,
        subject_id=subject_id,
        current_step=saga.steps[0].name,
        generation=generation,
        next_run_at=now,
        fence=1,
        created_at=now,
        updated_at=now,
    )


def insert(run: Run, *, hold_seconds: float | None) -> None:
    """Add a new run to the caller's transaction; without `hold_seconds` nobody holds it."""
    if run.status in ENDED:
        run.next_run_at = None
    db.write(
        _INSERT,
        (
            *(run.id, run.book_id, run.saga, run.definition_version, run.subject_id),
            *(run.current_step, run.completed_steps, run.status, run.waiting_for),
            *(run.generation, run.next_run_at, hold_seconds, run.created_at, run.updated_at),
        ),
    )
    run.remember()


def lease(*, run_id: UUID, now: datetime, seconds: float = LEASE_SECONDS) -> Run | None:
    """Take the run for ourselves, or None.

    None: it is not due, has ended, somebody else holds it, or its definition is not known here.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LEASE, (seconds, run_id, now, known()))
        taken = cursor.fetchone()
    return Run.objects.get(id=run_id) if taken else None


def lock(run_id: UUID) -> Run:
    """The run as it stands, once whoever is about to commit something of it has done so.

    A connection that is lost at COMMIT says nothing of its backend, which may still be at it: what
    is read without waiting for that is old, and written back it undoes a commit of our own fence.
    Transaction: the caller's `atomic`; the run stays locked until its commit.
    """
    return Run.objects.select_for_update().get(id=run_id)


def save(run: Run, *, now: datetime, hold_seconds: float | None) -> None:
    """Write the run's position, guarded by the fence; without `hold_seconds` the lease is let go.

    :raises db.GuardFailed: (when sent) somebody else has the lease now.
    """
    results = json.dumps(run.results, separators=(",", ":"))
    guard = (run.fence, LEASE_LOST, run.id, run.book_id)
    if hold_seconds is not None and run.is_unchanged:
        position = (run.current_step, run.completed_steps, results, now, hold_seconds)
        db.write(_HOLD, (*position, *guard))
        return
    if run.status in (*ENDED, Status.NEEDS_ATTENTION):
        run.next_run_at = None
    due, nudged_due = run.next_run_at, run.next_run_at and now
    db.write(
        _SAVE,
        (
            *(run.current_step, run.completed_steps, run.status, run.waiting_for),
            *(run.attempts, run.look_ups, run.generation, run.nudges, due, nudged_due, due),
            *(hold_seconds, results, json.dumps(run.abort) if run.abort else None),
            *(_plain(run.last_error)[:300], now, *guard),
        ),
    )
    run.remember()


def nudge(*, run_id: UUID, now: datetime, must_wait: bool = False) -> None:
    """Make an open run due now; it carries nothing, and a run that has ended ignores it."""
    db.write(
        "UPDATE sagas_run SET nudges = nudges + 1, next_run_at = least(next_run_at, %s) "
        "WHERE id = %s AND status = ANY(%s)"
        " AND (lease_until IS NULL OR lease_until < clock_timestamp() OR NOT %s)",
        (now, run_id, [str(status) for status in OPEN], must_wait),
        expect=1 if must_wait else None,
        what="sagas: somebody works on the run",
    )


def keep_result(run: Run, step: str, call: str, observation: Observation) -> None:
    """Remember what a call told us, for the steps that follow and for whoever takes over."""
    run.results.setdefault(step, {})[call] = {
        "outcome": observation.outcome,
        "result": observation.result,
        "code": observation.code,
        "message": observation.message,
        "provider_reference": observation.provider_reference,
    }


def kept_results(run: Run, step: str) -> dict[str, Observation]:
    """What the calls of one step told us so far, by name of the call."""
    return {call: _observation(kept) for call, kept in run.results.get(step, {}).items()}


def _plain(text: str) -> str:
    """Any text, as PostgreSQL takes it: an error's words must not keep it from being noted."""
    return text.replace("\x00", "").encode(errors="backslashreplace").decode()


def _observation(kept: dict[str, Any]) -> Observation:
    return Observation(**{**kept, "outcome": Outcome(kept["outcome"])})
