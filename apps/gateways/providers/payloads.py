"""What a provider posted to us: read, and emptied of what we may not keep."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from apps.core import cards
from apps.gateways.types import BadEvent

MAX_DEPTH: Final = 40
WITHHELD: Final = "[withheld]"


def decoded(raw_body: bytes) -> dict[str, Any]:
    """:raises BadEvent: not a JSON object."""
    try:
        event = json.loads(raw_body)
    except (ValueError, RecursionError) as error:
        raise BadEvent(f"not JSON: {type(error).__name__}") from error
    if not isinstance(event, dict):
        raise BadEvent("not an object")
    return event


def field(parent: Mapping[str, Any], name: str, kind: type) -> Any:
    """:raises BadEvent: it is missing, empty or of another kind."""
    value = parent.get(name)
    if not isinstance(value, kind) or not value:
        raise BadEvent(f"no {name}")
    return value


def header(headers: Mapping[str, str], name: str) -> str:
    """A header whatever the case of its name; empty if there is none."""
    return next((value for key, value in headers.items() if key.lower() == name.lower()), "")


def kept(value: Any, withheld: frozenset[str], depth: int = 0) -> Any:
    """What may be stored: no field of `withheld`, no card number, nothing jsonb refuses."""
    if depth > MAX_DEPTH:
        return WITHHELD
    if isinstance(value, dict):
        return {
            text(key): WITHHELD if key in withheld and item else kept(item, withheld, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [kept(item, withheld, depth + 1) for item in value]
    if isinstance(value, str):
        return text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**12:
        digits = str(value)
        return value if cards.scrub(digits) == digits else WITHHELD
    return value


def text(value: str) -> str:
    """Without NUL and lone surrogates, which jsonb refuses, and without card numbers."""
    whole = value.replace("\x00", "�").encode("utf-8", "replace").decode()
    return cards.scrub(whole)
