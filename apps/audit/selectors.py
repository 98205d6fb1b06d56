"""Reading the trail."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from apps.audit.models import AuditEntry
from apps.core.types import Invariant


def list_entries(*, book_id: UUID, subject_id: UUID) -> QuerySet[AuditEntry]:
    """What happened to one object, oldest first."""
    return AuditEntry.objects.filter(book_id=book_id, subject_id=subject_id).order_by("id")


INVARIANTS: tuple[Invariant, ...] = ()  # that each change has its row is its app's to say
