"""What a request's body may hold: JSON types taken at their word, and no field we do not know."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from apps.core import money

LARGEST_AMOUNT = 10**12

# What JSON type a field wants. DRF alone would take "10" for 10, 10 for "10" and 1 for true.
_WANTED: tuple[tuple[type[serializers.Field[Any, Any, Any, Any]], type, str], ...] = (
    (serializers.BooleanField, bool, "true or false"),
    (serializers.IntegerField, int, "an integer"),
    (serializers.FloatField, float, "a number"),
    (serializers.DecimalField, str, "a decimal number in quotes"),
    (serializers.DictField, dict, "an object"),
    (serializers.BaseSerializer, dict, "an object"),
    (serializers.ListField, list, "a list"),
    (serializers.ListSerializer, list, "a list"),
)


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses unknown fields, and values of another JSON type than the field's.

    Every field of DRF is strict in here: numbers are no texts, texts no numbers, `true` is not 1.
    """

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, Mapping):
            fields = self.fields
            for name, value in data.items():
                field = fields.get(name)
                if field is None or field.read_only:
                    raise serializers.ValidationError({name: ["Unknown field."]})
                if value is not None:
                    complaint = _complaint(field, value)
                    if complaint:
                        raise serializers.ValidationError({name: complaint})
        values: dict[str, Any] = super().to_internal_value(data)
        return values

    def get_fields(self) -> dict[str, Any]:
        # DRF copies every declared field deeply for each request, by building it anew. A simple
        # field is never changed but for its binding, so a shallow copy is enough.
        return {name: _own(field) for name, field in self._declared_fields.items()}


class TextField(serializers.CharField):
    """A text as it was sent: no trimming, no NUL; 255 characters unless told otherwise."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 255)
        kwargs.setdefault("trim_whitespace", False)
        super().__init__(**kwargs)


class AmountField(serializers.IntegerField):
    """An amount in minor units: a strict JSON integer from 1 to 10^12."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("min_value", 1)
        kwargs.setdefault("max_value", LARGEST_AMOUNT)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            raise serializers.ValidationError("Must be an integer, in minor units.")
        return data


class CurrencyField(serializers.CharField):
    """The ISO 4217 code, in capitals, of a currency in use."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("min_length", 3)
        kwargs.setdefault("max_length", 3)
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not money.is_currency(data):
            raise serializers.ValidationError("Unknown currency: an ISO 4217 code in capitals.")
        return str(data)


class MetadataField(serializers.DictField):
    """The merchant's own notes: at most 50 texts of 500 characters under names of 40."""

    MAX_KEYS, MAX_NAME, MAX_TEXT = 50, 40, 500

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        super().__init__(child=TextField(max_length=self.MAX_TEXT, allow_blank=True), **kwargs)

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if len(data) > self.MAX_KEYS:
            raise serializers.ValidationError(f"At most {self.MAX_KEYS} entries.")
        for name, text in data.items():
            if not 1 <= len(name) <= self.MAX_NAME or "[" in name or "]" in name:
                raise serializers.ValidationError(
                    f"Names have 1 to {self.MAX_NAME} characters and no square brackets."
                )
            if type(text) is not str or len(text) > self.MAX_TEXT:
                raise serializers.ValidationError(
                    {name: [f"Must be a text of at most {self.MAX_TEXT} characters."]}
                )
        return dict(data)


def _complaint(field: Any, value: Any) -> Any:
    """What is wrong with the JSON type of a value or of its items, as DRF nests it; else None."""
    wanted, words = _wanted(type(field))
    given = type(value)
    if given is not wanted and not (wanted is float and given is int):
        return [f"Must be {words}."]
    if wanted is list:
        for index, item in enumerate(value):
            complaint = _complaint(field.child, item)
            if complaint:
                return {index: complaint}
    return None


_wanted_by_class: dict[type, tuple[type, str]] = {}


def _wanted(field_class: type) -> tuple[type, str]:
    found = _wanted_by_class.get(field_class)
    if found is None:
        matches = (
            (wanted, words) for base, wanted, words in _WANTED if issubclass(field_class, base)
        )
        # Texts, choices, dates, UUIDs, e-mail addresses: all of them are texts in JSON.
        found = _wanted_by_class[field_class] = next(matches, (str, "a text"))
    return found


def _own(field: Any) -> Any:
    """A copy of a declared field for one serializer; deep only where a field holds others."""
    holds_others = hasattr(field, "child") or isinstance(field, serializers.BaseSerializer)
    if holds_others and not isinstance(field, MetadataField):
        return copy.deepcopy(field)
    own = object.__new__(type(field))
    own.__dict__.update(field.__dict__)
    own.validators = list(field.validators)
    return own
