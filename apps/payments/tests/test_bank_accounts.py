"""Bank accounts over the API: a number goes in, its last four come out, and nothing else does."""

from __future__ import annotations

import threading
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection, connections
from django.test import Client

from apps.audit import selectors as audit
from apps.core import clock, crypto, db, ids
from apps.core.errors import NotFound
from apps.core.ids import new_id
from apps.merchants import selectors as merchants
from apps.merchants import services
from apps.merchants.models import BankAccount
from apps.payments.tests.conftest import Merchant
from apps.wallets import services as wallets

URL = "/v1/bank_accounts"
HOLDER, NUMBER, IBAN = "Rosalind Quincey", "000123456789", "DE89370400440532013000"
CARD = "4242424242424242"
US = {
    "holder": HOLDER,
    "country": "US",
    "currency": "USD",
    "account_number": NUMBER,
    "routing_number": "110000000",
}
DE = {"holder": HOLDER, "country": "DE", "currency": "EUR", "iban": IBAN}


def added(merchant: Merchant, body: dict[str, Any] = US, **more: Any) -> dict[str, Any]:
    answer = merchant.post(URL, {**body, **more})
    assert answer.status_code == 201, answer.content
    shown: dict[str, Any] = answer.json()
    return shown


def remove(merchant: Merchant, account: str) -> Any:
    headers = {"Authorization": f"Bearer {merchant.api_key}"}
    return Client().delete(f"{URL}/{account}", headers=headers)


def details(merchant: Merchant, account: str) -> Any:
    return merchants.find_bank_details(book_id=merchant.book_id, id=ids.decode("ba", account))


def make_customer(merchant: Merchant) -> UUID:
    customer_id = new_id()
    with db.unit():
        wallets.create_customer(
            book_id=merchant.book_id,
            customer_id=customer_id,
            name=None,
            email=None,
            metadata={},
            actor="system",
            now=clock.now(),
        )
    return customer_id


