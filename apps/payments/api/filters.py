"""What a list of payments is filtered by, and what an answer is expanded by."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from apps.core import money
from apps.core.api import currency_of, moment_of
from apps.core.errors import InvalidRequest
from apps.payments.types import Status

EXPANDABLE = frozenset({"disputes", "refunds", "saga", "ledger"})
FILTERS = (
    *("status", "from", "to", "currency", "min_amount", "source", "reference"),
    *("settled", "refunded", "disputed", "metadata[*]"),
)


def expand(text: str) -> frozenset[str]:
    wanted = frozenset(filter(None, text.split(",")))
    unknown = wanted - EXPANDABLE
    if unknown:
        raise InvalidRequest(f"expand: one of {', '.join(sorted(EXPANDABLE))}.", param="expand")
    return wanted


def payments(query: dict[str, str]) -> Q:
    found = Q()
    for name, text in query.items():
        if name.startswith("metadata["):
            found &= Q(metadata__contains={name[len("metadata[") : -1]: text})
        elif name in _FILTERS:
            found &= _FILTERS[name](text)
    if "min_amount" in query:
        found &= _min_amount(query["min_amount"], query.get("currency", ""))
    return found


def _status(text: str) -> Q:
    if text not in set(Status):
        raise InvalidRequest(f"status: one of {', '.join(Status)}.", param="status")
    return Q(status=text)


def _min_amount(text: str, currency: str) -> Q:
    if not money.is_currency(currency):
        raise InvalidRequest("min_amount needs a currency.", param="min_amount")
    if not (text.isascii() and text.isdigit() and len(text) <= 13):
        raise InvalidRequest("min_amount: an integer in minor units.", param="min_amount")
    return Q(amount__gte=money.from_minor(int(text), currency).amount)


def _flag(name: str, when_true: Q) -> Any:
    def read(text: str) -> Q:
        if text not in ("true", "false"):
            raise InvalidRequest(f"{name}: true or false.", param=name)
        return when_true if text == "true" else ~when_true

    return read


_FILTERS: dict[str, Any] = {
    "status": _status,
    "currency": lambda text: Q(currency=currency_of(text)),
    "source": lambda text: Q(source=text),
    "reference": lambda text: Q(reference=text),
    "from": lambda text: Q(created_at__gte=moment_of("from", text)),
    "to": lambda text: Q(created_at__lt=moment_of("to", text, is_end=True)),
    "settled": _flag("settled", Q(settled_at__isnull=False)),
    "refunded": _flag("refunded", Q(amount_refunded__gt=0)),
    "disputed": _flag("disputed", Q(amount_disputed__gt=0)),
}
