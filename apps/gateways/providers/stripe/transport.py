"""How requests travel to Stripe, and the proof of whether one ever left.

The SDK's own client tells a failed handshake and a lost answer apart by guessing from exception
classes. Here the connection itself notes the first byte it writes: an error before that byte is
*not sent*, and any error after it is *unknown*. Nothing is retried, redirected or read from the
environment (`.netrc` would replace the key), and no cookie is kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, ClassVar

import stripe
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

MAX_ANSWER_BYTES = 8 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
# Answer headers that the SDK would act on by raising a Python warning after the money has moved.
_IGNORED_HEADERS = frozenset({"stripe-notice"})


class _Attempt(threading.local):
    wrote = False


_attempt = _Attempt()


class NotSent(stripe.APIConnectionError):
    """No byte of the request reached a connected socket."""


class Interrupted(stripe.APIConnectionError):
    """The request was at least partly written, and no whole answer came back."""

    def __init__(self, message: str, *, timed_out: bool) -> None:
        super().__init__(message)
        self.timed_out = timed_out


class _Connection(HTTPConnection):
    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        _attempt.wrote = True
        super().send(data)


class _SecureConnection(HTTPSConnection):
    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        _attempt.wrote = True
        super().send(data)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class Transport(stripe.HTTPClient):
    """Keep-alive connections shared by all threads; one request, one attempt, one time limit."""

    name: ClassVar[str] = "urllib3"

    def __init__(
        self, *, connect_seconds: float, read_seconds: float, connections: int = 32
    ) -> None:
        super().__init__()
        self._timeout = urllib3.Timeout(connect=connect_seconds, read=read_seconds)
        self._total_seconds = connect_seconds + read_seconds
        self._pools = urllib3.PoolManager(
            num_pools=2, maxsize=connections, ca_certs=stripe.ca_bundle_path
        )
        self._pools.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def request(  # type: ignore[override]
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """One attempt.

        :raises NotSent: provably nothing was written.
        :raises Interrupted: something was, and no whole answer came within the time limit.
        """
        _attempt.wrote = False
        deadline = time.monotonic() + self._total_seconds
        try:
            answer = self._pools.request(
                method.upper(),
                url,
                body=post_data,
                headers=headers,
                timeout=self._timeout,
                retries=False,
                redirect=False,
                preload_content=False,
            )
            body = _read(answer, deadline)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            said = f"{type(error).__name__}: {error}"
            if not _attempt.wrote:
                raise NotSent(said) from error
            timed_out = isinstance(error, (TimeoutError, urllib3.exceptions.TimeoutError))
            raise Interrupted(said, timed_out=timed_out) from error
        known = {
            name: value
            for name, value in answer.headers.items()
            if name.lower() not in _IGNORED_HEADERS
        }
        return body, answer.status, urllib3.HTTPHeaderDict(known)

    def close(self) -> None:
        self._pools.clear()


def _read(answer: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    """The whole body; a server that drips it is cut off at the deadline."""
    chunks: list[bytes] = []
    size = 0
    try:
        while chunk := answer.read1(_CHUNK_BYTES):
            chunks.append(chunk)
            size += len(chunk)
            if size > MAX_ANSWER_BYTES:
                raise OSError("the answer is too long")
            if time.monotonic() > deadline:
                raise TimeoutError("the answer takes too long")
    except BaseException:
        answer.close()
        raise
    answer.release_conn()
    return b"".join(chunks)