def everything_stored() -> str:
    """All rows of all tables, as text."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        found = []
        for table in tables:
            cursor.execute(f'SELECT string_agg(t::text, chr(10)) FROM "{table}" t')
            found.append(cursor.fetchone()[0] or "")
    return "\n".join(found)


class TestAdding:
    def test_shows_the_last_four_and_keeps_the_rest_for_the_provider(self, merchant):
        shown = added(merchant)

        assert shown == {
            "id": shown["id"],
            "object": "bank_account",
            "status": "usable",
            "customer": None,
            "country": "US",
            "currency": "USD",
            "last4": "6789",
            "usable_from": shown["usable_from"],
            "removed_at": None,
            "created_at": shown["created_at"],
        }
        assert merchant.get(f"{URL}/{shown['id']}").json() == shown
        assert merchant.get(URL).json()["data"] == [shown]
        known = details(merchant, shown["id"])
        assert (known.holder, known.number) == (HOLDER, NUMBER)
        assert known.routing_number == "110000000"

    def test_holder_and_number_are_nowhere_in_the_clear(self, merchant):
        account = added(merchant)["id"]
        added(merchant, DE)

        stored = everything_stored()
        assert HOLDER not in stored
        assert NUMBER not in stored
        assert IBAN not in stored
        assert NUMBER not in repr(details(merchant, account))
        assert HOLDER not in repr(details(merchant, account))

    def test_iban_is_stored_without_its_spaces(self, merchant):
        account = added(merchant, DE, iban="de89 3704 0044 0532 0130 00")
        assert account["last4"] == "3000"
        assert details(merchant, account["id"]).number == IBAN

    def test_number_that_looks_like_a_card_is_a_number_here_and_only_here(self, merchant):
        assert added(merchant, account_number=CARD)["last4"] == "4242"

        for wrong in ({"holder": CARD}, {"account_number": int(CARD)}):
            refused = merchant.post(URL, {**US, **wrong})
            assert refused.json()["error"]["code"] == "card_data_not_allowed"
        refused = merchant.pay(metadata={"account_number": CARD})
        assert refused.json()["error"]["code"] == "card_data_not_allowed"
        assert BankAccount.objects.count() == 1

    def test_same_key_adds_one(self, merchant):
        first = merchant.post(URL, US, key="once")
        again = merchant.post(URL, US, key="once")

        assert again.content == first.content
        assert BankAccount.objects.count() == 1

    @pytest.mark.parametrize(
        ("wrong", "param"),
        [
            ({"iban": IBAN}, "account_number"),
            ({"account_number": None}, "account_number"),
            ({"account_number": "123"}, "account_number"),
            ({"account_number": "12345\u0666789"}, "account_number"),
            ({"account_number": "1" * 35}, "account_number"),
            ({"account_number": "1" * 51}, "account_number"),
            ({"routing_number": "110000001"}, "routing_number"),
            ({"routing_number": "!!"}, "routing_number"),
            ({"holder": ""}, "holder"),
            ({"holder": "x" * 101}, "holder"),
            ({"country": "usa"}, "country"),
            ({"country": "us"}, "country"),
            ({"currency": "XXX"}, "currency"),
            ({"bank": "x"}, "bank"),
        ],
    )
    def test_what_cannot_be_is_refused_and_nothing_is_stored(self, merchant, wrong, param):
        answer = merchant.post(URL, {**US, **wrong})

        assert answer.status_code == 400, answer.content
        assert answer.json()["error"]["param"] == param
        assert not BankAccount.objects.exists()

    @pytest.mark.parametrize(
        "iban",
        [
            "DE89370400440532013001",  # its check digits are others
            "DE8937040044053201300",
            "FR1420041010050500013M02606",  # sound, and not German
            "XX89370400440532013000",
            "DE8937040044053201300\u0660",
            "not an iban",
        ],
    )
    def test_iban_is_checked(self, merchant, iban):
        answer = merchant.post(URL, {**DE, "iban": iban})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "iban")
        assert not BankAccount.objects.exists()

    def test_of_a_customer_who_is_nobodys_or_erased_is_refused(self, merchant, other_merchant):
        customer = make_customer(merchant)
        public = ids.encode("cus", customer)
        assert other_merchant.post(URL, {**US, "customer": public}).status_code == 404
        wallets.erase_customer(
            book_id=merchant.book_id, customer_id=customer, actor="system", now=clock.now()
        )
        refused = merchant.post(URL, {**US, "customer": public})

        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "customer_erased")
        assert not BankAccount.objects.exists()

    def test_another_merchants_account_is_nobodys(self, merchant, other_merchant):
        account = added(merchant)["id"]

        assert other_merchant.get(f"{URL}/{account}").status_code == 404
        assert remove(other_merchant, account).status_code == 404
        assert other_merchant.get(URL).json()["data"] == []
        assert details(merchant, account).number == NUMBER

    def test_who_added_and_removed_it_is_in_the_trail(self, merchant):
        account = added(merchant)["id"]
        remove(merchant, account)

        trail = audit.list_entries(book_id=merchant.book_id, subject_id=ids.decode("ba", account))
        assert {entry.action for entry in trail} == {"bank_account.added", "bank_account.removed"}
        assert all(entry.actor.startswith("key:") for entry in trail)


class TestWhenItIsUsable:
    def test_first_at_once_and_every_later_one_after_a_day(self, merchant):
        first, second = added(merchant), added(merchant, DE)

        assert (first["status"], second["status"]) == ("usable", "waiting")
        with time_machine.travel(clock.now() + timedelta(hours=23, minutes=59), tick=False):
            assert merchant.get(f"{URL}/{second['id']}").json()["status"] == "waiting"
        with time_machine.travel(clock.now() + timedelta(hours=24, minutes=1), tick=False):
            assert merchant.get(f"{URL}/{second['id']}").json()["status"] == "usable"

    def test_removing_the_old_one_makes_the_new_one_no_first(self, merchant):
        remove(merchant, added(merchant)["id"])
        assert added(merchant)["status"] == "waiting"

    def test_owners_do_not_count_each_others(self, merchant, other_merchant):
        ada, ben = (ids.encode("cus", make_customer(merchant)) for _ in range(2))
        shown = [
            added(merchant),
            added(merchant, customer=ada),
            added(merchant, customer=ben),
            added(other_merchant),
        ]
        assert {one["status"] for one in shown} == {"usable"}
        assert added(merchant, customer=ada)["status"] == "waiting"
        assert len(merchant.get(f"{URL}?customer={ada}").json()["data"]) == 2

    def test_of_two_first_ones_at_once_one_is_the_first(self, merchant):
        barrier, shown = threading.Barrier(4), []

        def add() -> None:
            try:
                barrier.wait(timeout=10)
                shown.append(added(merchant)["status"])
            finally:
                connections.close_all()

        threads = [threading.Thread(target=add) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=20)

        assert sorted(shown) == ["usable", "waiting", "waiting", "waiting"]


class TestWhereMoneyGoesUnlessToldOtherwise:
    def default(self, merchant: Merchant, currency: str = "USD") -> Any:
        found = merchants.find_default_bank_account(
            book_id=merchant.book_id, customer_id=None, currency=currency, now=clock.now()
        )
        return found and ids.encode("ba", found.id)

    def test_newest_that_is_usable(self, merchant):
        first, second = added(merchant)["id"], added(merchant)["id"]

        assert self.default(merchant) == first
        with time_machine.travel(clock.now() + timedelta(hours=25), tick=False):
            assert self.default(merchant) == second
            remove(merchant, second)
            assert self.default(merchant) == first

    def test_one_that_waits_rather_than_none(self, merchant):
        remove(merchant, added(merchant)["id"])
        waiting = added(merchant)["id"]
        assert self.default(merchant) == waiting

    def test_none_of_another_currency_or_a_customers(self, merchant):
        added(merchant, DE)
        added(merchant, customer=ids.encode("cus", make_customer(merchant)))
        assert self.default(merchant) is None
        assert self.default(merchant, "EUR") is not None


class TestForgetting:
    def test_removed_account_is_forgotten_and_still_seen(self, merchant):
        account = added(merchant)["id"]
        shown = remove(merchant, account).json()

        assert (shown["status"], shown["last4"]) == ("removed", "6789")
        assert details(merchant, account) is None
        assert remove(merchant, account).json() == shown

    def test_erased_customers_accounts_leave_not_even_the_last_four(self, merchant):
        customer = make_customer(merchant)
        public = ids.encode("cus", customer)
        theirs = [added(merchant, customer=public)["id"] for _ in range(2)]
        own = added(merchant)["id"]
        for _ in range(2):
            services.forget_bank_accounts(
                book_id=merchant.book_id, customer_id=customer, actor="staff:1", now=clock.now()
            )

        for account in theirs:
            shown = merchant.get(f"{URL}/{account}").json()
            assert (shown["status"], shown["last4"]) == ("removed", "")
            assert details(merchant, account) is None
        assert details(merchant, own).number == NUMBER

    def test_nobodys_account_has_no_details(self, merchant):
        with pytest.raises(NotFound):
            merchants.find_bank_details(book_id=merchant.book_id, id=new_id())


class TestKeys:
    def test_rotation_includes_holders_and_numbers(self, merchant, settings):
        account = added(merchant)["id"]
        k2, k1 = settings.PAYSYS_FIELD_KEYS.split(",")
        settings.PAYSYS_FIELD_KEYS = f"{k1},{k2}"
        out = StringIO()
        call_command("rotate_keys", stdout=out, stderr=out)
        settings.PAYSYS_FIELD_KEYS = k1

        assert details(merchant, account).number == NUMBER
        assert "merchants_bank_account.number_encrypted: 1 rotated" in out.getvalue()

    def test_number_moved_to_another_row_does_not_open(self, merchant):
        mine, theirs = added(merchant)["id"], added(merchant)["id"]
        stolen = BankAccount.objects.get(id=ids.decode("ba", mine)).number_encrypted
        BankAccount.objects.filter(id=ids.decode("ba", theirs)).update(number_encrypted=stolen)

        with pytest.raises(crypto.Undecryptable):
            details(merchant, theirs)
