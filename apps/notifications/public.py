"""Events and webhooks as merchants see them: the API's answers and the bodies of deliveries."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from apps.core import ids
from apps.notifications.models import Delivery, DeliveryAttempt, Event, WebhookEndpoint
from apps.notifications.types import EndpointStatus


def render_event(event: Event) -> dict[str, Any]:
    """The event, read with its notes, as the API shows it; times are ISO 8601 in UTC."""
    return {
        "id": ids.encode("evt", event.id),
        "object": "event",
        "type": event.kind,
        "sequence": event.sequence,
        "data": {"object": event.payload},
        "occurred_at": _time(event.occurred_at),
        "created_at": _time(event.created_at),
    }


def render_endpoint(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """The endpoint without its secret, which is shown once, by whoever made it."""
    return {
        "id": ids.encode("whe", endpoint.id),
        "object": "webhook_endpoint",
        "url": endpoint.url,
        "event_types": endpoint.event_types,
        "enabled": endpoint.status == EndpointStatus.ENABLED,
        "disabled_reason": endpoint.disabled_reason or None,
        "created_at": _time(endpoint.created_at),
    }


def render_delivery(delivery: Delivery) -> dict[str, Any]:
    """The delivery, whose event must have been selected with it."""
    return {
        "id": ids.encode("whd", delivery.id),
        "object": "webhook_delivery",
        "webhook_endpoint": ids.encode("whe", delivery.endpoint_id),
        "event": ids.encode("evt", delivery.event_id),
        "type": delivery.event.kind,
        "sequence": delivery.sequence,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "next_attempt_at": _time(delivery.due_at),
        "last_attempt_at": _time(delivery.last_attempt_at),
        "last_status_code": delivery.last_status_code,
        "last_error": delivery.last_error or None,
        "delivered_at": _time(delivery.delivered_at),
        "created_at": _time(delivery.created_at),
    }


def render_delivery_with_log(
    delivery: Delivery, attempts: Iterable[DeliveryAttempt]
) -> dict[str, Any]:
    """The delivery and every attempt of it, the newest first."""
    return {
        **render_delivery(delivery),
        "attempt_log": [
            {
                "started_at": _time(attempt.started_at),
                "duration_ms": attempt.duration_ms,
                "status_code": attempt.status_code,
                "error": attempt.error or None,
            }
            for attempt in attempts
        ],
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
