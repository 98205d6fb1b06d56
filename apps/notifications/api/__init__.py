"""The REST face of events and webhooks: read what happened, or be told."""

from apps.notifications.api.deliveries import Deliveries, OneDelivery, Redelivery, Replay
from apps.notifications.api.endpoints import (
    OneWebhookEndpoint,
    WebhookEndpoints,
    WebhookSecretRotation,
)
from apps.notifications.api.events import Events, OneEvent

__all__ = [
    "Deliveries",
    "Events",
    "OneDelivery",
    "OneEvent",
    "OneWebhookEndpoint",
    "Redelivery",
    "Replay",
    "WebhookEndpoints",
    "WebhookSecretRotation",
]
