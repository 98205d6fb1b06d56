"""The one JSON parser: strict, bounded, and never an exception of ours for bytes of theirs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import BaseParser

from apps.core import cards
from apps.core.errors import BodyTooLarge, InvalidRequest

MAX_BYTES = 256 * 1024
MAX_DEPTH = 10
_INT64 = 2**63


class StrictJSONParser(BaseParser):
    """Reads a request's body as a JSON object.

    Refused with 413: more than 256 kB, before it is read when its length is announced, and after
    256 kB when not. Refused with 400: all that `loads` refuses. Refused with 422: a card number,
    but in the `exempt_fields` of the view.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,  # noqa: ARG002 - the interface's
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        context = parser_context or {}
        meta = context["request"].META if context else {}
        announced = str(meta.get("CONTENT_LENGTH") or "0")
        if announced.isdigit() and int(announced) > MAX_BYTES:
            raise _too_large()
        try:
            raw = stream.read(MAX_BYTES + 1)
        except OSError:
            raise InvalidRequest("The body ended before its Content-Length.") from None
        if len(raw) > MAX_BYTES:
            raise _too_large()
        payload = loads(raw)
        if cards.is_suspect(raw):
            view = context.get("view")
            exempt: frozenset[str] = getattr(view, "exempt_fields", frozenset())
            cards.refuse_card_numbers(payload, exempt=exempt)
        return payload


def loads(raw: bytes) -> dict[str, Any]:
    """A JSON object from bytes, as RFC 8259 has it and one way only.

    :raises InvalidRequest: not UTF-8, not JSON, not an object, a key twice, NaN or an infinity, an
        integer beyond 64 bits, a NUL character, half a surrogate pair, or deeper than 10 levels.
    """
    try:
        payload = _DECODER.decode(raw.decode())
    except UnicodeDecodeError:
        raise InvalidRequest("The body is not valid UTF-8.") from None
    except json.JSONDecodeError as error:
        message = f"The body is not valid JSON: {error.msg}, line {error.lineno}"
        raise InvalidRequest(f"{message}, column {error.colno}.") from None
    except RecursionError:
        raise _too_deep() from None
    if not isinstance(payload, dict):
        raise InvalidRequest("The body must be a JSON object.")
    # A character that needs a look can only have come in as an escape: JSON has no raw control
    # characters and UTF-8 no surrogates.
    has_escapes = b"\\u" in raw
    if has_escapes or raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
        _check(payload, 1, has_escapes)
    return payload


def _check(value: Any, depth: int, has_escapes: bool) -> None:
    if isinstance(value, str):
        if has_escapes:
            _check_text(value)
    elif isinstance(value, dict | list):
        if depth > MAX_DEPTH:
            raise _too_deep()
        if isinstance(value, dict):
            for key in value if has_escapes else ():
                _check_text(key)
            value = value.values()
        for item in value:
            _check(item, depth + 1, has_escapes)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise InvalidRequest("A text holds a NUL character.")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidRequest("A text holds half a surrogate pair.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these members, of which no two have one name."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InvalidRequest("The body names a key twice in one object.")
    return members


def _integer(digits: str) -> int:
    # The length first: turning a hundred thousand digits into a number takes long.
    value = int(digits) if len(digits) <= 20 else _INT64
    if not -_INT64 <= value < _INT64:
        raise InvalidRequest("The body holds an integer beyond 64 bits.")
    return value


def _number(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise InvalidRequest("The body holds a number too large.")
    return value


def _constant(name: str) -> float:
    raise InvalidRequest(f"The body is not valid JSON: {name} is no JSON number.")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_number,
    parse_constant=_constant,
)


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {MAX_BYTES // 1024} kB.")


def _too_deep() -> InvalidRequest:
    return InvalidRequest(f"The body is nested deeper than {MAX_DEPTH} levels.")
