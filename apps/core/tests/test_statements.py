"""Statements are sent whole, and no spreadsheet runs what stands in them."""

import csv
import io
import json
from datetime import UTC, datetime

import pytest
from django.test import RequestFactory

from apps.core.errors import InvalidRequest
from apps.core.money import from_minor
from apps.core.statements import COLUMNS, Form, Line, Sheet, cell, form_of, respond

AT = datetime(2026, 3, 10, 12, tzinfo=UTC)


def line(number, **facts):
    usual = {
        "id": f"txn_{number}",
        "kind": "test",
        "description": "Test",
        "reference": f"r{number}",
        "amount": from_minor(1, "EUR"),
        "balance": from_minor(number, "EUR"),
        "occurred_at": AT,
        "created_at": AT,
    }
    return Line(**{**usual, **facts})


def sheet(lines, closing=0):
    return Sheet(
        title="A <b>statement</b>",
        about=[("Whose", "Tom & Jerry")],
        facts={"object": "statement"},
        name="statement",
        since=AT,
        until=None,
        opening=from_minor(0, "EUR"),
        closing=from_minor(closing, "EUR"),
        lines=lines,
    )


def sent(given, form):
    response = respond(given, form, RequestFactory().get("/"))
    return b"".join(response.streaming_content).decode()


class TestCells:
    @pytest.mark.parametrize(
        "text",
        [
            "=1+1",
            "+cmd|' /C calc'!A0",
            "-2+3",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "＝1",
            "-",
            "-a",
        ],
    )
    def test_formula_is_kept_from_running(self, text):
        assert cell(text) == f"'{text}"

    @pytest.mark.parametrize(
        "text", ["", "0", "-12.50", "12.50", "-7", "a=1", "Ann's", "2026-01-01"]
    )
    def test_everything_else_stays_as_it_is(self, text):
        assert cell(text) == text

    def test_every_cell_of_a_row_is_looked_at(self):
        bad = '=HYPERLINK("http://x")'
        written = sent(sheet([line(1, description=bad, reference=bad, kind=bad)]), Form.CSV)
        row = list(csv.DictReader(io.StringIO(written, newline="")))[1]
        assert [row[name] for name in ("description", "reference", "kind")] == [f"'{bad}"] * 3

    def test_quotes_and_line_breaks_stay_in_their_cell(self):
        text = 'a "quoted", b\nc'
        written = sent(sheet([line(1, description=text)]), Form.CSV)
        rows = list(csv.reader(io.StringIO(written, newline="")))
        assert len(rows) == 4
        assert tuple(rows[0]) == COLUMNS
        assert rows[2][COLUMNS.index("description")] == text


class TestPage:
    def test_text_is_no_markup(self):
        written = sent(sheet([line(1, description="<script>x</script>")]), Form.HTML)
        assert "<script>" not in written
        assert "&lt;script&gt;x&lt;/script&gt;" in written
        assert "A &lt;b&gt;statement&lt;/b&gt;" in written
        assert "Tom &amp; Jerry" in written


class TestPieces:
    @pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
    def test_make_a_whole(self, count):
        lines = [line(number) for number in range(count)]
        shown = json.loads(sent(sheet(iter(lines), count), Form.JSON))
        assert [one["id"] for one in shown["data"]] == [one.id for one in lines]
        assert shown["closing"] == count
        rows = list(csv.reader(io.StringIO(sent(sheet(iter(lines), count), Form.CSV))))
        assert len(rows) == count + 3
        assert sent(sheet(iter(lines), count), Form.HTML).count("<time ") == count

    @pytest.mark.parametrize("form", list(Form))
    def test_what_breaks_on_the_way_does_not_look_whole(self, form):
        def lines():
            yield from (line(number) for number in range(150))
            raise RuntimeError("the database is away")

        written, response = [], respond(sheet(lines()), form, RequestFactory().get("/"))
        with pytest.raises(RuntimeError):
            for piece in response.streaming_content:
                written.append(piece)
        end = b"</html>" if form is Form.HTML else b"closing"
        assert end not in b"".join(written)


@pytest.mark.parametrize("text", ["pdf", "", "JSON"])
def test_form_is_one_of_three(text):
    assert form_of({}) is Form.JSON
    with pytest.raises(InvalidRequest):
        form_of({"format": text})
