"""Stripe's SDK on connections that prove what was sent (`providers.connections`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import stripe
import urllib3

from apps.gateways.providers import connections

# Answer headers that the SDK would act on by raising a Python warning after the money has moved.
_IGNORED_HEADERS = frozenset({"stripe-notice"})


class NotSent(stripe.APIConnectionError):
    """No byte of the request reached a connected socket."""


class Interrupted(stripe.APIConnectionError):
    """The request was at least partly written, and no whole answer came back."""

    def __init__(self, message: str, *, timed_out: bool) -> None:
        super().__init__(message)
        self.timed_out = timed_out


class Transport(stripe.HTTPClient):
    """Keep-alive connections shared by all threads; one request, one attempt, one time limit."""

    name: ClassVar[str] = "urllib3"

    def __init__(self, *, connect_seconds: float, read_seconds: float) -> None:
        super().__init__()
        self._connections = connections.Connections(
            connect_seconds=connect_seconds,
            read_seconds=read_seconds,
            ca_certs=stripe.ca_bundle_path,
        )

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
        try:
            answer = self._connections.exchange(
                method.upper(), url, headers=headers, body=post_data
            )
        except connections.NotSent as error:
            raise NotSent(str(error)) from error
        except connections.Interrupted as error:
            raise Interrupted(str(error), timed_out=error.timed_out) from error
        known = {
            name: value
            for name, value in answer.headers.items()
            if name.lower() not in _IGNORED_HEADERS
        }
        return answer.body, answer.status, urllib3.HTTPHeaderDict(known)

    def close(self) -> None:
        self._connections.close()
