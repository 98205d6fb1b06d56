"""Reading events, and what became of telling them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet

from apps.core.errors import NotFound
from apps.notifications.invariants import INVARIANTS
from apps.notifications.models import (
    Delivery,
    DeliveryAttempt,
    Event,
    WebhookEndpoint,
    WebhookSecret,
)
from apps.notifications.types import EndpointStatus

__all__ = [
    "INVARIANTS",
    "find_secret",
    "get",
    "get_delivery",
    "get_endpoint",
    "known_to_have_notes",
    "list_attempts",
    "list_books_with_news",
    "list_deliveries",
    "list_due",
    "list_endpoints",
    "list_events",
    "list_live_secrets",
    "list_of_subject",
    "register_notes",
    "with_notes",
]

ATTEMPT_LIMIT = 100

# What merchants wrote about the subjects of one kind: of a book and ids, each one's fields.
FindNotes = Callable[[UUID, Collection[UUID]], Mapping[UUID, Mapping[str, Any]]]
_notes: dict[str, FindNotes] = {}

# From one book to the next along the key, however many events each of them has waiting.
_BOOKS_WITH_NEWS = """
WITH RECURSIVE books AS (
    (SELECT book_id FROM notifications_outbox WHERE book_id > %s ORDER BY book_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT o.book_id FROM notifications_outbox o WHERE o.book_id > b.book_id
        ORDER BY o.book_id LIMIT 1)
    FROM books b WHERE b.book_id IS NOT NULL
)
SELECT book_id FROM books WHERE book_id IS NOT NULL LIMIT %s"""


def register_notes(kind: str, find: FindNotes) -> None:
    """Say where the notes on the subjects of a kind stand; called once, when the app starts.

    An event is written once and for good, so it keeps no text that may have to be forgotten.
    """
    _notes[kind] = find


def known_to_have_notes() -> list[str]:
    """The kinds of subjects with notes."""
    return sorted(_notes)


def with_notes(events: Collection[Event]) -> None:
    """Put into the payloads what merchants wrote about their subjects, as far as it still stands.

    A query per kind of subject.
    """
    wanted: dict[tuple[str, UUID], list[Event]] = defaultdict(list)
    for event in events:
        if event.subject_kind in _notes:
            wanted[event.subject_kind, event.book_id].append(event)
    for (kind, book_id), told in wanted.items():
        found = _notes[kind](book_id, {event.subject_id for event in told})
        for event in told:
            event.payload = {**event.payload, **found.get(event.subject_id, {})}


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


# --- webhooks: what their merchant sees -----------------------------------------------------------


def list_endpoints(*, book_id: UUID) -> QuerySet[WebhookEndpoint]:
    """A merchant's endpoints, without those that were deleted."""
    return WebhookEndpoint.objects.filter(book_id=book_id).exclude(
        status=EndpointStatus.DELETED.value
    )


def get_endpoint(*, book_id: UUID, id: UUID) -> WebhookEndpoint:  # noqa: A002
    """One endpoint.

    :raises NotFound: no such endpoint, a deleted one, or another merchant's.
    """
    endpoint = list_endpoints(book_id=book_id).filter(id=id).first()
    if endpoint is None:
        raise NotFound("No such webhook endpoint.")
    return endpoint


def find_secret(*, book_id: UUID, endpoint_id: UUID, id: UUID) -> str | None:  # noqa: A002
    """The secret that the request of this id made, if it is not forgotten."""
    found = WebhookSecret.objects.filter(book_id=book_id, endpoint_id=endpoint_id, id=id).first()
    return found.plain if found else None


def list_deliveries(
    *,
    book_id: UUID,
    endpoint_id: UUID,
    status: str | None = None,
    event_id: UUID | None = None,
) -> QuerySet[Delivery]:
    """An endpoint's deliveries with their events; only of a status, or of an event, if named."""
    found = Delivery.objects.filter(book_id=book_id, endpoint_id=endpoint_id)
    if status is not None:
        found = found.filter(status=status)
    if event_id is not None:
        found = found.filter(event_id=event_id)
    return found.select_related("event")


def get_delivery(*, book_id: UUID, endpoint_id: UUID, id: UUID) -> Delivery:  # noqa: A002
    """One delivery with its event.

    :raises NotFound: this endpoint has no such delivery.
    """
    found = list_deliveries(book_id=book_id, endpoint_id=endpoint_id).filter(id=id).first()
    if found is None:
        raise NotFound("No such delivery.")
    return found


def list_attempts(*, book_id: UUID, delivery_id: UUID) -> QuerySet[DeliveryAttempt]:
    """The attempts of a delivery, the newest first."""
    found = DeliveryAttempt.objects.filter(book_id=book_id, delivery_id=delivery_id)
    return found.order_by("-id")[:ATTEMPT_LIMIT]


# --- webhooks: what a courier has to do -----------------------------------------------------------


def list_books_with_news(*, after: UUID, limit: int) -> list[UUID]:
    """Books that have events which are not queued yet, in the order of their ids after `after`."""
    with connection.cursor() as cursor:
        cursor.execute(_BOOKS_WITH_NEWS, (after, limit))
        return [book_id for (book_id,) in cursor.fetchall()]


def list_due(
    *, book_id: UUID, endpoint_id: UUID, besides: Collection[UUID], limit: int, now: datetime
) -> list[Delivery]:
    """The deliveries of an enabled endpoint that are due, with event and endpoint: longest first.

    `besides` are those that the caller is busy with.
    """
    due = Delivery.objects.filter(
        book_id=book_id,
        endpoint_id=endpoint_id,
        endpoint__status=EndpointStatus.ENABLED.value,
        due_at__lte=now,
    )
    if besides:
        due = due.exclude(id__in=besides)
    found = list(due.select_related("event", "endpoint").order_by("due_at")[:limit])
    with_notes([delivery.event for delivery in found])
    return found


def list_live_secrets(*, book_id: UUID, endpoint_id: UUID, now: datetime) -> list[str]:
    """What to sign with, the current secret first."""
    live = WebhookSecret.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=now), book_id=book_id, endpoint_id=endpoint_id
    )
    return [secret.plain for secret in live.order_by("-created_at")]
