"""What the views of payments read from a request in the same way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from itertools import chain, repeat

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from apps.core import money
from apps.core.errors import InvalidRequest
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


def moment(name: str, text: str, *, is_end: bool) -> datetime:
    """A date (its whole day) or a time with its zone.

    :raises InvalidRequest: neither.
    """
    refusal = InvalidRequest(f"{name}: a date or an ISO 8601 time with its zone.", param=name)
    try:
        if len(text) == 10:
            day = date.fromisoformat(text) + timedelta(days=1 if is_end else 0)
            return datetime.combine(day, time(), tzinfo=UTC)
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise refusal


def currency_code(text: str) -> str:
    """:raises InvalidRequest: not the code of a currency one can be paid in."""
    if not money.is_currency(text):
        raise InvalidRequest("currency: an ISO 4217 code in capitals.", param="currency")
    return text
