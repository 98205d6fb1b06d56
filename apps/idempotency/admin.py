"""Idempotency keys in the console: who asked when, and whether there is an answer."""

from django.contrib import admin

from apps.core.admin import ReadOnlyAdmin
from apps.idempotency.models import IdempotencyKey


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "key", "scope", "status_code", "expires_at", "book_id", "id")
    list_filter = ("status_code",)
    exclude = ("fingerprint",)
    search_fields = ("key__exact",)
