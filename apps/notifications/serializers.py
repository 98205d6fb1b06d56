"""What a merchant may send about webhooks, and what events and webhooks look like here."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.core.api import StrictSerializer, TextField
from apps.notifications import transport
from apps.notifications.types import (
    EVERY_TYPE,
    MAX_EVENT_TYPES,
    MAX_URL_LENGTH,
    DeliveryStatus,
    DisabledReason,
    NoAnswer,
)

MAX_OVERLAP_SECONDS = 7 * 24 * 3600
DEFAULT_OVERLAP_SECONDS = 24 * 3600


class EventTypeField(serializers.RegexField):
    """`*`, `payment.*` or `payment.captured`. A kind that never happens is no error."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            r"\A(\*|[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*\.(\*|[a-z][a-z0-9_]*))\Z",
            max_length=80,
            trim_whitespace=False,
            error_messages={"invalid": "Must be like payment.captured, payment.* or *."},
            **kwargs,
        )


class _UrlField(TextField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_URL_LENGTH, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        url: str = super().to_internal_value(data)
        try:
            transport.read_url(url)
        except transport.BadUrl as error:
            raise serializers.ValidationError(str(error)) from None
        return url


def _event_types(**kwargs: Any) -> serializers.ListField:
    return serializers.ListField(
        child=EventTypeField(), min_length=1, max_length=MAX_EVENT_TYPES, **kwargs
    )


class NewWebhookEndpoint(StrictSerializer):
    url = _UrlField()
    event_types = _event_types(default=[EVERY_TYPE])
    enabled = serializers.BooleanField(default=True)


class WebhookEndpointChanges(StrictSerializer):
    url = _UrlField(required=False)
    event_types = _event_types(required=False)
    enabled = serializers.BooleanField(required=False)


class NewSecret(StrictSerializer):
    overlap_seconds = serializers.IntegerField(
        min_value=0,
        max_value=MAX_OVERLAP_SECONDS,
        default=DEFAULT_OVERLAP_SECONDS,
        help_text="how long the present secret signs too",
    )


class NewReplay(StrictSerializer):
    since = serializers.DateTimeField()
    until = serializers.DateTimeField(required=False, help_text="now unless told otherwise")
    include_delivered = serializers.BooleanField(default=False)


# --- answers, and their schema --------------------------------------------------------------------


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


class WebhookEndpointShape(serializers.Serializer[Any]):
    """An address that is told of events."""

    id = serializers.CharField(help_text="whe_…")
    object = serializers.ChoiceField(choices=["webhook_endpoint"])
    url = serializers.CharField()
    event_types = serializers.ListField(child=serializers.CharField())
    enabled = serializers.BooleanField()
    disabled_reason = serializers.ChoiceField(
        choices=[reason.value for reason in DisabledReason],
        allow_null=True,
        help_text="`gone`: it answered 410",
    )
    created_at = serializers.DateTimeField()


class WebhookEndpointWithSecretShape(WebhookEndpointShape):
    """The answer to whoever made the secret, and to nobody else."""

    secret = serializers.CharField(
        allow_null=True, help_text="whsec_…; null in a late repeat, when it is forgotten"
    )


class DeletedWebhookEndpointShape(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="whe_…")
    object = serializers.ChoiceField(choices=["webhook_endpoint"])
    deleted = serializers.BooleanField()


class WebhookEndpointList(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["list"])
    data = WebhookEndpointShape(many=True)  # type: ignore[assignment]
    has_more = serializers.BooleanField()
    url = serializers.CharField()


class DeliveryShape(serializers.Serializer[Any]):
    """An event on its way to an endpoint. A pending one without `next_attempt_at` waits for an
    earlier event of the same object, or for the endpoint to be enabled."""

    id = serializers.CharField(help_text="whd_…")
    object = serializers.ChoiceField(choices=["webhook_delivery"])
    webhook_endpoint = serializers.CharField(help_text="whe_…")
    event = serializers.CharField(help_text="evt_…, and the header webhook-id")
    type = serializers.CharField()
    sequence = serializers.IntegerField()
    status = serializers.ChoiceField(choices=[status.value for status in DeliveryStatus])
    attempts = serializers.IntegerField(help_text="since it was queued or redelivered")
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    last_attempt_at = serializers.DateTimeField(allow_null=True)
    last_status_code = serializers.IntegerField(allow_null=True)
    last_error = serializers.ChoiceField(
        choices=[reason.value for reason in NoAnswer], allow_null=True
    )
    delivered_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class DeliveryAttemptShape(serializers.Serializer[Any]):
    started_at = serializers.DateTimeField()
    duration_ms = serializers.IntegerField()
    status_code = serializers.IntegerField(allow_null=True)
    error = serializers.ChoiceField(choices=[reason.value for reason in NoAnswer], allow_null=True)


class DeliveryWithLogShape(DeliveryShape):
    """A delivery with its attempts, the newest first, at most 100."""

    attempt_log = DeliveryAttemptShape(many=True)


class DeliveryList(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["list"])
    data = DeliveryShape(many=True)  # type: ignore[assignment]
    has_more = serializers.BooleanField()
    url = serializers.CharField()


class ReplayShape(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["webhook_replay"])
    queued = serializers.IntegerField()
