"""The one JSON parser, and the one of files: strict, bounded, and never an exception of ours for
bytes of theirs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from rest_framework.parsers import BaseParser

from apps.core import cards
from apps.core.errors import BodyTooLarge, InvalidRequest

MAX_BYTES = 256 * 1024
MAX_DEPTH = 10
_ENVELOPE_BYTES = 4 * 1024  # boundaries and the heads of parts, around a file
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


@dataclass(frozen=True)
class Upload:
    """A file as somebody sent it: what it is called and said to be proves nothing."""

    name: str
    content: bytes = field(repr=False)


class OneFileParser(BaseParser):
    """Reads a `multipart/form-data` body that is one file, named `file`: `{"file": Upload}`.

    Refused with 413: more than the view's `upload_bytes`, before anything is read when its length
    is announced, and as soon as it is too much when it lies. Refused with 400: anything else in it.
    Refused with 422: a card number in its name; the content is nobody's text to look into.
    """

    media_type = "multipart/form-data"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,  # noqa: ARG002 - the interface's
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        context = parser_context or {}
        meta, limit = context["request"].META, int(context["view"].upload_bytes)
        announced = str(meta.get("CONTENT_LENGTH") or "0")
        if announced.isdigit() and int(announced) > limit + _ENVELOPE_BYTES:
            raise _too_large(limit)
        try:
            body: Any = stream
            fields, files = MultiPartParser(meta, body, [_InMemory(limit)]).parse()
        except (MultiPartParserError, SuspiciousOperation, UnicodeError, OSError):
            raise InvalidRequest("The body is no well-formed multipart/form-data.") from None
        named = [(name, file) for name, several in files.lists() for file in several]
        if [name for name, _ in named] != ["file"] or fields:
            raise InvalidRequest("file: one file, and nothing else.", param="file")
        upload = Upload(named[0][1].name or "", named[0][1].content)
        _check_text(upload.name)
        cards.refuse_in_texts(upload.name)
        return {"file": upload}


@dataclass(frozen=True)
class _Read:
    """What `_InMemory` makes of a file."""

    name: str
    content: bytes
    size: int


class _InMemory(FileUploadHandler):
    """Files stay in memory, and together below a limit: nothing of them is written to a disk."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit, self._size = limit, 0
        self._pieces: list[bytes] = []

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self._pieces = []

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:  # noqa: ARG002
        self._size += len(raw_data)
        if self._size > self._limit:
            raise _too_large(self._limit)
        self._pieces.append(raw_data)

    def file_complete(self, file_size: int) -> Any:
        return _Read(self.file_name or "", b"".join(self._pieces), file_size)


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


def _too_large(limit: int = MAX_BYTES) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {limit // 1024} kB.")


def _too_deep() -> InvalidRequest:
    return InvalidRequest(f"The body is nested deeper than {MAX_DEPTH} levels.")
