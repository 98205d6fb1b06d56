"""The trail in the console."""

from django.contrib import admin

from apps.audit.models import AuditEntry
from apps.core.admin import ReadOnlyAdmin


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "actor", "action", "subject_kind", "subject_id", "book_id")
    list_filter = ("subject_kind",)
    search_fields = ("action__exact", "actor__exact")
    id_fields = ("id", "subject_id", "book_id")
