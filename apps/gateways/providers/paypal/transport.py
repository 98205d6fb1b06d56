"""PayPal's own package as a transport: it knows keys, tokens and statuses, and nothing else here.

What it does wrong is put right in this one subclass: it has no time limit, opens a connection for
every request, repeats a 401 for ever, returns a 400 as if it were an answer, sends `null` as the
body of a question, and logs bodies and bearer tokens.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import certifi
from paypalrestsdk.api import Api
from paypalrestsdk.exceptions import UnauthorizedAccess

from apps.gateways.providers.connections import Connections, NotSent


class NoToken(Exception):
    """No bearer token was to be had, so the request itself was never sent."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(type(cause).__name__)
        self.cause = cause


@dataclass(frozen=True)
class _Response:
    """What the package reads of an answer."""

    status_code: int
    reason: str = ""


class _Limit(threading.local):
    until: float | None = None


class Transport(Api):
    """One instance serves all threads. Endpoints are paths below `api_base`.

    `get` and `post` answer with JSON as it came.

    :raises NoToken: see there.
    :raises NotSent: provably nothing was written.
    :raises Interrupted: something was, and no whole answer came within the time limit.
    :raises paypalrestsdk.exceptions.ConnectionError: PayPal, or somebody in between, said no.
    """

    user_agent = "paysys"

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        api_base: str,
        connect_seconds: float,
        read_seconds: float,
    ) -> None:
        super().__init__(
            mode="live",
            # The package's way of joining doubles a path after a slash.
            endpoint=api_base.rstrip("/"),
            client_id=client_id,
            client_secret=client_secret,
        )
        self._connections = Connections(
            connect_seconds=connect_seconds,
            read_seconds=read_seconds,
            ca_certs=certifi.where(),
        )
        self._limit = _Limit()
        self._token_lock = threading.Lock()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """All requests of the block together end within `seconds`; what is late is not sent."""
        self._limit.until = time.monotonic() + seconds
        try:
            yield
        finally:
            self._limit.until = None

    def request(
        self,
        url: str,
        method: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        **_unused: Any,
    ) -> Any:
        """One request; with a new token once more, if the old one was refused.

        A body that is bytes already is sent as it is.
        """
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        token = self._bearer()
        try:
            return self._ask(url, method, body, headers, token)
        except UnauthorizedAccess:
            self._forget(token)
            return self._ask(url, method, body, headers, self._bearer())

    def http_call(self, url: str, method: str, **kwargs: Any) -> Any:
        """Also what the package calls for a token."""
        answer = self._connections.exchange(
            method,
            url,
            headers={**kwargs["headers"], "Accept-Encoding": "identity"},
            body=kwargs.get("data"),
            seconds=self._seconds_left(),
        )
        return self.handle_response(_Response(answer.status), answer.body.decode())

    def _ask(
        self,
        url: str,
        method: str,
        body: bytes | None,
        headers: Mapping[str, str] | None,
        token: Mapping[str, Any],
    ) -> Any:
        sent = {
            "Authorization": f"{token['token_type']} {token['access_token']}",
            "Accept": "application/json",
            "User-Agent": self.user_agent,
            **({"Content-Type": "application/json"} if body is not None else {}),
            **(headers or {}),
        }
        return self.http_call(url, method, data=body, headers=sent)

    def _bearer(self) -> Mapping[str, Any]:
        """The package forgets an old token and fetches a new one in steps that need a lock."""
        left = self._seconds_left()
        if not self._token_lock.acquire(timeout=-1 if left is None else max(left, 0.0)):
            raise NoToken(NotSent("others wait for a token"))
        try:
            token = self.get_token_hash()
            if not isinstance(token, dict) or not {"access_token", "token_type"} <= set(token):
                self.token_hash = None
                raise NoToken(ValueError("not a token"))
            return token
        except NoToken:
            raise
        except Exception as error:
            raise NoToken(error) from error
        finally:
            self._token_lock.release()

    def _forget(self, token: Mapping[str, Any]) -> None:
        with self._token_lock:
            if self.token_hash is token:
                self.token_hash = None

    def _seconds_left(self) -> float | None:
        until = self._limit.until
        return None if until is None else until - time.monotonic()
