"""Everything that writes events, and where and how merchants are told of them."""

from apps.notifications.services.deliveries import (
    MAX_REPLAY,
    MAX_REPLAY_PERIOD,
    EndpointDisabled,
    ReplayTooLarge,
    redeliver,
    replay,
    retire,
)
from apps.notifications.services.endpoints import (
    MAX_ENDPOINTS,
    TooManyEndpoints,
    create_endpoint,
    delete_endpoint,
    rotate_secret,
    update_endpoint,
)
from apps.notifications.services.publishing import PAYLOAD_LIMIT, publish

__all__ = [
    "MAX_ENDPOINTS",
    "MAX_REPLAY",
    "MAX_REPLAY_PERIOD",
    "PAYLOAD_LIMIT",
    "EndpointDisabled",
    "ReplayTooLarge",
    "TooManyEndpoints",
    "create_endpoint",
    "delete_endpoint",
    "publish",
    "redeliver",
    "replay",
    "retire",
    "rotate_secret",
    "update_endpoint",
]
