"""What the views of payments read from a request in the same way."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, repeat

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from apps.merchants.types import Caller

CURSORS = ("limit", "starting_after", "ending_before")
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="A value of your own, a new one for each operation; repeats get the same answer.",
)

OPTIONAL_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Optional here: a repeat with the same key gets the first answer.",
)


def caller_of(request: Request) -> Caller:
    caller = request.auth
    assert isinstance(caller, Caller), "every view here needs a key"
    return caller


def once() -> Callable[[], bool]:
    """Says yes the first time: a first try trusts what a second one looks at, to say what is wrong.

    For a `create` of `idempotency.run`, which is called again when a guard has failed.
    """
    return chain([True], repeat(object=False)).__next__
