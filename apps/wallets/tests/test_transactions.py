"""A wallet's history over the API: lines with balances, pages that add up."""

from __future__ import annotations

import pytest

from apps.core import ids
from apps.core.ids import new_id
from apps.ledger.models import LedgerEntry
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
    """Five lines: +10.00, -3.00, a hold of 2.00 placed, captured for 0.50, and a top-up of 1.00."""
    wallet = make_wallet(shop, holding=1000)
    spend(shop, wallet, usd(300), reference=f"spend:{PAYMENT}")
    hold = make_hold(shop, wallet, 200)
    capture(shop, wallet, hold, usd(50))
    top_up(shop, wallet, usd(100))
    return wallet


PAYMENT, REFUND = ids.encode("pay", new_id()), ids.encode("re", new_id())


def page(shop, wallet, **query):
    answer = shop.get(f"{wal(wallet)}/transactions", **query)
    assert answer.status_code == 200, answer.content
    shown = answer.json()
    assert shown["opening"] + sum(line["amount"] for line in shown["data"]) == shown["closing"]
    running = shown["opening"]
    for line in reversed(shown["data"]):
        running += line["amount"]
        assert line["balance"] == running
    return shown


def amounts(shown):
    return [line["amount"] for line in shown["data"]]


class TestPage:
    def test_newest_first_with_the_balance_after_each(self, shop, wallet):
        shown = page(shop, wallet)

        assert amounts(shown) == [100, 150, -200, -300, 1000]
        assert (shown["opening"], shown["closing"], shown["has_more"]) == (0, 750, False)
        assert shown["url"] == f"{wal(wallet)}/transactions"
        assert shop.get(f"{wal(wallet)}/balance").json()["available"] == shown["closing"]

    def test_a_line_names_what_it_belongs_to(self, shop, wallet):
        spend(shop, wallet, usd(1), reference=f"undo:refund:{REFUND}")
        lines = page(shop, wallet)["data"]
        objects = ("payment", "refund", "hold", "transfer", "payout")

        assert lines[0]["refund"] == REFUND
        assert lines[0]["description"] == "Test, undone"
        assert lines[3]["hold"].startswith("hold_")
        assert lines[3]["reference"] == f"hold:place:{lines[3]['hold']}"
        assert lines[4] == {
            "id": lines[4]["id"],
            "kind": "test",
            "description": "Test",
            "reference": f"spend:{PAYMENT}",
            "amount": -300,
            "balance": 700,
            **{name: PAYMENT if name == "payment" else None for name in objects},
            "occurred_at": lines[4]["occurred_at"],
            "created_at": lines[4]["created_at"],
        }
        assert lines[4]["id"].startswith("txn_")

    @pytest.mark.parametrize("limit", [1, 2, 3])
    def test_pages_meet_both_ways(self, shop, wallet, limit):
        seen, query, closing = [], {}, 750
        while True:
            shown = page(shop, wallet, limit=limit, **query)
            assert shown["closing"] == closing
            seen += shown["data"]
            closing, query = shown["opening"], {"starting_after": shown["data"][-1]["id"]}
            if not shown["has_more"]:
                break
        assert [line["amount"] for line in seen] == [100, 150, -200, -300, 1000]

        back = page(shop, wallet, limit=limit, ending_before=seen[-1]["id"])
        assert back["data"] == seen[-1 - limit : -1]
        assert back["opening"] == 1000

    def test_the_held_account_has_a_history_of_its_own(self, shop, wallet):
        shown = page(shop, wallet, account="held")
        assert amounts(shown) == [-200, 200]
        assert shown["closing"] == 0

    def test_of_an_empty_wallet_is_empty(self, shop):
        shown = page(shop, make_wallet(shop))
        assert (shown["data"], shown["opening"], shown["closing"]) == ([], 0, 0)

    def test_currency_without_decimals_is_counted_in_its_unit(self, shop):
        shown = page(shop, make_wallet(shop, currency="JPY", holding=70))
        assert amounts(shown) == [70]

    def test_costs_two_statements_with_the_wallet(self, shop, wallet, django_assert_num_queries):
        page(shop, wallet)
        with django_assert_num_queries(2):
            shop.get(f"{wal(wallet)}/transactions")


class TestPeriod:
    def test_lines_from_one_moment_until_before_another(self, shop, wallet):
        lines = page(shop, wallet)["data"]
        shown = page(shop, wallet, **{"from": lines[3]["created_at"], "to": lines[1]["created_at"]})
        assert shown["data"] == lines[2:4]
        assert (shown["opening"], shown["closing"]) == (1000, 500)

    def test_a_day_is_whole(self, shop, wallet):
        today = LedgerEntry.objects.first().created_at.date().isoformat()
        assert len(page(shop, wallet, **{"from": today, "to": today})["data"]) == 5
        assert page(shop, wallet, to="2020-01-01")["data"] == []
        assert page(shop, wallet, **{"from": "2120-01-01"})["closing"] == 750

    @pytest.mark.parametrize(
        ("query", "param"),
        [
            ({"from": "x"}, "from"),
            ({"to": "2026-13-01"}, "to"),
            ({"to": "2026-01-01T00:00:00"}, "to"),
            ({"from": "2026-02-01", "to": "2026-01-01"}, "to"),
            ({"account": "promo"}, "account"),
            ({"limit": "101"}, "limit"),
            ({"starting_after": "pay_1"}, "starting_after"),
            ({"starting_after": ids.encode("txn", new_id())}, None),
            ({"ending_before": ids.encode("txn", new_id())}, None),
            ({"kind": "test"}, "kind"),
        ],
    )
    def test_what_is_no_page_is_400(self, shop, wallet, query, param):
        answer = shop.get(f"{wal(wallet)}/transactions", **query)
        assert (answer.status_code, error_of(answer)["param"]) == (400, param)

    def test_a_line_of_another_wallet_is_no_cursor_here(self, shop, wallet):
        other = make_wallet(shop, holding=5)
        theirs = page(shop, other)["data"][0]["id"]
        assert shop.get(f"{wal(wallet)}/transactions", starting_after=theirs).status_code == 400
