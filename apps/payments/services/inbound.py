"""Events of providers that nobody has acted on: swept, and applied again when somebody says so."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError

from apps.audit import services as audit
from apps.core import db
from apps.core.ids import new_id
from apps.core.types import Actor
from apps.gateways import selectors as gateways
from apps.ledger.chart import PLATFORM_BOOK
from apps.payments.services import news

if TYPE_CHECKING:
    from apps.gateways.models import InboundEvent

log = structlog.get_logger(__name__)

# Long enough that whoever stored an event has rung for it.
UNHEARD_AFTER: Final = timedelta(seconds=10)
# Whatever is wrong with an event we cannot apply, a person hears of it in the log all that time.
TRIED_FOR: Final = timedelta(days=1)


def sweep_events(*, now: datetime) -> None:
    """Apply the events whose bell nobody heard, and those whose object has become known.

    One that cannot be applied keeps no other from it. It is tried again for `TRIED_FOR`.
    Retries: safe. Transaction: one an event; none may be open.

    :raises OperationalError: the database is away; the events wait for the next sweep.
    :raises SoftTimeLimitExceeded: its time is over; so do those that are left.
    """
    waiting = gateways.list_unprocessed(
        received_before=now - UNHEARD_AFTER, parked_before=now - news.PARKED_FOR
    )
    for event in waiting:
        failure = _failure_of(event, now)
        if failure and now - event.received_at > TRIED_FOR:
            news.keep(event_id=event.id, reason=f"failed with {failure}", now=now)


def count_not_acted_on(events: Iterable[InboundEvent]) -> Counter[str]:
    """How many of them there are of each provider and kind, and what became of them, in words."""
    return Counter(f"{event.provider} {event.kind}: {event.note or 'waits'}" for event in events)


def replay_events(*, events: Iterable[InboundEvent], actor: Actor, now: datetime) -> Counter[str]:
    """Apply these events again; what became of how many, as `count_not_acted_on` says it.

    Retries: safe; what was acted on before is left alone.
    Transaction: one an event, and one for the audit row at the end; none may be open.

    :raises OperationalError: the database is away; what was applied stays applied.
    """
    became = Counter[str]()
    for event in events:
        failure = _failure_of(event, now)
        found = gateways.find_event(event.id)
        note = found.note if found is not None and found.note else "waits"
        note = f"failed with {failure}, and {note}" if failure else note
        became[f"{event.provider} {event.kind}: {note}"] += 1
    with db.unit():
        audit.record(
            book_id=PLATFORM_BOOK,
            actor=actor,
            action="inbound_events.replayed",
            subject_id=new_id(),
            subject_kind="replay",
            facts=_facts_of(became),
            now=now,
        )
    return became


def _facts_of(became: Counter[str]) -> dict[str, int]:
    """What the trail takes of it: each outcome, or how many there were if they are too many."""
    facts = {"events": became.total(), **became}
    if len(json.dumps(facts)) <= audit.FACTS_LIMIT:
        return facts
    return {"events": became.total(), "outcomes": len(became)}


def _failure_of(event: InboundEvent, now: datetime) -> str:
    """Apply it; the name of what went wrong, or nothing."""
    try:
        news.apply_event(event_id=event.id, now=now)
    except (OperationalError, InterfaceError, SoftTimeLimitExceeded):
        raise
    except Exception as error:
        log.exception("payments.event_not_applied", inbound_event=str(event.id))
        return type(error).__name__
    return ""
