"""One merchant's client of the API, as small as can be: a connection kept open, JSON both ways."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and how long that took."""

    status: int
    body: dict[str, Any]
    seconds: float


class Client:
    """Not shared between threads: one connection, one request at a time."""

    def __init__(
        self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS, repeats: bool = True
    ) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._repeats = repeats
        self._connection = http.client.HTTPConnection(
            parts.hostname, parts.port, timeout=timeout_seconds
        )

    def post(self, path: str, body: dict[str, Any], *, api_key: str, key: str = "") -> Answer:
        """POST; if the client `repeats`, a lost connection is tried once more under the `key`.

        :raises OSError, http.client.HTTPException: nobody answers.
        """
        headers = {"Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        return self._ask("POST", path, json.dumps(body), api_key, headers)

    def get(self, path: str, *, api_key: str) -> Answer:
        return self._ask("GET", path, None, api_key, {})

    def _ask(
        self, method: str, path: str, body: str | None, api_key: str, headers: dict[str, str]
    ) -> Answer:
        headers = {"Authorization": f"Bearer {api_key}", **headers}
        started = time.perf_counter()
        try:
            answer = self._send(method, path, body, headers)
        except (http.client.HTTPException, ConnectionError):
            self._connection.close()  # the server may have closed a connection that stood idle
            if not self._repeats:
                raise
            answer = self._send(method, path, body, headers)
        status, raw = answer
        return Answer(status, json.loads(raw) if raw else {}, time.perf_counter() - started)

    def _send(
        self, method: str, path: str, body: str | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        return response.status, response.read()

    def close(self) -> None:
        self._connection.close()
