"""A merchant's statement: any period, three forms, opening + lines = closing."""

from __future__ import annotations

import csv
import io
import json
import re
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core import clock, ids
from apps.ledger.tests.books import settle
from apps.merchants import services as merchants
from apps.payments import services
from apps.payments.tests.conftest import Merchant, make_merchant
from apps.payments.tests.tills import FAILS, agree, bank, earn, end, paid_out, standing
from paysys.testing.simulator import Simulator
from paysys.testing.tables import empty

URL = "/v1/balance/statement"


def ask(merchant: Merchant, **query: str) -> Any:
    return merchant.get(URL + "?" + "&".join(f"{name}={text}" for name, text in query.items()))


def sent(answer: Any) -> str:
    assert answer.status_code == 200, answer.content
    assert answer.streaming
    return b"".join(answer.streaming_content).decode()


def told(merchant: Merchant, **query: str) -> dict[str, Any]:
    """The statement, which adds up line by line."""
    found: dict[str, Any] = json.loads(sent(ask(merchant, **query)))
    running = found["opening"]
    for line in found["data"]:
        running += line["amount"]
        assert line["balance"] == running
    assert running == found["closing"]
    return found


def lines_of(found: dict[str, Any]) -> list[tuple[str, int]]:
    return [(line["description"], line["amount"]) for line in found["data"]]


@pytest.fixture
def busy(merchant: Merchant, simulator: Simulator) -> Merchant:
    """A payment, a refund of a part, a reserve, a payout that fails and one that is returned."""
    agree(merchant, reserve_basis_points=1_000, reserve_days=30)
    payment = merchant.captured(10_000)
    services.release(now=clock.now())
    bank(merchant, FAILS)
    end(simulator, merchant, paid_out(merchant, 1_000), "fail")
    end(simulator, merchant, paid_out(merchant, 2_000), "return")
    merchant.post(f"/v1/payments/{payment}/refund", {"amount": 500})
    settle()
    return merchant


class TestJson:
    def test_is_whole_and_adds_up(self, busy: Merchant) -> None:
        found = told(busy)
        standing_now = standing(busy)

        assert {name: found[name] for name in found if name not in ("data", "to")} == {
            "object": "statement",
            "merchant": busy.public_id,
            "account": "total",
            "currency": "USD",
            "from": None,
            "opening": 0,
            "closing": sum(standing_now[part] for part in ("pending", "payable", "reserve")),
        }
        assert lines_of(found) == [
            ("Payment", 9_700),
            ("Payout", -1_000),
            ("Payout, undone", 1_000),
            ("Payout", -2_000),
            ("Payout returned", 2_000),
            ("Refund", -485),
        ]

    def test_names_what_each_line_is_about(self, busy: Merchant) -> None:
        lines = told(busy)["data"]
        payouts = [one["id"] for one in busy.get("/v1/payouts").json()["data"]][::-1]
        [payment] = [one["id"] for one in busy.get("/v1/payments").json()["data"]]

        assert lines[0]["payment"] == payment
        assert [line["payout"] for line in lines[1:5]] == [payouts[0]] * 2 + [payouts[1]] * 2
        assert lines[5]["refund"].startswith("re_")

    def test_of_one_account_shows_what_moved_between_them(self, busy: Merchant) -> None:
        pending, payable = told(busy, account="pending"), told(busy, account="payable")

        assert lines_of(pending) == [("Payment", 9_700), ("Made payable", -9_700)]
        assert lines_of(payable)[:2] == [("Made payable", 9_700), ("Kept in reserve", -970)]
        assert lines_of(told(busy, account="reserve")) == [("Kept in reserve", 970)]
        assert payable["closing"] == standing(busy)["payable"]

    def test_of_neighboring_periods_meet(self, busy: Merchant) -> None:
        lines = told(busy)["data"]
        bounds = [None, lines[1]["created_at"], lines[4]["created_at"], None]
        opening, seen = 0, []
        for since, until in pairwise(bounds):
            found = told(busy, **{k: at for k, at in (("from", since), ("to", until)) if at})
            assert found["opening"] == opening
            opening = found["closing"]
            seen += found["data"]
        assert seen == lines

    def test_says_up_to_when_a_period_is_told_that_is_not_over(self, busy: Merchant) -> None:
        later = told(busy, to="2999-12-31")
        assert later["to"] == told(busy)["to"] < "2999"
        assert told(busy, account="payable", to="2999-12-31")["to"].startswith("3000-01-01")

    def test_is_in_the_currency_that_is_asked_for(self, busy: Merchant) -> None:
        found = told(busy, currency="JPY")
        assert (found["currency"], found["opening"], found["data"]) == ("JPY", 0, [])

    def test_shows_no_other_merchants_money(self, busy: Merchant, other_merchant: Merchant) -> None:
        assert told(other_merchant)["data"] == []


