"""What every view of the merchant API starts from, on one screen.

    class Payments(api.ApiView):
        def post(self, request):
            values = api.validated(CreatePayment, request)
            ...

Authentication, permissions and throttling are DRF's defaults in the settings.
"""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpRequest
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.core import cards
from apps.core.answers import (
    error_body,
    error_headers,
    exception_handler,
    json_error,
    refusal,
    request_id_of,
)
from apps.core.errors import InvalidRequest, LengthRequired
from apps.core.fields import (
    AmountField,
    CurrencyField,
    MetadataField,
    StrictSerializer,
    TextField,
)
from apps.core.pagination import (
    CURSORS,
    PERIOD,
    currency_of,
    moment_of,
    paginate,
    period_of,
    query_of,
    turn_of,
)
from apps.core.parsing import OneFileParser, StrictJSONParser, Upload, loads

__all__ = [
    "CURSORS",
    "PERIOD",
    "AmountField",
    "ApiView",
    "CurrencyField",
    "MetadataField",
    "OneFileParser",
    "StrictJSONParser",
    "StrictSerializer",
    "TextField",
    "Upload",
    "book_of",
    "currency_of",
    "error_body",
    "error_headers",
    "exception_handler",
    "json_error",
    "loads",
    "moment_of",
    "paginate",
    "period_of",
    "query_of",
    "refusal",
    "request_id_of",
    "turn_of",
    "validated",
]

_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
_NO_LENGTH = frozenset({"", "0"})


class ApiRequest(Request):
    """A request whose missing body is the empty object, whatever content type it announces."""

    def _parse(self) -> tuple[Any, Any]:
        return ({}, {}) if self.stream is None else super()._parse()  # type: ignore[misc]


class ApiView(APIView):
    """A view that reads and answers JSON, refuses card numbers, and reads the body before it runs.

    Reading it first makes 400, 413, 415 and 422 the same for every address, also for those that
    do not look at the body; a view never meets bytes it has not asked for.
    """

    parser_classes = [StrictJSONParser]
    renderer_classes = [JSONRenderer]
    metadata_class = None  # OPTIONS is 405: the schema describes the API
    # Typed fields of the outermost object in which no card number is looked for.
    exempt_fields: ClassVar[frozenset[str]] = frozenset()

    def initialize_request(self, request: HttpRequest, *_: Any, **__: Any) -> Request:
        return ApiRequest(
            request,
            parsers=self.get_parsers(),
            authenticators=self.get_authenticators(),
            negotiator=self.get_content_negotiator(),
            parser_context=self.get_parser_context(request),
        )

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        meta = request.META
        query = request.query_params if meta.get("QUERY_STRING") else None
        cards.refuse_in_texts(request._request.path, cards.header_values(meta))
        if query is not None:
            cards.refuse_in_texts(*(text for pair in _pairs(query) for text in pair))
        if "\0" in request._request.path:
            raise InvalidRequest("The address holds a NUL character.")
        super().initial(request, *args, **kwargs)
        if "HTTP_TRANSFER_ENCODING" in meta and not meta.get("CONTENT_LENGTH"):
            # Django reads such a body as empty, and an empty body may mean "all of it".
            raise LengthRequired
        if request.method in _BODY_METHODS or meta.get("CONTENT_LENGTH", "") not in _NO_LENGTH:
            _ = request.data

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        final = super().finalize_response(request, response, *args, **kwargs)
        final.headers.setdefault("Cache-Control", "no-store")
        return final


def book_of(request: Request) -> UUID:
    """The book of whoever asks, who has been authenticated."""
    book_id: UUID = request.auth.book_id  # type: ignore[union-attr]
    return book_id


def validated(serializer_class: type[StrictSerializer], request: Request) -> dict[str, Any]:
    """The request's body as the serializer's values.

    :raises rest_framework.exceptions.ValidationError: answered as 400 `parameter_invalid`.
    """
    serializer = serializer_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    values: dict[str, Any] = serializer.validated_data
    return values


def _pairs(query: Any) -> list[tuple[str, str]]:
    return [(name, value) for name, values in query.lists() for value in values]
