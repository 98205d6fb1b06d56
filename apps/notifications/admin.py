"""Events and webhooks in the console. Secrets are not shown to anybody here."""

from django.contrib import admin

from apps.core.admin import ReadOnlyAdmin
from apps.notifications.models import Delivery, DeliveryAttempt, Event, WebhookEndpoint


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "kind", "subject_id", "sequence", "book_id")
    list_filter = ("subject_kind",)
    search_fields = ("kind__exact",)
    id_fields = ("id", "subject_id", "book_id")


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "url", "status", "disabled_reason", "created_at", "book_id")
    list_filter = ("status",)
    search_fields = ("url__exact",)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = (
        *("__str__", "status", "attempts", "due_at", "last_status_code", "last_error"),
        *("delivered_at", "book_id"),
    )
    list_filter = ("status",)
    search_fields = ("last_error__exact",)
    id_fields = ("id", "endpoint_id", "event_id", "subject_id", "book_id")


@admin.register(DeliveryAttempt)
class DeliveryAttemptAdmin(ReadOnlyAdmin):
    list_display = ("started_at", "status_code", "error", "duration_ms", "delivery", "book_id")
    search_fields = ("error__exact",)
    id_fields = ("id", "delivery_id", "book_id")
