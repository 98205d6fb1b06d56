"""Assessments in the console."""

from django.contrib import admin

from apps.core.admin import ReadOnlyAdmin
from apps.risk.models import ScreenedPayment


@admin.register(ScreenedPayment)
class ScreenedPaymentAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "decision", "score", "reasons", "subject_id", "book_id")
    list_filter = ("decision",)
    search_fields = ("decision__exact",)
    id_fields = ("id", "subject_id", "book_id")
