"""A wallet's statement over the API: any period, three forms, nothing lost on the way."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from itertools import pairwise

import pytest
from django.test import Client

from apps.core import ids
from apps.ledger import chart
from apps.ledger.tests.books import fill
from apps.merchants.tests.makers import Shop, make_shop
from apps.wallets.tests.scene import (
    capture,
    error_of,
    make_hold,
    make_wallet,
    spend,
    top_up,
    usd,
    wal,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop() -> Shop:
    return make_shop()


@pytest.fixture
def wallet(shop):
    wallet = make_wallet(shop, holding=100_000)
    spend(shop, wallet, usd(12_345))
    capture(shop, wallet, make_hold(shop, wallet, 500), usd(200))
    return wallet


def ask(shop, wallet, **query):
    return shop.get(f"{wal(wallet)}/statement", **query)


def sent(answer) -> str:
    assert answer.status_code == 200
    assert answer.streaming
    return b"".join(answer.streaming_content).decode()


class TestJson:
    def test_is_whole_and_adds_up(self, shop, wallet):
        answer = ask(shop, wallet)
        shown = json.loads(sent(answer))

        assert answer["Content-Type"] == "application/json"
        assert {key: shown[key] for key in shown if key != "data"} == {
            "object": "statement",
            "wallet": ids.encode("wallet", wallet),
            "account": "available",
            "currency": "USD",
            "from": None,
            "to": None,
            "opening": 0,
            "closing": 87_455,
        }
        assert [line["amount"] for line in shown["data"]] == [100_000, -12_345, -500, 300]
        lines = shop.get(f"{wal(wallet)}/transactions").json()["data"]
        assert shown["data"] == lines[::-1]

    def test_of_neighboring_periods_meet(self, shop, wallet):
        lines = json.loads(sent(ask(shop, wallet)))["data"]
        bounds = [None, lines[1]["created_at"], lines[3]["created_at"], None]
        opening, seen = 0, []
        for since, until in pairwise(bounds):
            period = {"from": since, "to": until}
            period = {name: at for name, at in period.items() if at is not None}
            shown = json.loads(sent(ask(shop, wallet, **period)))
            assert shown["opening"] == opening
            assert (shown["from"], shown["to"]) == (since, until)
            opening = shown["closing"]
            seen += shown["data"]
        assert seen == lines

    def test_of_the_held_account(self, shop, wallet):
        shown = json.loads(sent(ask(shop, wallet, account="held")))
        assert [line["amount"] for line in shown["data"]] == [500, -500]
        assert [line["description"] for line in shown["data"]] == ["Hold placed", "Payment"]

    def test_of_an_empty_wallet(self, shop):
        shown = json.loads(sent(ask(shop, make_wallet(shop))))
        assert (shown["opening"], shown["data"], shown["closing"]) == (0, [], 0)


class TestCsv:
    def test_begins_and_ends_with_its_balances(self, shop, wallet):
        answer = ask(shop, wallet, format="csv")
        rows = list(csv.DictReader(io.StringIO(sent(answer), newline="")))

        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        name = f"{ids.encode('wallet', wallet)}_available.csv"
        assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
        assert [(row["kind"], row["amount"], row["balance"]) for row in rows] == [
            ("opening", "", "0.00"),
            ("test", "1000.00", "1000.00"),
            ("test", "-123.45", "876.55"),
            ("hold", "-5.00", "871.55"),
            ("capture", "3.00", "874.55"),
            ("closing", "", "874.55"),
        ]
        assert {row["currency"] for row in rows} == {"USD"}

    @pytest.mark.parametrize(
        ("currency", "expected"), [("JPY", "70"), ("KWD", "0.070"), ("USD", "0.70")]
    )
    def test_amounts_have_the_decimals_of_their_currency(self, shop, currency, expected):
        wallet = make_wallet(shop, currency=currency, holding=70)
        rows = list(csv.DictReader(io.StringIO(sent(ask(shop, wallet, format="csv")))))
        assert rows[1]["amount"] == rows[2]["balance"] == expected


class TestPage:
    def test_says_whose_it_is_and_adds_up(self, shop, wallet):
        answer = ask(shop, wallet, format="html", **{"from": "2020-01-01"})
        page = sent(answer)

        assert answer["Content-Type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in answer["Content-Security-Policy"]
        assert f"Statement of {ids.encode('wallet', wallet)}" in page
        assert "01/01/2020" in page
        for amount in ("$0.00", "$1,000.00", "-$123.45", "$874.55"):
            assert amount in page
        assert page.endswith("</html>\n")

    @pytest.mark.parametrize(
        ("language", "amount"),
        [("de-DE,de;q=0.9", "1.000,00\xa0$"), ("fr", "1\u202f000,00\xa0$US"), ("xx", "$1,000.00")],
    )
    def test_amounts_are_written_as_the_reader_does(self, shop, wallet, language, amount):
        answer = Client().get(
            f"{wal(wallet)}/statement?format=html",
            headers={"Authorization": f"Bearer {shop.api_key}", "Accept-Language": language},
        )
        assert amount in sent(answer)
        assert answer["Vary"] == "Accept-Language"

    @pytest.mark.parametrize("accepts", ["text/html", "text/csv", "*/*", "image/png"])
    def test_format_decides_whatever_is_accepted(self, shop, wallet, accepts):
        answer = Client().get(
            f"{wal(wallet)}/statement?format=csv",
            headers={"Authorization": f"Bearer {shop.api_key}", "Accept": accepts},
        )
        assert answer["Content-Type"].startswith("text/csv")


class TestLength:
    @pytest.mark.parametrize("form", ["json", "csv", "html"])
    def test_is_sent_as_it_is_read(self, shop, form):
        """A long one is sent in many pieces, and takes no more memory than its last page does."""
        wallet = make_wallet(shop)
        fill(shop.book_id, chart.wallet_available(wallet), 3000, currency="USD")
        answer = ask(shop, wallet, format=form)
        pieces, size = 0, 0
        tracemalloc.start()
        for piece in answer.streaming_content:
            pieces, size = pieces + 1, size + len(piece)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert pieces >= 30
        assert size > 300_000
        assert peak < 3_000_000

    def test_ends_where_it_began_whatever_comes_meanwhile(self, shop, wallet):
        answer = ask(shop, wallet)
        pieces = [next(answer.streaming_content)]
        top_up(shop, wallet, usd(1))
        shown = json.loads(b"".join([*pieces, *answer.streaming_content]))
        assert shown["closing"] == 87_455
        assert shown["opening"] + sum(line["amount"] for line in shown["data"]) == 87_455


class TestBadInput:
    @pytest.mark.parametrize(
        ("query", "param"),
        [
            ({"format": "pdf"}, "format"),
            ({"format": "CSV"}, "format"),
            ({"format": ""}, "format"),
            ({"account": "promo"}, "account"),
            ({"from": "x"}, "from"),
            ({"to": "2026-02-30"}, "to"),
            ({"from": "2026-02-01", "to": "2026-01-01"}, "to"),
            ({"limit": "10"}, "limit"),
        ],
    )
    def test_is_400_as_json(self, shop, wallet, query, param):
        answer = ask(shop, wallet, **query)
        assert (answer.status_code, error_of(answer)["param"]) == (400, param)

    def test_another_merchants_wallet_is_404(self, shop):
        answer = ask(shop, make_wallet(make_shop()), format="csv")
        assert (answer.status_code, error_of(answer)["code"]) == (404, "resource_missing")
