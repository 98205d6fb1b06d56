"""One id per request: in the answer's header, in error bodies and in every log line.

And what a refusal left unread is read and dropped: a server that closes on a caller who is still
sending resets the connection, and the caller never sees the answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponseBase

from apps.core import ids

Respond = Callable[[HttpRequest], HttpResponseBase]

# Dropped in small pieces, so no memory; a caller with more to send is cut off.
DRAIN_BYTES = 16 * 1024 * 1024
_PIECE = 64 * 1024

log = structlog.get_logger("paysys.request")


class RequestId:
    """The outermost middleware: names the request `req_…` and logs one line about it."""

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        request_id = ids.encode("req", ids.new_id())
        request.request_id = request_id  # type: ignore[attr-defined]
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        response = self.get_response(request)
        if request.META.get("CONTENT_LENGTH"):
            _drain(request)
        response.headers["Request-Id"] = request_id
        # The path without its query, which is the caller's text.
        log.info(
            "request.answered",
            method=request.method,
            path=request.path_info,
            status=response.status_code,
            ms=round((time.perf_counter() - began) * 1000, 1),
        )
        return response


def _drain(request: HttpRequest) -> None:
    if hasattr(request, "_body"):
        return  # read whole, by `request.body`
    left = DRAIN_BYTES
    try:
        while left > 0 and (piece := request.read(_PIECE)):
            left -= len(piece)
    except OSError:
        pass  # the caller is gone
