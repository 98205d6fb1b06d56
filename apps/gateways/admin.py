"""Read-only pages: what was asked of providers, what they said, what they sent."""

from django.contrib import admin

from apps.core.admin import ReadOnlyAdmin
from apps.gateways.models import InboundEvent, ProviderCall, ProviderObject


@admin.register(ProviderCall)
class ProviderCallAdmin(ReadOnlyAdmin):
    list_display = (
        "created_at",
        "provider",
        "step",
        "call",
        "outcome",
        "code",
        "provider_reference",
        "attempts",
        "op_key",
    )
    list_filter = ("outcome", "provider", "call")
    search_fields = ("op_key__startswith", "provider_reference__exact", "payment_id__exact")


@admin.register(ProviderObject)
class ProviderObjectAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "provider", "reference", "payment_id", "book_id")
    search_fields = ("reference__exact", "payment_id__exact")


@admin.register(InboundEvent)
class InboundEventAdmin(ReadOnlyAdmin):
    list_display = (
        "received_at",
        "provider",
        "kind",
        "object_reference",
        "processed_at",
        "note",
        "event_id",
    )
    list_filter = ("provider", "kind", ("processed_at", admin.EmptyFieldListFilter))
    search_fields = ("event_id__exact", "object_reference__exact", "payment_reference__exact")
