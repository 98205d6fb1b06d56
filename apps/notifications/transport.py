"""How a delivery travels: to an address that was looked at, and to no other.

Merchants choose where we send, so a URL may point into our own network (SSRF). A name is resolved
once, every address it has must be a global one, and the connection goes to that very address,
while the Host header, SNI and the certificate's name stay those of the URL. No redirect is
followed, no proxy or other thing of the environment is looked at, and of the answer nothing but
its status is kept.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.exceptions import SSLError as WrappedSSLError

from apps.notifications.types import MAX_URL_LENGTH, Answer, NoAnswer

TIMEOUT_SECONDS: Final = 15.0  # from the name to the end of the answer's headers; published
MAX_ANSWER_BYTES: Final = 16 * 1024  # read so that the endpoint can finish writing, and dropped
MAX_ADDRESSES: Final = 3  # of one name, that are tried

_VISIBLE = re.compile(r"[!-~]+")
_NAME = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9-]{1,63}")
# A name that ends in a number is an address in disguise (`127.1`, `0x7f.0.0.1`) to some resolvers.
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")

# Global by their form, and yet a way to somewhere else or to nobody.
_NOT_GLOBAL: Final = tuple(
    map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "2002::/16", "2001::/23", "3fff::/20"))
)
_GLOBAL_IPV6: Final = ip_network("2000::/3")


class BadUrl(ValueError):
    """A URL that no delivery is ever sent to; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a URL says, taken apart."""

    is_secure: bool
    host: str
    port: int
    path: str


class _NotAllowed(OSError):
    """The name has an address that is not global."""


def loopback_is_allowed() -> bool:
    """Whether a sink on this machine may be told: in test mode, where a setting says so."""
    return settings.PAYSYS_MODE == "test" and bool(settings.PAYSYS_WEBHOOK_LOOPBACK)


def read_url(url: str) -> Target:
    """Take a URL apart, refusing what can be refused without asking for the name's addresses.

    :raises BadUrl: not an absolute https URL of a public name or global address without a user
        and a fragment; http too where the loopback is allowed.
    """
    if len(url) > MAX_URL_LENGTH or not _VISIBLE.fullmatch(url) or "\\" in url:
        raise BadUrl(f"At most {MAX_URL_LENGTH} printable ASCII characters, no space.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadUrl("Not a URL.") from None
    if parts.scheme not in ({"http", "https"} if loopback_is_allowed() else {"https"}):
        raise BadUrl("Must begin with https://.")
    if "@" in parts.netloc or "#" in url:
        raise BadUrl("A URL of a webhook has no user and no fragment.")
    host = parts.hostname or ""
    if port == 0 or not _is_public_host(host):
        raise BadUrl("Must name a public host.")
    is_secure = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(is_secure, host, port or (443 if is_secure else 80), path)


def is_allowed(address: IPv4Address | IPv6Address) -> bool:
    """Whether a connection to this address may be made: it is global, unicast and no tunnel's."""
    if address.is_loopback:
        return loopback_is_allowed()
    if isinstance(address, IPv6Address) and address not in _GLOBAL_IPV6:
        return False
    is_special = address.is_multicast or address.is_reserved
    return address.is_global and not is_special and not any(address in net for net in _NOT_GLOBAL)


def send(
    *, url: str, body: bytes, headers: Mapping[str, str], seconds: float = TIMEOUT_SECONDS
) -> Answer:
    """POST once and say how it ended. Whatever the network or the endpoint does is an answer.

    Retries: none here; an attempt that brought no answer may have arrived all the same.
    """
    began = time.monotonic()
    deadline = began + seconds
    status, failure = None, None
    try:
        status = _post(read_url(url), body, headers, deadline)
    except (OSError, HTTPException, HTTPError, BadUrl) as error:
        failure = NoAnswer.TIMEOUT if time.monotonic() >= deadline else _reason(error)
    return Answer(status, failure, int((time.monotonic() - began) * 1000))


def _post(target: Target, body: bytes, headers: Mapping[str, str], deadline: float) -> int:
    addresses = _resolve(target)
    connection = _connection(target, addresses, deadline)
    # The socket's own timeout is for one read; an endpoint that drips its answer is cut off.
    timer = threading.Timer(_left(deadline), connection.cut)
    timer.daemon = True
    timer.start()
    try:
        connection.request(
            "POST", target.path, body=body, headers=headers, preload_content=False,
            decode_content=False,
        )  # fmt: skip
        answer = connection.getresponse()
        _left(deadline)  # cut off in its headers, an answer looks as if they had ended
        with suppress(OSError, HTTPException, HTTPError):
            answer.read(MAX_ANSWER_BYTES)
        return answer.status
    finally:
        timer.cancel()
        connection.close()


def _resolve(target: Target) -> list[str]:
    """The addresses of the name, in the resolver's order; each of them must be allowed.

    Asked for once: whoever answers otherwise a moment later changes nothing.
    """
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(place[0]) for *_, place in found))
    if not all(is_allowed(ip_address(address)) for address in addresses):
        raise _NotAllowed(target.host)
    return addresses[:MAX_ADDRESSES]


class _Pinned:
    """A connection to given addresses, whatever its host would resolve to."""

    addresses: Sequence[str]
    deadline: float
    sock: Any
    port: int

    def _new_conn(self) -> socket.socket:
        failure: OSError | None = None
        for address in self.addresses:
            try:
                made = socket.create_connection((address, self.port), _left(self.deadline))
            except OSError as error:
                failure = error
            else:
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                made.settimeout(_left(self.deadline))  # for the handshake of TLS
                return made
        raise failure or OSError("the name has no address")

    def cut(self) -> None:
        """End it under the feet of whoever waits for it."""
        if self.sock is not None:
            with suppress(OSError):
                # Past TLS, which would want to say good-bye first.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class _Plain(_Pinned, HTTPConnection):
    pass


class _Secure(_Pinned, HTTPSConnection):
    pass


def _connection(target: Target, addresses: Sequence[str], deadline: float) -> _Plain | _Secure:
    left = _left(deadline)
    connection: _Plain | _Secure
    if target.is_secure:
        connection = _Secure(target.host, target.port, timeout=left, ssl_context=_tls())
    else:
        connection = _Plain(target.host, target.port, timeout=left)
    connection.addresses, connection.deadline = addresses, deadline
    return connection


@cache
def _tls() -> ssl.SSLContext:
    """The system's certificates; names are checked. Reading them takes a while, so once."""
    return ssl.create_default_context()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _reason(error: Exception) -> NoAnswer:
    if isinstance(error, _NotAllowed | BadUrl):
        return NoAnswer.ADDRESS_NOT_ALLOWED
    if isinstance(error, socket.gaierror):
        return NoAnswer.NAME_UNKNOWN
    if isinstance(error, TimeoutError):
        return NoAnswer.TIMEOUT
    if isinstance(error, ssl.SSLError | WrappedSSLError):
        return NoAnswer.TLS_FAILED
    return NoAnswer.CONNECTION_FAILED


def _is_public_host(host: str) -> bool:
    try:
        return "%" not in host and is_allowed(ip_address(host))
    except ValueError:
        pass
    if host == "localhost":
        return loopback_is_allowed()
    name = host.removesuffix(".")
    last = name.rpartition(".")[2]
    return "." in name and bool(_NAME.fullmatch(name)) and not _NUMBER.fullmatch(last)
