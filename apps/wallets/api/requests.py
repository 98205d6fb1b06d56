"""What the views of wallets read from a request in the same way."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from apps.core import ids
from apps.core.errors import NotFound
from apps.merchants.types import Caller

PAGE = [
    OpenApiParameter("limit", int, description="1 to 100, 10 unless told otherwise"),
    OpenApiParameter("starting_after", str, description="an id: the older ones"),
    OpenApiParameter("ending_before", str, description="an id: the newer ones"),
]


def caller_of(request: Request) -> Caller:
    caller = request.auth
    assert isinstance(caller, Caller), "every view here needs a key"
    return caller


def book_of(request: Request) -> UUID:
    return caller_of(request).book_id


def customer_id_of(text: str | None) -> UUID | None:
    """The id of the customer that the caller names, if any.

    :raises NotFound: it is no customer's.
    """
    if text is None:
        return None
    try:
        return ids.decode("cus", text)
    except ids.InvalidId:
        raise NotFound("No such customer.", param="customer") from None
