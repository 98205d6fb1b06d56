"""Wallets over the API: opened, looked at, frozen, closed."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections

from apps.core import clock, ids
from apps.ledger import services as ledger
from apps.ledger.tests.books import settle
from apps.merchants.tests.makers import Shop, make_shop
from apps.wallets import services
from apps.wallets.models import Wallet
from apps.wallets.tests.scene import (
    assert_books_hold,
    error_of,
    holds_of,
    make_customer,
    make_hold,
    make_wallet,
    spend,
    usd,
    wal,
)

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/v1/wallets"


@pytest.fixture
def shop() -> Shop:
    return make_shop()


@pytest.fixture
def customer(shop) -> str:
    return ids.encode("cus", make_customer(shop))


class TestOpening:
    def test_wallet_is_empty_and_shown(self, shop, customer):
        body = {"customer": customer, "currency": "USD", "metadata": {"tier": "gold"}}
        answer = shop.post(URL, body, key="k")
        shown = answer.json()

        assert answer.status_code == 201
        assert shown == {
            "id": shown["id"],
            "object": "wallet",
            "customer": customer,
            "currency": "USD",
            "status": "ACTIVE",
            "available": 0,
            "held": 0,
            "metadata": {"tier": "gold"},
            "closed_at": None,
            "created_at": shown["created_at"],
        }
        assert shown["id"].startswith("wallet_")
        assert shop.get(f"{URL}/{shown['id']}").json() == shown
        assert shop.post(URL, body, key="k").content == answer.content
        assert_books_hold()

    def test_second_in_a_currency_is_409_with_the_first(self, shop, customer):
        body = {"customer": customer, "currency": "USD"}
        first = shop.post(URL, body).json()["id"]
        answer = shop.post(URL, body, key="k")

        assert answer.status_code == 409
        assert (error_of(answer)["code"], error_of(answer)["wallet"]) == ("wallet_exists", first)
        assert shop.post(URL, {**body, "currency": "EUR"}).status_code == 201
        assert Wallet.objects.count() == 2

    def test_ten_requests_at_once_open_one(self, shop, customer):
        barrier, answers = threading.Barrier(10), []

        def ask():
            barrier.wait()
            answers.append(shop.post(URL, {"customer": customer, "currency": "USD"}))
            connections.close_all()

        threads = [threading.Thread(target=ask) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
        assert Wallet.objects.count() == 1

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({"currency": "USD"}, "customer"),
            ({"customer": 7, "currency": "USD"}, "customer"),
            ({"customer": None, "currency": "USD"}, "customer"),
            ({"customer": "cus_x"}, "currency"),
            ({"customer": "cus_x", "currency": "usd"}, "currency"),
            ({"customer": "cus_x", "currency": "XAU"}, "currency"),
            ({"customer": "cus_x", "currency": "USD", "metadata": []}, "metadata"),
            ({"customer": "cus_x", "currency": "USD", "balance": 7}, "balance"),
        ],
    )
    def test_wrong_fields_are_400_and_open_nothing(self, shop, body, param):
        answer = shop.post(URL, body)

        assert answer.status_code == 400
        assert error_of(answer)["param"] == param
        assert not Wallet.objects.exists()

    def test_customer_of_another_merchant_is_404(self, shop):
        theirs = ids.encode("cus", make_customer(make_shop()))
        for customer in (theirs, "cus_1", "nobody"):
            answer = shop.post(URL, {"customer": customer, "currency": "USD"})
            assert answer.status_code == 404
            assert error_of(answer)["param"] == "customer"
        assert not Wallet.objects.exists()

    def test_erased_customer_gets_none(self, shop):
        customer = make_customer(shop)
        services.erase_customer(
            book_id=shop.book_id, customer_id=customer, actor="system", now=clock.now()
        )
        answer = shop.post(URL, {"customer": ids.encode("cus", customer), "currency": "USD"})
        assert (answer.status_code, error_of(answer)["code"]) == (409, "customer_erased")


class TestReading:
    def test_another_merchants_wallet_is_404(self, shop):
        theirs = wal(make_wallet(make_shop()))
        for path in ("", "/balance", "/transactions", "/holds"):
            assert shop.get(f"{theirs}{path}").status_code == 404
        for path in ("/freeze", "/unfreeze", "/close"):
            assert shop.post(f"{theirs}{path}").status_code == 404
        assert shop.get(URL).json()["data"] == []

    def test_list_shows_what_each_holds(self, shop):
        customer = make_customer(shop)
        dollars = make_wallet(shop, customer, holding=500)
        yen = make_wallet(shop, customer, currency="JPY", holding=70)
        other = make_wallet(shop)
        make_hold(shop, dollars, 200)

        shown = shop.get(URL, customer=ids.encode("cus", customer)).json()
        assert [(one["id"], one["available"], one["held"]) for one in shown["data"]] == [
            (ids.encode("wallet", yen), 70, 0),
            (ids.encode("wallet", dollars), 300, 200),
        ]
        in_dollars = shop.get(URL, currency="USD", limit=1).json()
        assert [one["id"] for one in in_dollars["data"]] == [ids.encode("wallet", other)]
        assert in_dollars["has_more"] is True

    def test_list_costs_two_statements_however_many(self, shop, django_assert_num_queries):
        for _ in range(4):
            make_wallet(shop, holding=10)
        shop.get(URL)
        with django_assert_num_queries(2):
            assert len(shop.get(URL).json()["data"]) == 4

    @pytest.mark.parametrize(
        ("query", "status"),
        [
            ({"currency": "usd"}, 400),
            ({"customer": "x"}, 404),
            ({"state": "ACTIVE"}, 400),
            ({"limit": "0"}, 400),
            ({"starting_after": "cus_1"}, 400),
        ],
    )
    def test_wrong_filter_is_refused(self, shop, query, status):
        assert shop.get(URL, **query).status_code == status

    @pytest.mark.parametrize(
        ("scopes", "may_read", "may_write"),
        [(["wallets:read"], True, False), (["wallets:write"], False, True)],
    )
    def test_key_needs_the_scope(self, scopes, may_read, may_write):
        shop = make_shop(scopes=scopes)
        wallet = wal(make_wallet(shop))
        for path in ("", "/balance", "/transactions", "/holds"):
            assert (shop.get(f"{wallet}{path}").status_code == 200) is may_read
        for path in ("/freeze", "/unfreeze", "/close"):
            assert (shop.post(f"{wallet}{path}").status_code == 200) is may_write


class TestBalance:
    def test_now_is_what_the_wallet_holds(self, shop):
        wallet = make_wallet(shop, holding=500)
        make_hold(shop, wallet, 200)
        shown = shop.get(f"{wal(wallet)}/balance").json()

        assert shown == {
            "object": "balance",
            "wallet": ids.encode("wallet", wallet),
            "currency": "USD",
            "available": 300,
            "held": 200,
            "at": shown["at"],
        }

    def test_at_a_past_moment_is_what_was_recorded_by_then(self, shop):
        wallet = make_wallet(shop, holding=500)
        settle()
        moment = datetime.now(UTC)
        settle()
        make_hold(shop, wallet, 200)
        spend(shop, wallet, usd(100))
        settle()

        then = shop.get(f"{wal(wallet)}/balance", at=moment.isoformat()).json()
        assert (then["available"], then["held"]) == (500, 0)
        assert then["at"] == moment.isoformat().replace("+00:00", "Z")
        assert holds_of(shop, wallet) == (200, 200)

    def test_before_there_was_a_wallet_is_nothing(self, shop):
        wallet = make_wallet(shop, holding=500)
        shown = shop.get(f"{wal(wallet)}/balance", at="2020-01-01T00:00:00Z").json()
        assert (shown["available"], shown["held"]) == (0, 0)

    @pytest.mark.parametrize("later", [timedelta(0), timedelta(days=1)])
    def test_what_may_still_change_is_409(self, shop, later):
        wallet = make_wallet(shop, holding=500)
        moment = datetime.now(UTC) + later
        answer = shop.get(f"{wal(wallet)}/balance", at=moment.isoformat())

        assert (answer.status_code, error_of(answer)["code"]) == (409, "not_settled")
        assert int(answer["Retry-After"]) > 0

    @pytest.mark.parametrize("at", ["", "yesterday", "2026-01-01", "2026-01-01T10:00:00", "\0"])
    def test_no_moment_is_400(self, shop, at):
        answer = shop.get(f"{wal(make_wallet(shop))}/balance", at=at)
        assert (answer.status_code, error_of(answer)["param"]) == (400, "at")


def test_the_ledger_says_what_is_missing(shop):
    wallet = make_wallet(shop, holding=100)
    with pytest.raises(ledger.InsufficientFunds) as refused:
        make_hold(shop, wallet, 101)
    assert refused.value.extra == {"available": 100, "currency": "USD"}
