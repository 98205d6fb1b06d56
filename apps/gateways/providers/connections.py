"""How requests travel to a provider, and the proof of whether one ever left.

A client of a company's own tells a failed handshake and a lost answer apart by guessing from
exception classes. Here the connection itself notes the first byte it writes: an error before that
byte is *not sent*, and any error after it is *unknown*. Nothing is retried, redirected or read from
the environment (`.netrc` would replace the key), and no cookie is kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
_CHUNK_BYTES: Final = 64 * 1024


class _Attempt(threading.local):
    wrote = False


_attempt = _Attempt()


class NotSent(Exception):
    """No byte of the request reached a connected socket."""


class Interrupted(Exception):
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


@dataclass(frozen=True)
class Answer:
    status: int
    headers: urllib3.HTTPHeaderDict
    body: bytes


class Connections:
    """Keep-alive connections shared by all threads; one request, one attempt, one time limit."""

    def __init__(
        self, *, connect_seconds: float, read_seconds: float, ca_certs: str, connections: int = 32
    ) -> None:
        self._connect_seconds = connect_seconds
        self._read_seconds = read_seconds
        self.total_seconds = connect_seconds + read_seconds
        self._pools = urllib3.PoolManager(num_pools=2, maxsize=connections, ca_certs=ca_certs)
        self._pools.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None,
        body: Any = None,
        seconds: float | None = None,
    ) -> Answer:
        """One attempt, in `seconds` at the most where they are fewer than the limits.

        :raises NotSent: provably nothing was written.
        :raises Interrupted: something was, and no whole answer came within the time limit.
        """
        _attempt.wrote = False
        limit = self.total_seconds if seconds is None else min(seconds, self.total_seconds)
        if limit <= 0:
            raise NotSent("no time is left for it")
        deadline = time.monotonic() + limit
        try:
            answer = self._pools.request(
                method,
                url,
                body=body,
                headers=headers,
                timeout=urllib3.Timeout(
                    total=limit, connect=self._connect_seconds, read=self._read_seconds
                ),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            content = _read(answer, deadline)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            said = f"{type(error).__name__}: {error}"
            if not _attempt.wrote:
                raise NotSent(said) from error
            timed_out = isinstance(error, (TimeoutError, urllib3.exceptions.TimeoutError))
            raise Interrupted(said, timed_out=timed_out) from error
        return Answer(answer.status, answer.headers, content)

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
