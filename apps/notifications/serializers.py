"""Events as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rest_framework import serializers

from apps.core import ids
from apps.notifications.models import Event


class EventDataShape(serializers.Serializer[Any]):
    object = serializers.DictField(help_text="the object as it was when the event happened")


class EventShape(serializers.Serializer[Any]):
    """Something that happened. `sequence` grows with the events of one object."""

    id = serializers.CharField(help_text="evt_…")
    object = serializers.ChoiceField(choices=["event"])
    type = serializers.CharField(help_text="payment.captured")
    sequence = serializers.IntegerField()
    data = EventDataShape()  # type: ignore[assignment]
    occurred_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()


class EventList(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["list"])
    data = EventShape(many=True)  # type: ignore[assignment]
    has_more = serializers.BooleanField()
    url = serializers.CharField()


def render_event(event: Event) -> dict[str, Any]:
    """The event as the API shows it; times are ISO 8601 in UTC."""
    return {
        "id": ids.encode("evt", event.id),
        "object": "event",
        "type": event.kind,
        "sequence": event.sequence,
        "data": {"object": event.payload},
        "occurred_at": _time(event.occurred_at),
        "created_at": _time(event.created_at),
    }


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
