"""A statement as JSON, as CSV or as a page to print, whatever account it is of.

Whoever has one fills a `Sheet`; `respond` sends it. All three are written as the lines are taken, a
hundred at a time, so a statement of a million lines needs no more memory than one of ten. What goes
wrong on the way ends the connection, so a part is never taken for the whole; besides, every form
ends with the closing balance.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Any, NamedTuple

from django.http import HttpRequest, StreamingHttpResponse
from django.template.loader import render_to_string
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.translation import get_language_from_request, override
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation

from apps.core.errors import InvalidRequest
from apps.core.money import Money, exponent, shown, to_minor

AT_A_TIME = 100
# The objects that a line may be about, by the prefix of their ids.
OBJECTS = {"pay": "payment", "re": "refund", "hold": "hold", "tr": "transfer", "po": "payout"}


class Form(StrEnum):
    JSON = "json"
    CSV = "csv"
    HTML = "html"


FORM = OpenApiParameter("format", str, enum=[form.value for form in Form])


class Line(NamedTuple):
    """One line. `amount` is signed, `balance` what there is after it; `more` is for JSON alone."""

    id: str
    kind: str
    description: str
    reference: str
    amount: Money
    balance: Money
    occurred_at: datetime
    created_at: datetime
    more: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Sheet:
    """A statement to be sent: opening + lines = closing.

    `facts` begin the JSON object; `title` and `about` (labels and texts) head the page; `name`,
    with the days of the period, is the file's. The lines are gone through once.
    """

    title: str
    about: Sequence[tuple[str, str]]
    facts: Mapping[str, Any]
    name: str
    since: datetime | None
    until: datetime | None
    opening: Money
    closing: Money
    lines: Iterable[Line]

    @property
    def filename(self) -> str:
        """Without its ending."""
        days = (f"{at:%Y-%m-%d}" if at else "" for at in (self.since, self.until))
        return "_".join(filter(None, (self.name, *days)))


class FormDecides(BaseContentNegotiation):
    """For views whose `format` says what is sent: whatever a client accepts, errors are JSON."""

    def select_parser(self, _request: Any, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, _request: Any, renderers: Any, _suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


def form_of(query: Mapping[str, str]) -> Form:
    """The form that a query asks for by `format`: JSON, unless told otherwise.

    :raises InvalidRequest: there is no such form.
    """
    try:
        return Form(query.get("format", Form.JSON))
    except ValueError:
        raise InvalidRequest(f"format: {', '.join(Form)}.", param="format") from None


def respond(sheet: Sheet, form: Form, request: HttpRequest) -> StreamingHttpResponse:
    """The answer that carries the statement; a page writes amounts and dates as its reader does.

    What can be refused must have been refused before: from here on it is 200.
    """
    if form is Form.CSV:
        response = StreamingHttpResponse(_csv(sheet), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{sheet.filename}.csv"'
        return response
    if form is Form.HTML:
        page = _page(sheet, get_language_from_request(request))
        response = StreamingHttpResponse(page, content_type="text/html; charset=utf-8")
        response["Content-Disposition"] = f'inline; filename="{sheet.filename}.html"'
        # It runs nothing and loads nothing: its style stands in it.
        response["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
        response["Vary"] = "Accept-Language"
        return response
    return StreamingHttpResponse(_json(sheet), content_type="application/json")


def render_line(line: Line) -> dict[str, Any]:
    """A line as the API shows it, in lists of lines as in statements."""
    return {
        "id": line.id,
        "kind": line.kind,
        "description": line.description,
        "reference": line.reference,
        "amount": to_minor(line.amount),
        "balance": to_minor(line.balance),
        **line.more,
        "occurred_at": time(line.occurred_at),
        "created_at": time(line.created_at),
    }


def time(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC, or None."""
    return moment.isoformat().replace("+00:00", "Z") if moment else None


# --- JSON ----------------------------------------------------------------------------------------


class LineShape(serializers.Serializer[Any]):
    """What one booked transaction did to an account."""

    id = serializers.CharField(help_text="txn_…")
    kind = serializers.CharField()
    description = serializers.CharField()
    reference = serializers.CharField(help_text="unique among the merchant's transactions")
    amount = serializers.IntegerField(help_text="signed: positive came in, negative went out")
    balance = serializers.IntegerField(help_text="after this line")
    payment = serializers.CharField(allow_null=True, help_text="pay_…")
    refund = serializers.CharField(allow_null=True, help_text="re_…")
    hold = serializers.CharField(allow_null=True, help_text="hold_…")
    transfer = serializers.CharField(allow_null=True, help_text="tr_…")
    payout = serializers.CharField(allow_null=True, help_text="po_…")
    occurred_at = serializers.DateTimeField(help_text="when it happened")
    created_at = serializers.DateTimeField(help_text="when it was recorded, which is the order")


