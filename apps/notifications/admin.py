"""Events in the console."""

from django.contrib import admin

from apps.core.admin import ReadOnlyAdmin
from apps.notifications.models import Event


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "kind", "subject_id", "sequence", "book_id")
    list_filter = ("subject_kind",)
    search_fields = ("kind__exact",)
    id_fields = ("id", "subject_id", "book_id")
