"""Webhooks as values: what states there are, when a delivery is tried, and how an attempt ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EndpointStatus(StrEnum):
    """DISABLED is a pause: nothing new is queued, and what is queued waits. DELETED is for good."""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"
    DELETED = "DELETED"


class DisabledReason(StrEnum):
    """Who switched an endpoint off: its merchant, or the endpoint itself by answering 410."""

    MERCHANT = "merchant"
    GONE = "gone"


class DeliveryStatus(StrEnum):
    """PENDING until it was taken (DELIVERED), refused for the last time (FAILED), or its endpoint
    was deleted (CANCELED)."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


# Seconds between the end of an attempt and the next; the first is made at once. Published.
SCHEDULE = (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
MAX_ATTEMPTS = len(SCHEDULE)

EVERY_TYPE = "*"
MAX_EVENT_TYPES = 50
MAX_URL_LENGTH = 2048


class NoAnswer(StrEnum):
    """Why an attempt brought no answer."""

    TIMEOUT = "timeout"
    NAME_UNKNOWN = "name_unknown"
    ADDRESS_NOT_ALLOWED = "address_not_allowed"
    TLS_FAILED = "tls_failed"
    CONNECTION_FAILED = "connection_failed"


@dataclass(frozen=True, slots=True)
class Answer:
    """How one attempt ended: the endpoint's HTTP status, or why there is none."""

    status_code: int | None
    no_answer: NoAnswer | None
    duration_ms: int

    @property
    def is_accepted(self) -> bool:
        """Only 2xx is yes; a redirect is not followed and is a no like any other."""
        return self.status_code is not None and 200 <= self.status_code < 300

    @property
    def is_gone(self) -> bool:
        return self.status_code == 410
