"""The base of every console page: lists and details that can be read and nothing else.

Money is never saved from a form. An action, where a page has one, calls a service.
"""

from __future__ import annotations

from functools import cached_property, reduce
from operator import or_
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from apps.core import ids
from apps.core.types import Actor

if TYPE_CHECKING:
    _Paginator = Paginator[Any]  # generic in the stubs alone
else:
    _Paginator = Paginator

COUNT_LIMIT = 10_000
# What is said when a guard fails: somebody else was there between the reading and the writing.
CHANGED = "It has changed: look again."
_Row = TypeVar("_Row", bound=Model)


class BoundedPaginator(_Paginator):
    """Counts no further than `COUNT_LIMIT` rows: a hot table is never counted whole for a page."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if not isinstance(rows, QuerySet):
            return len(rows)
        return rows.order_by()[:COUNT_LIMIT].count()


class ReadOnlyAdmin(ModelAdmin):
    """A list and a page of details. Nobody adds, changes or deletes here, superusers included.

    The search box reads a UUID or a public id (`pay_…`) and looks for it in `id_fields`; other
    words go to `search_fields`, which should be `…__exact`: a hot table is not searched by parts.
    """

    id_fields: tuple[str, ...] = ("id", "book_id")

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 50
    list_filter_submit = True
    actions: tuple[str, ...] | None = None
    ordering = ("-pk",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Model], search_term: str
    ) -> tuple[QuerySet[Model], bool]:
        wanted = read_id(search_term.strip())
        if wanted is None:
            return super().get_search_results(request, queryset, search_term)
        known = {field.attname for field in self.model._meta.concrete_fields}
        places = [Q((field, wanted)) for field in self.id_fields if field in known]
        return (queryset.filter(reduce(or_, places)) if places else queryset.none()), False

    def has_add_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False


def in_words(state: str) -> str:
    """A state as a person says it: IN_TRANSIT is `In transit`."""
    return state.replace("_", " ").capitalize()


def linked(words: str, page: str, key: object) -> SafeString:
    """A link to the page of a row: `page` is its app and model, `wallets_wallet`."""
    return format_html('<a href="{}">{}</a>', reverse(f"admin:{page}_change", args=[key]), words)


def actor_of(request: HttpRequest) -> Actor:
    """Who is in the trail for what this person does."""
    return f"staff:{request.user.pk}"


def find_row(model: type[_Row], text: str) -> _Row | None:
    """The row whose id stands in an address; None if there is none, or that is no id."""
    wanted = read_id(text)
    return None if wanted is None else model._default_manager.filter(pk=wanted).first()


def read_id(text: str) -> UUID | None:
    """The UUID that a person pasted, bare or as a public id of any prefix."""
    try:
        return UUID(text)
    except ValueError:
        pass
    try:
        return ids.decode(text.rpartition("_")[0].lower(), text)
    except ids.InvalidId:
        return None