def responses_of(name: str, **facts: serializers.Field[Any, Any, Any, Any]) -> dict[Any, Any]:
    """What a view that sends statements answers with, for the schema; `facts` as in its sheets.

    `from` is a word of Python's, so the class of the JSON form is made by hand.
    """
    shape = {
        "__doc__": "A period, oldest first: opening + the lines' amounts = closing.",
        "object": serializers.ChoiceField(choices=["statement"]),
        **facts,
        "from": serializers.DateTimeField(allow_null=True),
        "to": serializers.DateTimeField(allow_null=True),
        "opening": serializers.IntegerField(),
        "data": LineShape(many=True),
        "closing": serializers.IntegerField(),
    }
    return {
        (200, "application/json"): type(name, (serializers.Serializer,), shape),
        (200, "text/csv"): OpenApiTypes.STR,
        (200, "text/html"): OpenApiTypes.STR,
    }


def _json(sheet: Sheet) -> Iterator[str]:
    head = {
        **sheet.facts,
        "from": time(sheet.since),
        "to": time(sheet.until),
        "opening": to_minor(sheet.opening),
    }
    yield json.dumps(head, ensure_ascii=False)[:-1] + ', "data": ['
    separator = ""
    for lines in _together(sheet.lines):
        written = ", ".join(json.dumps(render_line(line), ensure_ascii=False) for line in lines)
        yield separator + written
        separator = ", "
    yield f'], "closing": {to_minor(sheet.closing)}}}'


# --- CSV -----------------------------------------------------------------------------------------

COLUMNS = (
    *("created_at", "occurred_at", "id", "kind", "description", "reference"),
    *("amount", "balance", "currency"),
)
# What a spreadsheet takes for the beginning of a formula, and what it may skip before one.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def cell(value: object) -> str:
    """A cell's text, which no spreadsheet runs: a formula gets an apostrophe, a number does not."""
    text = str(value)
    if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def _csv(sheet: Sheet) -> Iterator[str]:
    """Amounts in major units with a point, as programs and spreadsheets read them."""
    yield _rows([COLUMNS, _edge(sheet.since, "opening", sheet.opening)])
    for lines in _together(sheet.lines):
        yield _rows(
            (
                *(time(line.created_at), time(line.occurred_at), line.id, line.kind),
                *(line.description, line.reference),
                *(_plain(line.amount), _plain(line.balance), line.balance.currency.code),
            )
            for line in lines
        )
    yield _rows([_edge(sheet.until, "closing", sheet.closing)])


def _edge(moment: datetime | None, kind: str, balance: Money) -> Sequence[object]:
    """The row before the first line, or after the last."""
    at = time(moment) or ""
    return (at, at, "", kind, "", "", "", _plain(balance), balance.currency.code)


def _plain(amount: Money) -> str:
    return f"{amount.amount:.{exponent(amount.currency.code)}f}"


def _rows(rows: Iterable[Sequence[object]]) -> str:
    written = io.StringIO()
    csv.writer(written).writerows([cell(value) for value in row] for row in rows)
    return written.getvalue()


# --- a page --------------------------------------------------------------------------------------

TEMPLATE = "core/statement.html"
PLACE_OF_LINES = "<!-- lines -->"


def _page(sheet: Sheet, language: str) -> Iterator[str]:
    """The page up to its lines, the lines, and the rest. The language is that of one piece each."""
    with override(language):
        period = [(name, _day(at)) for name, at in (("From", sheet.since), ("Until", sheet.until))]
        page = render_to_string(
            TEMPLATE,
            {
                "title": sheet.title,
                "about": [*sheet.about, *((name, text) for name, text in period if text)],
                "opening": shown(sheet.opening),
                "closing": shown(sheet.closing),
            },
        )
    head, _, foot = page.partition(PLACE_OF_LINES)
    yield head
    for lines in _together(sheet.lines):
        with override(language):
            written = format_html_join("", _ROW, map(_cells, lines))
        yield written
    yield foot


_ROW = (
    '<tr><td><time datetime="{}">{}</time></td><td>{}</td><td class="reference">{}</td>'
    '<td class="amount {}">{}</td><td class="amount">{}</td></tr>\n'
)


def _cells(line: Line) -> tuple[object, ...]:
    return (
        *(time(line.created_at), _day(line.created_at), line.description, line.reference),
        *("out" if line.amount.amount < 0 else "in", shown(line.amount), shown(line.balance)),
    )


def _day(moment: datetime | None) -> str:
    return f"{date_format(moment, 'SHORT_DATE_FORMAT')} {moment:%H:%M:%S}" if moment else ""


def _together(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """The lines, some at a time."""
    taken = iter(lines)
    while some := list(islice(taken, AT_A_TIME)):
        yield some
