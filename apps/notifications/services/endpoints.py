"""Where merchants want to be told. All of it is rare and goes through the ORM.

Locks: an endpoint's queue before the endpoint itself, as couriers take them.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction

from apps.audit import services as audit
from apps.core import crypto
from apps.core.errors import Conflict, NotFound
from apps.core.types import Actor
from apps.notifications import selectors, store
from apps.notifications.models import (
    SECRET_COLUMN,
    SECRET_TABLE,
    WebhookEndpoint,
    WebhookQueue,
    WebhookSecret,
)
from apps.notifications.types import DisabledReason, EndpointStatus

MAX_ENDPOINTS: Final = 16  # of a merchant
SECRET_BYTES: Final = 32
ENABLED, DISABLED, DELETED = (status.value for status in EndpointStatus)


class TooManyEndpoints(Conflict):
    """The merchant has as many endpoints as there may be; delete one."""

    code = "webhook_endpoints_exhausted"
    says = f"There are {MAX_ENDPOINTS} webhook endpoints already. Delete one first."


def create_endpoint(
    *,
    book_id: UUID,
    endpoint_id: UUID,
    url: str,
    event_types: Sequence[str],
    is_enabled: bool,
    actor: Actor,
    now: datetime,
) -> None:
    """Add an endpoint with its first secret (whose id is the endpoint's) and an empty queue.

    It is told of every event that is committed after this is.
    Retries: the same `endpoint_id` twice is refused by the database.
    Transaction: its own, or a part of the caller's.

    :raises TooManyEndpoints: the merchant has `MAX_ENDPOINTS`.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:  # two at once would both find room
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [str(book_id)])
        if selectors.list_endpoints(book_id=book_id).count() >= MAX_ENDPOINTS:
            raise TooManyEndpoints
        endpoint = WebhookEndpoint.objects.create(
            id=endpoint_id,
            book_id=book_id,
            url=url,
            event_types=list(event_types),
            status=ENABLED if is_enabled else DISABLED,
            disabled_reason="" if is_enabled else DisabledReason.MERCHANT.value,
        )
        WebhookQueue.objects.create(endpoint=endpoint, book_id=book_id)
        _add_secret(book_id=book_id, endpoint_id=endpoint_id, secret_id=endpoint_id)
        # How many: fifty long names are more than the trail takes.
        facts = {"event_types": len(endpoint.event_types), "is_enabled": is_enabled}
        record_change(endpoint, "created", facts, actor=actor, now=now)


def update_endpoint(
    *,
    book_id: UUID,
    endpoint_id: UUID,
    url: str | None = None,
    event_types: Sequence[str] | None = None,
    is_enabled: bool | None = None,
    actor: Actor,
    now: datetime,
) -> None:
    """Change what is given and leave the rest. Requests that are under way end as they began.

    Disabling is a pause: what is queued waits, what happens meanwhile is not queued (see `replay`).
    Retries: harmless.
    Transaction: its own, or a part of the caller's.

    :raises NotFound: no such endpoint, or another merchant's.
    """
    with transaction.atomic():
        queue, endpoint = lock_endpoint(book_id=book_id, endpoint_id=endpoint_id)
        changes: dict[str, Any] = {}
        if url is not None:
            changes["url"] = url
        if event_types is not None:
            changes["event_types"] = list(event_types)
        if is_enabled is not None:
            changes["status"] = ENABLED if is_enabled else DISABLED
        changes = {
            name: value for name, value in changes.items() if getattr(endpoint, name) != value
        }
        if not changes:
            return
        if "status" in changes:
            changes["disabled_reason"] = "" if is_enabled else DisabledReason.MERCHANT.value
        changes["listens_from"] = None
        for name, value in changes.items():
            setattr(endpoint, name, value)
        endpoint.save(update_fields=list(changes))
        if is_enabled:
            store.wake(book_id=book_id, endpoint_id=endpoint_id)
        elif is_enabled is False:
            _let_rest(queue)
        # A URL may hold what should stand in no trail.
        facts = {"changed": sorted({"url", "event_types", "status"} & changes.keys())}
        record_change(endpoint, "updated", facts, actor=actor, now=now)


def delete_endpoint(*, book_id: UUID, endpoint_id: UUID, actor: Actor, now: datetime) -> None:
    """Tell this endpoint nothing more, for good. Its secrets are forgotten; its log stays for us.

    Retries: a second time it is not there.
    Transaction: its own, or a part of the caller's.

    :raises NotFound: no such endpoint, or another merchant's.
    """
    with transaction.atomic():
        queue, endpoint = lock_endpoint(book_id=book_id, endpoint_id=endpoint_id)
        _let_rest(queue)
        endpoint.status, endpoint.disabled_reason = DELETED, ""
        endpoint.save(update_fields=["status", "disabled_reason"])
        WebhookSecret.objects.filter(book_id=book_id, endpoint_id=endpoint_id).delete()
        record_change(endpoint, "deleted", {}, actor=actor, now=now)


def rotate_secret(
    *,
    book_id: UUID,
    endpoint_id: UUID,
    secret_id: UUID,
    overlap: timedelta,
    actor: Actor,
    now: datetime,
) -> None:
    """Make a new secret; deliveries carry the present one's signature too, for `overlap`.

    There are two live secrets at most: one that was ending already ends now.
    Retries: the same `secret_id` twice is refused by the database.
    Transaction: its own, or a part of the caller's.

    :raises NotFound: no such endpoint, or another merchant's.
    """
    with transaction.atomic():
        _, endpoint = lock_endpoint(book_id=book_id, endpoint_id=endpoint_id)
        present = WebhookSecret.objects.filter(book_id=book_id, endpoint_id=endpoint_id)
        present.exclude(expires_at=None).delete()
        present.update(expires_at=now + overlap)
        _add_secret(book_id=book_id, endpoint_id=endpoint_id, secret_id=secret_id)
        facts = {"overlap_seconds": int(overlap.total_seconds())}
        record_change(endpoint, "secret_rotated", facts, actor=actor, now=now)


def lock_endpoint(*, book_id: UUID, endpoint_id: UUID) -> tuple[WebhookQueue, WebhookEndpoint]:
    """The endpoint and its queue, which nobody else changes until the transaction ends.

    :raises NotFound: no such endpoint, a deleted one, or another merchant's.
    """
    queue = (
        WebhookQueue.objects.select_for_update()
        .filter(book_id=book_id, endpoint_id=endpoint_id)
        .first()
    )
    if queue is None:
        raise NotFound("No such webhook endpoint.")
    return queue, selectors.get_endpoint(book_id=book_id, id=endpoint_id)


def _let_rest(queue: WebhookQueue) -> None:
    queue.due_at = None
    queue.save(update_fields=["due_at"])


def _add_secret(*, book_id: UUID, endpoint_id: UUID, secret_id: UUID) -> None:
    plain = f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"
    WebhookSecret.objects.create(
        id=secret_id,
        book_id=book_id,
        endpoint_id=endpoint_id,
        secret_encrypted=crypto.encrypt(
            plain, table=SECRET_TABLE, column=SECRET_COLUMN, row_id=secret_id, book_id=book_id
        ),
    )


def record_change(
    endpoint: WebhookEndpoint,
    what: str,
    facts: Mapping[str, object],
    *,
    actor: Actor,
    now: datetime,
) -> None:
    """Write the audit row of something done to an endpoint, in the caller's transaction."""
    audit.record(
        book_id=endpoint.book_id,
        actor=actor,
        action=f"webhook_endpoint.{what}",
        subject_id=endpoint.id,
        subject_kind="webhook_endpoint",
        facts=facts,
        now=now,
    )
