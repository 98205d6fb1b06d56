"""Lists: newest first, by cursor. The cursor is the id itself, whose order is that of creation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import ids, money
from apps.core.errors import InvalidRequest

DEFAULT_LIMIT = 10
MAX_LIMIT = 100
CURSORS = ("limit", "starting_after", "ending_before")
PERIOD = [
    OpenApiParameter("from", str, description="a date or a time: recorded then or later"),
    OpenApiParameter("to", str, description="a date, the whole day, or a time: recorded before"),
]


def query_of(request: Request, allowed: Collection[str]) -> dict[str, str]:
    """The query's parameters, each given once and each known.

    An allowed name ending in `[*]` stands for any key: `metadata[*]` allows `metadata[order]`.

    :raises InvalidRequest: an unknown parameter, one given twice, or a NUL character.
    """
    families = tuple(name[:-2] for name in allowed if name.endswith("[*]"))
    values = {}
    for name, given in request.query_params.lists():
        if name not in allowed and not (name.startswith(families) and name.endswith("]")):
            raise InvalidRequest("Unknown query parameter.", param=name[:100])
        if len(given) != 1:
            raise InvalidRequest(f"{name}: give it once.", param=name)
        if "\0" in given[0] or "\0" in name:
            raise InvalidRequest("The query holds a NUL character.", param=name.replace("\0", ""))
        values[name] = given[0]
    return values


class Turn(NamedTuple):
    """Which page is asked for: so many, older than this id, or newer than that one."""

    limit: int
    after: UUID | None
    before: UUID | None


def turn_of(query: Mapping[str, str], prefix: str | Sequence[str]) -> Turn:
    """The page that a query asks for: `limit`, and one of `starting_after`, `ending_before`.

    :raises InvalidRequest: a limit out of range, a cursor that is no id of this list, both cursors.
    """
    prefixes = (prefix,) if isinstance(prefix, str) else tuple(prefix)
    limit = _limit(query.get("limit"))
    after, before = (_cursor(query, name, prefixes) for name in CURSORS[1:])
    if after is not None and before is not None:
        raise InvalidRequest(
            "Give starting_after or ending_before, not both.", param="ending_before"
        )
    return Turn(limit, after, before)


def paginate(
    queryset: QuerySet[Any],
    request: Request,
    *,
    render: Callable[[Any], dict[str, Any]],
    url: str,
    prefix: str | Sequence[str],
    filters: Collection[str] = (),
    prepare: Callable[[list[Any]], None] | None = None,
) -> Response:
    """One page of `queryset` as the request's query asks for it; one database query.

    `limit` 1 to 100 (10), and one of `starting_after` (the older neighbors of that id) and
    `ending_before` (the newer ones). `prefix` is the prefix, or the prefixes, of the ids in this
    list; `filters` names the further query parameters that the caller has read. `prepare` sees the
    page's rows before they are rendered, to read at once what each of them needs.

    :raises InvalidRequest: an unknown parameter, a limit out of range, a cursor that is no id.
    """
    limit, after, before = turn_of(query_of(request, (*CURSORS, *filters)), prefix)
    if before is not None:
        rows = list(queryset.filter(id__gt=before).order_by("id")[: limit + 1])
        page = rows[:limit][::-1]
    else:
        older = queryset if after is None else queryset.filter(id__lt=after)
        rows = list(older.order_by("-id")[: limit + 1])
        page = rows[:limit]
    if prepare is not None:
        prepare(page)
    return Response(
        {
            "object": "list",
            "data": [render(row) for row in page],
            "has_more": len(rows) > limit,
            "url": url,
        }
    )


def moment_of(name: str, text: str, *, is_end: bool = False) -> datetime:
    """A day (its beginning, or its end), or a time with its zone, as UTC.

    :raises InvalidRequest: neither.
    """
    try:
        if len(text) == len("2026-01-31"):
            day = date.fromisoformat(text) + timedelta(days=int(is_end))
            return datetime.combine(day, time(), tzinfo=UTC)
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            raise ValueError("a time of nowhere")
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        wanted = "a date or an ISO 8601 time with its zone"
        raise InvalidRequest(f"{name}: {wanted}.", param=name) from None


def period_of(query: Mapping[str, str]) -> dict[str, datetime | None]:
    """`since` and `until` of a query's `from` and `to`, as statements and histories take them.

    :raises InvalidRequest: no times, or an end before the beginning.
    """
    since = moment_of("from", query["from"]) if "from" in query else None
    until = moment_of("to", query["to"], is_end=True) if "to" in query else None
    if since is not None and until is not None and until < since:
        raise InvalidRequest("to: not before from.", param="to")
    return {"since": since, "until": until}


def currency_of(text: str) -> str:
    """The currency that a list is filtered by.

    :raises InvalidRequest: not the code of one that one can be paid in.
    """
    if not money.is_currency(text):
        raise InvalidRequest("currency: an ISO 4217 code in capitals.", param="currency")
    return text


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    # `isdigit` takes other alphabets' digits; three characters are enough for any limit.
    if text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MAX_LIMIT:
        return int(text)
    raise InvalidRequest(f"limit: an integer from 1 to {MAX_LIMIT}.", param="limit")


def _cursor(query: Mapping[str, str], name: str, prefixes: tuple[str, ...]) -> UUID | None:
    if name not in query:
        return None
    try:
        return ids.decode_any(query[name], prefixes)[1]
    except ids.InvalidId:
        raise InvalidRequest(f"{name}: not an id of this list.", param=name) from None