class TestOtherForms:
    def test_csv_begins_and_ends_with_its_balances(self, busy: Merchant) -> None:
        answer = ask(busy, format="csv", account="reserve")
        rows = list(csv.DictReader(io.StringIO(sent(answer), newline="")))

        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        name = f"{busy.public_id}_reserve_USD.csv"
        assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
        assert [(row["kind"], row["amount"], row["balance"]) for row in rows] == [
            ("opening", "", "0.00"),
            ("reserve_keep", "9.70", "9.70"),
            ("closing", "", "9.70"),
        ]

    def test_page_says_whose_it_is(self) -> None:
        book_id, now = ids.new_id(), clock.now()
        name = '=HYPERLINK("x")<script>'
        merchants.onboard(
            id=book_id, name=name, country="US", default_currency="USD",
            basis_points=300, actor="system", now=now,
        )  # fmt: skip
        _, key = merchants.issue_key(book_id=book_id, name="test", actor="system", now=now)
        settle()
        page = sent(ask(Merchant(book_id, key), format="html"))

        assert "Statement of =HYPERLINK(&quot;x&quot;)&lt;script&gt;" in page
        assert page.endswith("</html>\n")
        assert not re.search("<script", page)


class TestRefused:
    @pytest.mark.parametrize(
        ("query", "param"),
        [
            ({"format": "pdf"}, "format"),
            ({"account": "in_transit"}, "account"),
            ({"account": ""}, "account"),
            ({"currency": "usd"}, "currency"),
            ({"currency": "XAU"}, "currency"),
            ({"from": "x"}, "from"),
            ({"from": "2026-01-01T00:00:00"}, "from"),
            ({"to": "2026-02-30"}, "to"),
            ({"from": "2026-02-01", "to": "2026-01-01"}, "to"),
            ({"limit": "10"}, "limit"),
        ],
    )
    def test_what_is_no_period(self, merchant: Merchant, query: Any, param: str) -> None:
        answer = ask(merchant, **query)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)

    def test_what_has_not_begun_to_be_settled(self, merchant: Merchant) -> None:
        for query in ({}, {"from": "2999-01-01"}):
            answer = ask(merchant, **query)
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_settled")
            settle()

    def test_a_key_without_its_scope(self, merchant: Merchant) -> None:
        _, key = merchants.issue_key(
            book_id=merchant.book_id, scopes=["payouts:read"], actor="system", now=clock.now()
        )
        assert ask(Merchant(merchant.book_id, key)).status_code == 403


class TestAnyPeriod:
    @settings(
        max_examples=10,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(
        acts=st.lists(
            st.sampled_from(["pay", "release", "payout", "fail", "refund"]), min_size=1, max_size=8
        ),
        cuts=st.lists(st.integers(0, 30), min_size=2, max_size=2),
    )
    def test_opening_and_lines_are_the_closing_and_the_next_opening(
        self, simulator: Simulator, acts: list[str], cuts: list[int]
    ) -> None:
        empty(connection)
        simulator.reset()
        merchant = make_merchant()
        bank(merchant, FAILS)
        payments = earn(merchant, 5_000)
        for act in acts:
            if act == "pay":
                payments.append(merchant.captured(1_001))
            elif act == "release":
                services.release(now=clock.now())
            elif act == "refund":
                merchant.post(f"/v1/payments/{payments[0]}/refund", {"amount": 700})
            elif standing(merchant)["payable"] >= 300:
                payout = paid_out(merchant, 300)
                if act == "fail":
                    end(simulator, merchant, payout, "fail")
        settle()

        for account in ("total", "pending", "payable", "reserve"):
            lines = told(merchant, account=account)["data"]
            moments = sorted({line["created_at"] for line in lines})
            places = sorted({cut % (len(moments) + 1) for cut in cuts})
            bounds = [None, *(moments[place] for place in places if place < len(moments)), None]
            opening, seen = 0, []
            for since, until in pairwise(bounds):
                period = {k: at for k, at in (("from", since), ("to", until)) if at}
                found = told(merchant, account=account, **period)
                assert found["opening"] == opening
                opening = found["closing"]
                seen += found["data"]
            assert seen == lines
            now = standing(merchant)
            whole = now["pending"] + now["payable"] + now["reserve"]
            assert opening == (whole if account == "total" else now[account])
