"""What a request may carry: read off the pinned SDK's own TypedDicts.

The SDK is generated from Stripe's own description of its interface, so a parameter that its types
do not know is one that Stripe refuses too (`parameter_unknown`), and a typing mistake in our
adapter shows here and not in production.
"""

import importlib
import re
import typing
from collections.abc import Mapping
from typing import Any, NotRequired, Required

from stripe._request_options import RequestOptions

from .wire import Json, StripeError, named

_INTEGER = re.compile("-?[0-9]{1,18}")
_OPTIONS = frozenset(RequestOptions.__annotations__)


class Shape:
    """One annotation, understood as far as a form field can go against it."""

    def __init__(self, hint: Any) -> None:
        self.fields: type | None = None
        self.kinds: dict[str, type] = {}  # of several objects, by what `object` says
        self.item: Any = None
        self.is_map = False
        self.is_any = False
        self.scalars: set[type] = set()
        self.words: set[str] = set()
        self.is_open = False
        self._read(hint)

    def _read(self, hint: Any) -> None:
        origin = typing.get_origin(hint)
        if origin in (NotRequired, Required):
            self._read(typing.get_args(hint)[0])
        elif origin is typing.Literal:
            self.words |= set(typing.get_args(hint))
        elif origin in (list, typing.Sequence):
            self.item = typing.get_args(hint)[0]
        elif origin in (dict, Mapping) or _is_untyped(hint):
            self.is_map = True
        elif hasattr(hint, "__required_keys__"):  # a TypedDict of `typing_extensions`
            self._read_fields(hint)
        elif hint in (int, float, bool, str):
            self.scalars.add(hint)
            self.is_open = self.is_open or hint is str
        elif origin is not None:
            for choice in typing.get_args(hint):
                self._read(choice)
        elif hint is not type(None):
            self.is_any = True

    def _read_fields(self, hint: Any) -> None:
        self.fields = hint
        if "object" in hint.__annotations__:
            self.kinds |= dict.fromkeys(_fields(hint)["object"][0].words, hint)


def _is_untyped(hint: Any) -> bool:
    name = getattr(hint, "__name__", "") or getattr(typing.get_origin(hint), "__name__", "")
    return name == "UntypedStripeObject"


_shapes: dict[type, dict[str, tuple[Shape, bool]]] = {}


def _fields(params: type) -> dict[str, tuple[Shape, bool]]:
    """The fields of a TypedDict with their shapes and whether each is required; read once."""
    known = _shapes.get(params)
    if known is None:
        # The options of a request (key, headers…) are in the same TypedDict and never on the wire;
        # their annotations cannot even be resolved where the parameters live.
        wanted = {k: v for k, v in params.__annotations__.items() if k not in _OPTIONS}
        own = type("Own", (), {"__annotations__": wanted, "__module__": params.__module__})
        hints = typing.get_type_hints(own, include_extras=True)
        known = {
            name: (Shape(hint), typing.get_origin(hint) is not NotRequired)
            for name, hint in hints.items()
        }
        _shapes[params] = known
    return known


def params_of(module: str, name: str) -> type:
    """`("payment_intent_create", "PaymentIntentCreateParams")` → the SDK's TypedDict."""
    found: type = getattr(importlib.import_module(f"stripe.params._{module}_params"), name)
    return found


def check(params: type, given: Json) -> Json:
    """The parameters with integers, booleans and lists in their own types.

    :raises StripeError: 400 `parameter_unknown`, `parameter_missing` or an invalid value.
    """
    return _object(params, given, [])


def _object(params: type, given: Json, path: list[str]) -> Json:
    fields = _fields(params)
    for name in given:
        if name not in fields:
            param = named([*path, name])
            raise StripeError(
                400, f"Received unknown parameter: {param}", code="parameter_unknown", param=param
            )
    for name, (_, required) in fields.items():
        if required and name not in given:
            param = named([*path, name])
            raise StripeError(
                400, f"Missing required param: {param}.", code="parameter_missing", param=param
            )
    return {name: _value(fields[name][0], value, [*path, name]) for name, value in given.items()}


def _value(shape: Shape, value: Any, path: list[str]) -> Any:
    if shape.is_any:
        return value
    if isinstance(value, dict):
        fields = shape.kinds.get(str(value.get("object"))) or shape.fields
        if fields is not None:
            return _object(fields, value, path)
        if shape.item is not None and all(key.isdecimal() for key in value):
            inner = Shape(shape.item)
            ordered = sorted(value.items(), key=lambda pair: int(pair[0]))
            return [_value(inner, entry, [*path, key]) for key, entry in ordered]
        if shape.is_map and all(isinstance(entry, str) for entry in value.values()):
            return value
        raise _invalid("object", value, path)
    return _scalar(shape, value, path)


def _scalar(shape: Shape, value: str, path: list[str]) -> Any:
    if value in shape.words:
        return value
    if int in shape.scalars:
        if _INTEGER.fullmatch(value):
            return int(value)
        if not shape.is_open:
            raise _invalid("integer", value, path, "parameter_invalid_integer")
    if bool in shape.scalars and value in ("true", "false"):
        return value == "true"
    if shape.is_open:
        return value
    if float in shape.scalars:
        return value
    if shape.words:
        choices = ", ".join(sorted(word for word in shape.words if word))
        raise StripeError(
            400, f"Invalid {named(path)}: must be one of {choices}", param=named(path)
        )
    raise _invalid("boolean" if bool in shape.scalars else "object", value, path)


def _invalid(what: str, value: Any, path: list[str], code: str | None = None) -> StripeError:
    return StripeError(400, f"Invalid {what}: {value}", code=code, param=named(path))
