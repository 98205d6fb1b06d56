"""News from providers: verified, stored once, and answered before anybody acts on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from django.db import connection

from apps.core import db, ids, queue
from apps.core.errors import DomainError, InvalidRequest, NotFound, Unavailable
from apps.gateways import providers
from apps.gateways.types import (
    KEPT,
    BadEvent,
    BadSignature,
    CannotVerify,
    ProviderEvent,
    Topic,
)

log = structlog.get_logger(__name__)

# Stripe's largest events are some tens of kilobytes.
MAX_BYTES: Final = 1024 * 1024
APPLY_TASK: Final = "payments.apply_event"

_STORE = """
INSERT INTO gateways_inbound_event (id, provider, account, event_id, kind, object_reference,
    payment_reference, payment_public_id, payload, occurred_at, received_at, note)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s, '')
ON CONFLICT (provider, account, event_id) DO NOTHING
RETURNING id
"""


class SignatureInvalid(InvalidRequest):
    """Not signed by a secret of ours, or longer ago than the tolerance: 400, nothing stored."""

    code = "signature_invalid"
    says = "The signature is missing, wrong or too old."


class EventInvalid(InvalidRequest):
    """Signed, and yet not an event that can be read: 400, nothing stored."""

    code = "event_invalid"
    says = "This is not an event."


class EventTooLarge(DomainError):
    """More bytes than any event has."""

    code = "request_too_large"
    status = 413
    says = "The event is too large."


class VerificationUnavailable(Unavailable):
    """Its provider could not be asked whether it is genuine: 503, and it is sent again later."""

    code = "verification_unavailable"
    says = "The event cannot be verified now. Send it again later."


class NoSuchProvider(NotFound):
    """A path that names no provider of ours."""

    says = "No such provider."


def receive(
    *, provider: str, raw_body: bytes, headers: Mapping[str, str], now: datetime
) -> UUID | None:
    """Store an event once and ring for `payments.apply_event`; None if it was stored before.

    `raw_body` is what came over the wire, byte for byte: the signature is over it.
    Retries: the same event again stores nothing, and rings again if nobody has applied it yet.
    Transaction: the insert is a statement of its own, committed when this returns.

    :raises SignatureInvalid: answer 400.
    :raises EventInvalid: answer 400.
    :raises EventTooLarge: answer 413.
    :raises VerificationUnavailable: answer 503.
    :raises NoSuchProvider: answer 404.
    """
    if len(raw_body) > MAX_BYTES:
        raise EventTooLarge
    try:
        event = providers.get(provider).parse_event(raw_body, headers, now=now)
    except (providers.UnknownProvider, NotImplementedError) as error:
        raise NoSuchProvider from error
    except BadSignature as error:
        log.warning("gateways.event_refused", provider=provider, reason=str(error))
        raise SignatureInvalid from error
    except CannotVerify as error:
        log.warning("gateways.event_not_verified", provider=provider, reason=str(error))
        raise VerificationUnavailable from error
    except BadEvent as error:
        log.warning("gateways.event_unreadable", provider=provider, reason=str(error))
        raise EventInvalid from error
    stored = _store(event, now)
    if stored is None:
        _ring_again(event)
        return None
    queue.enqueue(APPLY_TASK, str(stored))
    return stored


def topic_of(*, provider: str, kind: str) -> Topic:
    """What an event is news of; `OTHER` too where its provider is not known here any more."""
    try:
        return providers.get(provider).topic_of(kind)
    except providers.UnknownProvider:
        return Topic.OTHER


def mark_processed(
    *, event_id: UUID, note: str, now: datetime, expect_unprocessed: bool = False
) -> None:
    """Note what became of an event: `nudged`, or why nothing did, beginning with `KEPT`.

    What was only kept may be noted anew; anything else stands.
    Transaction: the caller's.
    :raises db.GuardFailed: (when sent, with `expect_unprocessed`) somebody was faster.
    """
    db.write(
        "UPDATE gateways_inbound_event SET processed_at = %s, note = %s "
        "WHERE id = %s AND (processed_at IS NULL OR starts_with(note, %s))",
        (now, note[:200], event_id, KEPT),
        expect=1 if expect_unprocessed else None,
        what="gateways: the event is not processed",
    )


def _store(event: ProviderEvent, now: datetime) -> UUID | None:
    with connection.cursor() as cursor:
        cursor.execute(
            _STORE,
            (
                *(ids.new_id(), event.provider, event.account[:255], event.event_id[:255]),
                *(event.kind[:100], event.object_reference[:255], event.payment_reference[:255]),
                *(event.payment_public_id[:64], json.dumps(event.payload)),
                *(event.occurred_at, now),
            ),
        )
        row = cursor.fetchone()
    return row[0] if row else None


def _ring_again(event: ProviderEvent) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM gateways_inbound_event WHERE provider = %s AND account = %s "
            "AND event_id = %s AND processed_at IS NULL",
            (event.provider, event.account[:255], event.event_id[:255]),
        )
        row = cursor.fetchone()
    if row:
        queue.enqueue(APPLY_TASK, str(row[0]))
