"""Looking at runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core import ids
from apps.core.types import Invariant
from apps.sagas.definition import known
from apps.sagas.models import Run
from apps.sagas.types import OPEN, Status


def get(run_id: UUID) -> Run:
    return Run.objects.get(id=run_id)


def find(*, book_id: UUID, saga: str, subject_id: UUID) -> Run | None:
    """The newest run of a subject, or None."""
    runs = Run.objects.filter(book_id=book_id, saga=saga, subject_id=subject_id)
    return runs.order_by("-id").first()


def list_due(*, now: datetime, limit: int) -> list[UUID]:
    """Runs of known sagas whose time has come and that nobody holds, the longest overdue first."""
    due = Run.objects.filter(status__in=OPEN, next_run_at__lte=now)
    free = due.extra(where=["lease_until IS NULL OR lease_until < clock_timestamp()"])
    free = free.extra(where=["saga || ':' || definition_version = ANY(%s)"], params=[known()])
    return list(free.order_by("next_run_at").values_list("id", flat=True)[:limit])


def count_unresolved() -> int:
    """Runs that are neither ended nor waiting for somebody outside."""
    return Run.objects.filter(
        status__in=(Status.IN_PROGRESS, Status.COMPENSATING, Status.NEEDS_ATTENTION)
    ).count()


def public(run: Run, *, subject: str) -> dict[str, Any]:
    """A run as the API shows it; `subject` is the public id of what it is about."""
    return {
        "saga_id": ids.encode("saga", run.id),
        "payment_id": subject,
        "current_step": run.current_step,
        "completed_steps": list(run.completed_steps),
        "status": run.status,
    }


INVARIANTS = (
    Invariant(
        name="sagas: every open run has a date",
        sql="SELECT id, saga, status FROM sagas_run "
        "WHERE status IN ('IN_PROGRESS', 'WAITING', 'COMPENSATING') AND next_run_at IS NULL",
        says="no run without a future next_run_at or a person",
    ),
    Invariant(
        name="sagas: an ended run holds no lease and waits for nothing",
        sql="SELECT id, saga, status FROM sagas_run WHERE status IN ('COMPLETED', 'COMPENSATED') "
        "AND (lease_until IS NOT NULL OR next_run_at IS NOT NULL OR waiting_for <> '')",
        says="an ended run is left alone",
    ),
    Invariant(
        name="sagas: an undone run says why",
        sql="SELECT id, saga FROM sagas_run "
        "WHERE status IN ('COMPENSATING', 'COMPENSATED') AND abort IS NULL",
        says="a run is undone only for a business reason, which it keeps",
    ),
)
