"""Reading events."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from apps.core.errors import NotFound
from apps.core.types import Invariant
from apps.notifications.models import Event


def list_events(*, book_id: UUID, kind: str | None = None) -> QuerySet[Event]:
    """A merchant's events; `kind` keeps one kind (`payment.captured`)."""
    events = Event.objects.filter(book_id=book_id)
    return events if kind is None else events.filter(kind=kind)


def list_of_subject(*, book_id: UUID, subject_id: UUID) -> QuerySet[Event]:
    """One object's events in their own order."""
    return Event.objects.filter(book_id=book_id, subject_id=subject_id).order_by("sequence")


def get(*, book_id: UUID, id: UUID) -> Event:  # noqa: A002
    """One event.

    :raises NotFound: no such event, or another merchant's.
    """
    event = Event.objects.filter(book_id=book_id, id=id).first()
    if event is None:
        raise NotFound("No such event.")
    return event


INVARIANTS: tuple[Invariant, ...] = ()  # uniqueness is the table's; order is the publishers'
