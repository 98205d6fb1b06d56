"""The API's description: OpenAPI at `/schema`, a page to read at `/docs`, nothing from outside.

Plain views: neither asks for a key nor counts against a limit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from apps.core.errors import DomainError

PAGE = [
    OpenApiParameter("limit", int, description="1 to 100, 10 unless told otherwise"),
    OpenApiParameter("starting_after", str, description="an id: the older ones"),
    OpenApiParameter("ending_before", str, description="an id: the newer ones"),
]

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": [
                "type",
                "code",
                "message",
                "param",
                "decline_code",
                "request_id",
                "doc_url",
            ],
            "properties": {
                "type": {"type": "string"},
                "code": {"type": "string"},
                "message": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "decline_code": {"type": ["string", "null"]},
                "request_id": {"type": "string"},
                "doc_url": {"type": "string"},
            },
        }
    },
}
_REFUSAL = {
    "description": "An error: `type` and `code` say which, `request_id` names it to support.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}


class Description(AutoSchema):
    """Names operations: what is read without an id at the end of its address is a list."""

    def get_operation_id(self) -> str:
        name: str = super().get_operation_id()
        if self.method == "GET" and not self.path.endswith("}"):
            return name.removesuffix("_retrieve").removesuffix("_list") + "_list"
        return name


@require_safe
def schema(_request: HttpRequest) -> HttpResponse:
    """The OpenAPI document; the code cannot change while a process lives, so it is made once."""
    return HttpResponse(_document(), content_type="application/json")


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """The document as a page, and the table of errors that `doc_url` points to."""
    return render(request, "core/docs.html", {"errors": error_table()})


def error_table() -> list[dict[str, Any]]:
    """Every error the API may answer with, from the classes themselves, by status and code."""
    rows = {
        (error.status, error.code): {
            "status": error.status,
            "type": error.type,
            "code": error.code,
            "says": error.says or (error.__doc__ or error.code).strip().partition("\n")[0],
        }
        for error in _all_errors(DomainError)
    }
    return [rows[key] for key in sorted(rows)]


def describe_errors(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A drf-spectacular hook: every operation may answer with the one error body."""
    result.setdefault("components", {}).setdefault("schemas", {})["Error"] = _ERROR
    for methods in result.get("paths", {}).values():
        for operation in methods.values():
            if isinstance(operation, dict) and "responses" in operation:
                operation["responses"].setdefault("default", _REFUSAL)
    return result


@cache
def _document() -> bytes:
    document = SchemaGenerator().get_schema(request=None, public=True)
    return json.dumps(document, default=str).encode()


def _all_errors(family: type[DomainError]) -> Iterator[type[DomainError]]:
    for error in family.__subclasses__():
        yield error
        yield from _all_errors(error)
