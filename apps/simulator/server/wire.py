"""Stripe's wire format: form-encoded nested parameters in, JSON and error bodies out."""

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

Json = dict[str, Any]

_FIELDS = 1000
_DEPTH = 8
_PART = re.compile(r"\[([^\[\]]*)\]")
_DOCS = "https://stripe.com/docs/error-codes/"


class StripeError(Exception):
    """An answer that is not 200.

    `keeps_effect` tells the engine whether what the request wrote stays: a declined confirmation
    leaves a failed charge behind, a refused one leaves nothing.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        keeps_effect: bool = False,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.code = code
        self.keeps_effect = keeps_effect
        self.error: Json = {"type": kind, "message": message}
        if code is not None:
            self.error |= {"code": code, "doc_url": _DOCS + code.replace("_", "-")}
        if param is not None:
            self.error["param"] = param
        self.error |= {name: value for name, value in extra.items() if value is not None}


def missing(kind: str, object_id: str, *, param: str = "id", status: int = 404) -> StripeError:
    """The object named does not exist: 404 in a path, 400 inside parameters, as at Stripe."""
    return StripeError(
        status, f"No such {kind}: '{object_id}'", code="resource_missing", param=param
    )


@dataclass(slots=True)
class Call:
    """One request, decoded."""

    method: str
    path: str
    headers: dict[str, str]
    query: str = ""
    body: bytes = b""
    request_id: str = ""
    op: str = ""
    object_id: str = ""
    params: Json = field(default_factory=dict)
    files: list[Json] = field(default_factory=list)  # what is kept of each: name, size, hash

    @property
    def idempotency_key(self) -> str | None:
        return self.headers.get("idempotency-key")


@dataclass(slots=True)
class Reply:
    """One answer, ready for the socket; `linger`: what the network does instead of answering."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    linger: str = ""
    linger_seconds: float = 0.0


def dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def json_reply(value: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(
        status, dumps(value).encode(), {k.replace("_", "-"): v for k, v in headers.items()}
    )


def decode_form(text: str) -> Json:
    """`a[b][0]=x&a[c]=y` → `{"a": {"b": {"0": "x"}, "c": "y"}}`; lists keep their indexes as keys.

    :raises StripeError: too many fields, too deep, or a name that is a value and a folder at once.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS, errors="strict")
    except ValueError as reason:
        raise StripeError(400, "Invalid request body.", code="parameter_invalid") from reason
    tree: Json = {}
    for name, value in pairs:
        head, _, rest = name.partition("[")
        parts = [head, *_PART.findall("[" + rest)] if rest else [head]
        if len(parts) > _DEPTH:
            raise StripeError(400, f"Invalid parameter: {head}", param=head)
        _place(tree, parts, value)
    return tree


def _place(tree: Json, parts: list[str], value: str) -> None:
    folder = tree
    for part in parts[:-1]:
        below = folder.setdefault(part, {})
        if not isinstance(below, dict):
            raise StripeError(400, f"Invalid object: {parts[0]}", param=parts[0])
        folder = below
    leaf = parts[-1] or str(len(folder))
    if isinstance(folder.get(leaf), dict):
        raise StripeError(400, f"Invalid string: {parts[0]}", param=parts[0])
    folder[leaf] = value


def named(path: list[str]) -> str:
    """`["a", "b"]` → `a[b]`, the way Stripe's errors name a parameter."""
    return path[0] + "".join(f"[{part}]" for part in path[1:])
