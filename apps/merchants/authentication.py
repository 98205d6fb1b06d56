"""API keys at the door: who is asking, may they, and how often.

Settings make these three the default of every API view, so a view says only what it needs:

    class Payments(ApiView):
        scopes = {"GET": "payments:read", "POST": "payments:write"}

and finds a `Caller` in `request.auth`. A view for everybody sets `permission_classes = []`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

import redis
import structlog
from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from redis.backoff import NoBackoff
from redis.retry import Retry
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from apps.core import clock
from apps.core.errors import PermissionDenied
from apps.merchants import selectors, services
from apps.merchants.types import SCOPES, Caller

if TYPE_CHECKING:
    # Settings name the classes below, so DRF's views import this module and not the other way.
    from rest_framework.views import APIView

SILENCE_SECONDS = 5.0  # after Redis failed, nobody asks it for this long
REDIS_TIMEOUT_SECONDS = 0.1
BATCHES_PER_SECOND = 20  # how finely processes share a key's limit
REMEMBERED = 10_000  # keys

log = structlog.get_logger(__name__)


class ScopeMissing(PermissionDenied):
    """The key is valid, but was not issued for this."""

    code = "scope_missing"


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer sk_…` becomes a `Caller`. At most one query, often none."""

    def authenticate(self, request: Request) -> tuple[Caller, Caller] | None:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if not header:
            return None  # HasScope refuses, and views for everybody do not mind
        scheme, _, plaintext = header.partition(" ")
        if scheme.lower() != "bearer":
            raise selectors.KeyMissing
        now = clock.now()
        known = selectors.known_key(plaintext.strip(), now)
        today = now.astimezone(UTC).date()
        if known.last_used_on is None or known.last_used_on < today:
            services.note_use(prefix=known.caller.key_id, now=now)
            known.last_used_on = today
        return known.caller, known.caller

    def authenticate_header(self, _request: Request) -> str:
        return "Bearer"


class HasScope(BasePermission):
    """The key must have the scope that the view names for the method, in `scopes`."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        caller = request.auth
        if not isinstance(caller, Caller):
            raise selectors.KeyMissing
        scopes: Mapping[str, str] = getattr(view, "scopes", {})
        method = request.method or ""
        scope = scopes.get(method)
        if scope is None:
            assert not hasattr(view, method.lower()) or method in {"HEAD", "OPTIONS"}, (
                f"{type(view).__name__} names no scope for {method}"
            )
            return True  # and DRF answers 405
        assert scope in SCOPES, f"{scope} is no scope"
        if scope not in caller.scopes:
            raise ScopeMissing(f"This key lacks the scope {scope}.")
        return True


@dataclass(slots=True)
class _Window:
    """One key's second, as this process knows it."""

    second: int
    left: int = 0  # may still be spent without asking
    granted: int = 0  # altogether
    is_over: bool = False  # nothing is left, here or in Redis


class Allowances:
    """How many requests each key has left in the present second.

    The count lives in Redis, in windows of one second. A process takes a twentieth of a key's
    limit at a time and spends it without asking again, so a busy key costs few round trips, and
    what a process has not spent at the end of the second (at most a twentieth) is lost. Across
    the border of two windows a burst of twice the limit can pass.

    While Redis is away each process counts for itself, so the limit is that of one process; after
    a failure Redis is not asked for five seconds.
    """

    def __init__(self, take: Callable[[str, int, int], int]) -> None:
        """`take(key, second, count)` counts and returns the total of that second; it may raise."""
        self._take = take
        self._lock = threading.Lock()
        self._windows: dict[str, _Window] = {}
        self._silent_until = 0.0

    def spend(self, key: str, *, limit: int, second: int) -> bool:
        """Whether this key may make one more request in this second."""
        with self._lock:
            window = self._window(key, second)
            if window.left > 0:
                window.left -= 1
                return True
            if window.is_over:
                return False
        granted = self._ask(key, limit=limit, second=second)
        with self._lock:
            if granted is None:
                granted = max(0, limit - window.granted)
            window.granted += granted
            window.left += granted
            if window.left == 0:
                window.is_over = True
                return False
            window.left -= 1
            return True

    def _window(self, key: str, second: int) -> _Window:
        window = self._windows.get(key)
        if window is None or window.second != second:
            if len(self._windows) >= REMEMBERED:
                self._windows.clear()
            window = self._windows[key] = _Window(second)
        return window

    def _ask(self, key: str, *, limit: int, second: int) -> int | None:
        """So many more requests, 0 when the second's are spent; None while Redis is away."""
        if time.monotonic() < self._silent_until:
            return None
        wanted = max(1, limit // BATCHES_PER_SECOND)
        try:
            total = self._take(key, second, wanted)
        except Exception as error:  # noqa: BLE001  a client that is broken raises anything
            self._silent_until = time.monotonic() + SILENCE_SECONDS
            log.warning("throttle.redis_away", error=type(error).__name__)
            return None
        return max(0, min(wanted, limit - (total - wanted)))


class KeyThrottle(BaseThrottle):
    """429 with Retry-After when a key asks more often than it may; never an error of its own."""

    def allow_request(self, request: Request, _view: APIView) -> bool:
        caller = request.auth
        if not isinstance(caller, Caller):
            return True
        return ALLOWANCES.spend(
            caller.key_id, limit=caller.requests_per_second, second=int(time.time())
        )

    def wait(self) -> float:
        return 1.0  # a new window begins within the second


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """The key in the OpenAPI document."""

    target_class = ApiKeyAuthentication
    name = "ApiKey"

    def get_security_definition(self, _auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "Your secret key: `Authorization: Bearer sk_test_…`.",
        }


class _Redis:
    """The counter in Redis: one round trip, and an answer within 0.1 s or an error."""

    def __init__(self) -> None:
        self._client: redis.Redis | None = None

    def take(self, key: str, second: int, count: int) -> int:
        if self._client is None:
            self._client = redis.Redis.from_url(
                settings.REDIS_URL,
                socket_timeout=REDIS_TIMEOUT_SECONDS,
                socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
                retry=Retry(NoBackoff(), 0),
            )
        window = f"paysys:rate:{key}:{second}"
        pipeline = self._client.pipeline(transaction=False)
        pipeline.incrby(window, count)
        pipeline.expire(window, 5)
        return int(pipeline.execute()[0])


ALLOWANCES = Allowances(_Redis().take)
