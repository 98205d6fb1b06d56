"""The base of every console page: lists and details that can be read and nothing else.

Money is never saved from a form. An action, where a page has one, calls a service.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

COUNT_LIMIT = 10_000


class BoundedPaginator(Paginator[Any]):
    """Counts no further than `COUNT_LIMIT` rows: a hot table is never counted whole for a page."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if not isinstance(rows, QuerySet):
            return len(rows)
        return rows.order_by()[:COUNT_LIMIT].count()


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[misc]
    """A list and a page of details. Nobody adds, changes or deletes here, superusers included."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 50
    list_filter_submit = True
    actions = None
    ordering = ("-pk",)

    def has_add_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False
