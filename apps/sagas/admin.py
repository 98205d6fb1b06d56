"""Runs in the console: where each is, what it waits for, and what went wrong."""

from django.contrib import admin

from apps.core.admin import ReadOnlyAdmin
from apps.sagas.models import Run


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    list_display = (
        *("saga", "subject_id", "status", "current_step", "waiting_for"),
        *("attempts", "look_ups", "next_run_at", "updated_at"),
    )
    list_filter = ("status", "saga", "current_step")
    search_fields = ("saga__exact",)
    id_fields = ("id", "subject_id", "book_id")
