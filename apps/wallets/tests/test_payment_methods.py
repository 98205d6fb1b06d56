"""Payment methods over the API: a provider's token goes in and never comes out."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, connections

from apps.audit import selectors as audit
from apps.core import db, ids
from apps.core.errors import NotFound
from apps.core.ids import new_id
from apps.merchants.tests.makers import Shop, make_shop
from apps.wallets import selectors, services
from apps.wallets.models import PaymentMethod, PaymentMethodToken
from apps.wallets.tests.scene import (
    assert_books_hold,
    error_of,
    make_customer,
    make_method,
    violated,
)

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/v1/payment_methods"


@pytest.fixture
def shop() -> Shop:
    return make_shop()


def cus(customer) -> str:
    return ids.encode("cus", customer)


class TestStoring:
    def test_token_becomes_a_card_of_which_nothing_is_known_yet(self, shop):
        answer = shop.post(URL, {"provider_token": "pm_card_visa"})
        shown = answer.json()

        assert answer.status_code == 201
        assert shown["id"].startswith("card_")
        assert shown == {
            "id": shown["id"],
            "object": "payment_method",
            "type": "card",
            "customer": None,
            "providers": ["stripe"],
            "brand": None,
            "last4": None,
            "exp_month": None,
            "exp_year": None,
            "funding": None,
            "country": None,
            "fingerprint": None,
            "detached_at": None,
            "created_at": shown["created_at"],
        }
        assert shop.get(f"{URL}/{shown['id']}").json() == shown
        assert_books_hold()

    def test_bank_account_has_ids_of_its_own_kind(self, shop):
        body = {"provider_token": "pm_usBankAccount_success", "type": "bank"}
        shown = shop.post(URL, body).json()

        assert shown["id"].startswith("bank_")
        assert shop.get(f"{URL}/{shown['id']}").status_code == 200
        assert shop.get(f"{URL}/card_{shown['id'][5:]}").status_code == 404

    def test_method_belongs_to_the_customer_it_was_stored_for(self, shop):
        customer = make_customer(shop)
        body = {"provider_token": "pm_card_visa", "customer": cus(customer)}
        shown = shop.post(URL, body).json()

        assert shown["customer"] == cus(customer)
        assert [one["id"] for one in shop.get(URL, customer=cus(customer)).json()["data"]] == [
            shown["id"]
        ]
        assert shop.get(URL, customer=cus(make_customer(shop))).json()["data"] == []

    def test_token_never_leaves_again(self, shop):
        shown = shop.post(URL, {"provider_token": "pm_secret"})
        for answer in (shown, shop.get(URL), shop.get(f"{URL}/{shown.json()['id']}")):
            assert b"pm_secret" not in answer.content
        trail = audit.list_entries(
            book_id=shop.book_id, subject_id=ids.decode("card", shown.json()["id"])
        )
        assert [entry.facts for entry in trail] == [{"provider": "stripe", "kind": "card"}]

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({}, "provider_token"),
            ({"provider_token": None}, "provider_token"),
            ({"provider_token": ""}, "provider_token"),
            ({"provider_token": 7}, "provider_token"),
            ({"provider_token": "visa"}, "provider_token"),
            ({"provider_token": "pm_"}, "provider_token"),
            ({"provider_token": "pm_a b"}, "provider_token"),
            ({"provider_token": "pm_a\n"}, "provider_token"),
            ({"provider_token": " pm_a"}, "provider_token"),
            ({"provider_token": "sk_test_abc"}, "provider_token"),
            ({"provider_token": "card_" + "0" * 26}, "provider_token"),
            ({"provider_token": "pm_" + "a" * 253}, "provider_token"),
            ({"provider_token": "pm_a", "type": "cash"}, "type"),
            ({"provider_token": "pm_a", "type": 1}, "type"),
            ({"provider_token": "pm_a", "customer": 1}, "customer"),
            ({"provider_token": "pm_a", "last4": "4242"}, "last4"),
            ({"provider_token": "pm_a", "number": "1"}, "number"),
        ],
    )
    def test_wrong_fields_are_400_and_store_nothing(self, shop, body, param):
        answer = shop.post(URL, body)

        assert answer.status_code == 400
        assert error_of(answer)["param"] == param
        assert not PaymentMethod.objects.exists()

    @pytest.mark.parametrize(
        "token", ["pm_4242424242424242", "tok_4242_4242_4242_4242", "4242424242424242"]
    )
    def test_card_number_is_refused_and_logged_nowhere(self, shop, token, caplog):
        answer = shop.post(URL, {"provider_token": token})

        assert answer.status_code == 422
        assert error_of(answer)["code"] == "card_data_not_allowed"
        assert "42424242" not in caplog.text
        assert not PaymentMethod.objects.exists()

    @pytest.mark.parametrize("customer", ["cus_1", "card_" + "0" * 26, "nobody"])
    def test_customer_that_does_not_exist_is_404(self, shop, customer):
        answer = shop.post(URL, {"provider_token": "pm_a", "customer": customer})
        assert answer.status_code == 404
        assert error_of(answer)["param"] == "customer"

    def test_another_merchants_customer_is_404(self, shop):
        theirs = cus(make_customer(make_shop()))
        answer = shop.post(URL, {"provider_token": "pm_a", "customer": theirs})

        assert answer.status_code == 404
        assert not PaymentMethod.objects.exists()

    def test_another_merchants_method_is_404(self, shop):
        theirs = ids.encode("card", make_method(make_shop()))
        assert shop.get(f"{URL}/{theirs}").status_code == 404
        assert shop.get(URL).json()["data"] == []


class TestTheSameTokenAgain:
    def test_customer_has_it_once(self, shop):
        body = {"provider_token": "pm_1abc", "customer": cus(make_customer(shop))}
        first, second = shop.post(URL, body), shop.post(URL, body)

        assert (first.status_code, second.status_code) == (201, 200)
        assert second.json() == first.json()
        assert PaymentMethod.objects.count() == 1

    def test_without_a_customer_every_request_stores_another(self, shop):
        first, second = (shop.post(URL, {"provider_token": "pm_1abc"}) for _ in range(2))

        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json()["id"] != second.json()["id"]

    def test_two_customers_each_have_their_own(self, shop):
        for _ in range(2):
            body = {"provider_token": "pm_1abc", "customer": cus(make_customer(shop))}
            assert shop.post(URL, body).status_code == 201

    def test_repeat_with_a_key_is_a_replay_of_201(self, shop):
        body = {"provider_token": "pm_1abc", "customer": cus(make_customer(shop))}
        first, second = (shop.post(URL, body, key="k") for _ in range(2))

        assert (second.status_code, second.content) == (201, first.content)
        assert second["Idempotent-Replayed"] == "true"

    @pytest.mark.parametrize("with_keys", [True, False])
    def test_ten_requests_at_once_store_one(self, shop, with_keys):
        body = {"provider_token": "pm_1abc", "customer": cus(make_customer(shop))}
        barrier, answers = threading.Barrier(10), []

        def ask(number):
            barrier.wait()
            answers.append(shop.post(URL, body, key=f"k{number}" if with_keys else None))
            connections.close_all()

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(answer.status_code for answer in answers) == [200] * 9 + [201]
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert PaymentMethod.objects.count() == PaymentMethodToken.objects.count() == 1


class TestReadingForACharge:
    def test_method_comes_with_its_tokens_in_one_query(self, shop, django_assert_num_queries):
        customer = make_customer(shop)
        method_id = make_method(shop, customer)
        with django_assert_num_queries(1):
            method = selectors.get_payment_method(book_id=shop.book_id, id=method_id)
            token = method.tokens.get("stripe")

        assert (token, method.customer_id, method.kind) == ("pm_card_visa", customer, "card")
        assert method.tokens.get("paypal") is None
        assert method.public_id == ids.encode("card", method_id)

    def test_another_merchants_method_is_nobodys(self, shop):
        theirs = make_method(make_shop())
        assert selectors.find_payment_method(book_id=shop.book_id, id=theirs) is None
        with pytest.raises(NotFound):
            selectors.get_payment_method(book_id=shop.book_id, id=theirs)

    def test_statements_name_the_book(self, shop, django_assert_num_queries):
        with django_assert_num_queries(1) as queries:
            selectors.find_payment_method(book_id=shop.book_id, id=new_id())
        assert "book_id" in queries.captured_queries[0]["sql"].partition("WHERE")[2]


CARD = {
    "brand": "visa",
    "last4": "4242",
    "exp_month": 8,
    "exp_year": 2030,
    "funding": "credit",
    "country": "US",
    "fingerprint": "fp_1",
}


def describe(shop, method_id, **told) -> None:
    with db.unit():
        services.describe_payment_method(book_id=shop.book_id, payment_method_id=method_id, **told)


def version_of(method_id) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT xmin::text FROM wallets_payment_method WHERE id = %s", (method_id,))
        return cursor.fetchone()[0]


class TestWhatAChargeHasShown:
    def test_is_kept_and_shown(self, shop):
        method_id = make_method(shop)
        describe(shop, method_id, **CARD)
        shown = shop.get(f"{URL}/{ids.encode('card', method_id)}").json()

        assert {name: shown[name] for name in CARD} == CARD
        assert selectors.get_payment_method(book_id=shop.book_id, id=method_id).last4 == "4242"

    def test_is_not_written_twice(self, shop):
        method_id = make_method(shop)
        describe(shop, method_id, **CARD)
        version = version_of(method_id)
        describe(shop, method_id, **CARD)
        assert version_of(method_id) == version

        describe(shop, method_id, **{**CARD, "exp_year": 2035})
        assert version_of(method_id) != version

    def test_that_is_too_long_is_cut_and_never_a_card_number(self, shop):
        method_id = make_method(shop)
        told = dict.fromkeys(("brand", "funding", "country", "fingerprint"), "x" * 500)
        describe(shop, method_id, **told, last4="4242424242424242")

        method = PaymentMethod.objects.get(id=method_id)
        assert (method.last4, method.country, len(method.brand)) == ("4242", "xx", 40)

    def test_of_another_merchants_method_changes_nothing(self, shop):
        method_id = make_method(make_shop())
        describe(shop, method_id, **CARD)
        assert PaymentMethod.objects.get(id=method_id).last4 is None


class TestInvariants:
    @pytest.mark.parametrize(
        ("damage", "name"),
        [
            ("DELETE FROM wallets_payment_method_token", "payment_method_has_token"),
            ("UPDATE wallets_customer SET erased_at = now()", "erased_customer_has_no_token"),
            (
                "UPDATE wallets_payment_method_token SET book_id = gen_random_uuid()",
                "payment_method_stays_in_its_book",
            ),
            (
                "UPDATE wallets_payment_method_token SET customer_id = NULL",
                "payment_method_stays_in_its_book",
            ),
        ],
    )
    def test_each_can_fail(self, shop, damage, name):
        make_method(shop, make_customer(shop))
        assert_books_hold()
        with connection.cursor() as cursor:
            cursor.execute(damage)
        assert violated() == {name}
