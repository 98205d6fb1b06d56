"""Customers over the API: stored encrypted, shown to their merchant alone, forgotten for good."""

from __future__ import annotations

import threading

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, connections, transaction

from apps.audit import selectors as audit
from apps.core import clock, db, ids
from apps.core.errors import NotFound
from apps.core.tests.digits import shows_a_card
from apps.idempotency.models import IdempotencyKey
from apps.merchants.tests.makers import Shop, make_shop
from apps.wallets import selectors, services
from apps.wallets.models import Customer, Hold, Wallet
from apps.wallets.tests.scene import (
    assert_books_hold,
    capture,
    error_of,
    make_customer,
    make_hold,
    make_method,
    make_wallet,
)

pytestmark = pytest.mark.django_db(transaction=True)

ADA = {"name": "Ada Lovelace", "email": "ada@example.org", "metadata": {"order": "7"}}


@pytest.fixture
def shop() -> Shop:
    return make_shop()


class TestCreating:
    def test_customer_is_stored_and_shown(self, shop):
        answer = shop.post("/v1/customers", ADA)
        shown = answer.json()

        assert answer.status_code == 201
        assert shown == {
            "id": shown["id"],
            "object": "customer",
            **ADA,
            "default_payment_method": None,
            "erased_at": None,
            "created_at": shown["created_at"],
        }
        assert shown["id"].startswith("cus_")
        assert shown["created_at"].endswith("Z")
        assert shop.get(f"/v1/customers/{shown['id']}").json() == shown

    @pytest.mark.parametrize(
        "body", [{}, {"name": None, "email": None}, {"name": "Ünï ☕"}, {"metadata": {}}]
    )
    def test_nothing_is_required(self, shop, body):
        shown = shop.post("/v1/customers", body).json()
        assert shown["name"] == body.get("name")
        assert shown["metadata"] == {}

    def test_name_and_address_are_nowhere_in_the_database(self, shop):
        shop.post("/v1/customers", ADA, key="k")
        with connection.cursor() as cursor:
            cursor.execute("SELECT c::text FROM wallets_customer c")
            stored = cursor.fetchone()[0]
            cursor.execute("SELECT a::text FROM audit_entry a")
            trail = " ".join(row for (row,) in cursor.fetchall())

        for secret in ("Ada", "Lovelace", "ada@example.org"):
            assert secret not in stored
            assert secret not in trail

    def test_token_moved_to_another_customer_does_not_open(self, shop):
        from apps.core.crypto import Undecryptable

        first, second = (make_customer(shop, name=name) for name in ("Ada", "Grace"))
        Customer.objects.filter(id=second).update(
            name_encrypted=Customer.objects.get(id=first).name_encrypted
        )
        with pytest.raises(Undecryptable):
            _ = Customer.objects.get(id=second).name

    def test_names_survive_a_change_of_keys(self, shop, settings):
        customer = make_customer(shop, name="Ada")
        before = Customer.objects.get(id=customer).name_encrypted
        newest, *others = settings.PAYSYS_FIELD_KEYS.split(",")
        settings.PAYSYS_FIELD_KEYS = ",".join([*others, newest])
        call_command("rotate_keys", verbosity=0)

        row = Customer.objects.get(id=customer)
        assert row.name == "Ada"
        assert row.name_encrypted != before

    def test_who_made_it_is_in_the_trail(self, shop):
        shown = shop.post("/v1/customers", ADA).json()
        customer = ids.decode("cus", shown["id"])
        (entry,) = audit.list_entries(book_id=shop.book_id, subject_id=customer)

        assert (entry.action, entry.subject_kind) == ("customer.created", "customer")
        assert entry.actor == f"key:{shop.api_key[:20]}"

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({"name": 7}, "name"),
            ({"name": ""}, "name"),
            ({"name": "a" * 256}, "name"),
            ({"name": ["Ada"]}, "name"),
            ({"email": "nobody"}, "email"),
            ({"email": 7}, "email"),
            ({"email": "a" * 250 + "@example.org"}, "email"),
            ({"metadata": []}, "metadata"),
            ({"metadata": {"a": 1}}, "metadata[a]"),
            ({"metadata": {"a": None}}, "metadata[a]"),
            ({"metadata": {"a": "b" * 501}}, "metadata[a]"),
            ({"metadata": {"a" * 41: "b"}}, "metadata"),
            ({"metadata": {str(n): "b" for n in range(51)}}, "metadata"),
            ({"nickname": "Ada"}, "nickname"),
            ({"id": "cus_1"}, "id"),
            ({"created_at": "2024-01-01"}, "created_at"),
        ],
    )
    def test_wrong_fields_are_400_and_change_nothing(self, shop, body, param):
        answer = shop.post("/v1/customers", body, key="k")

        assert answer.status_code == 400
        assert error_of(answer)["code"] == "parameter_invalid"
        assert error_of(answer)["param"] == param
        assert not Customer.objects.exists()
        assert not IdempotencyKey.objects.exists()

    @pytest.mark.parametrize(
        ("raw", "status"),
        [
            (b"", 201),
            (b"{", 400),
            (b"[]", 400),
            (b'"Ada"', 400),
            (b"null", 400),
            (b'{"name": "\\u0000"}', 400),
            (b'{"name": "\\ud800"}', 400),
            (b'{"name": "\xff"}', 400),
            (b'{"name": "a", "name": "b"}', 400),
            (b'{"name": NaN}', 400),
            (b'{"metadata": ' + b'{"a": ' * 1000 + b"1" + b"}" * 1001, 400),
            (b'{"name": "' + b"a" * 300_000 + b'"}', 413),
            (b'{"name": "4242 4242 4242 4242"}', 422),
            (b'{"metadata": {"note": "card 4000-0566-5566-5556"}}', 422),
        ],
    )
    def test_bytes_of_any_kind_are_never_a_500(self, shop, raw, status, caplog):
        answer = shop.post("/v1/customers", raw=raw)

        assert answer.status_code == status
        assert Customer.objects.exists() == (status == 201)
        assert not shows_a_card(caplog.text)
        assert "4000-0566" not in caplog.text


class TestRepeating:
    def test_same_key_makes_one_customer_and_the_same_bytes(self, shop):
        first, second = (shop.post("/v1/customers", ADA, key="k") for _ in range(2))

        assert second.content == first.content
        assert second["Idempotent-Replayed"] == "true"
        assert Customer.objects.count() == 1

    def test_same_key_for_another_customer_is_422(self, shop):
        shop.post("/v1/customers", ADA, key="k")
        answer = shop.post("/v1/customers", {"name": "Grace"}, key="k")

        assert answer.status_code == 422
        assert error_of(answer)["type"] == "idempotency_error"
        assert Customer.objects.count() == 1

    def test_malformed_key_is_400(self, shop):
        assert shop.post("/v1/customers", ADA, key="a" * 256).status_code == 400
        assert not Customer.objects.exists()

    def test_without_a_key_every_request_makes_one(self, shop):
        for _ in range(2):
            assert shop.post("/v1/customers", ADA).status_code == 201
        assert Customer.objects.count() == 2

    def test_thirty_requests_at_once_with_one_key_make_one_customer(self, shop):
        barrier, answers = threading.Barrier(30), []

        def ask():
            barrier.wait()
            answers.append(shop.post("/v1/customers", ADA, key="k"))
            connections.close_all()

        threads = [threading.Thread(target=ask) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(answers) == 30
        assert Customer.objects.count() == 1
        assert {answer.status_code for answer in answers} <= {201, 409}
        assert len({a.content for a in answers if a.status_code == 201}) == 1
        for answer in answers:
            if answer.status_code == 409:
                assert error_of(answer)["code"] == "idempotency_key_in_use"
                assert answer["Retry-After"] == "1"


class TestReading:
    def test_another_merchants_customer_is_404(self, shop):
        theirs = make_shop().post("/v1/customers", ADA).json()["id"]
        answer = shop.get(f"/v1/customers/{theirs}")

        assert answer.status_code == 404
        assert error_of(answer)["code"] == "resource_missing"
        assert shop.get("/v1/customers").json()["data"] == []

    @pytest.mark.parametrize(
        "name", ["cus_", "cus_1", "card_" + "0" * 26, "cus_" + "z" * 26, "cus_" + "é" * 26, "%00"]
    )
    def test_what_is_no_customer_is_404_or_400(self, shop, name):
        assert shop.get(f"/v1/customers/{name}").status_code in (400, 404)

    def test_list_is_newest_first_and_turned_page_by_page(self, shop):
        made = [shop.post("/v1/customers", {"name": str(n)}).json()["id"] for n in range(5)]
        first = shop.get("/v1/customers", limit=2).json()
        second = shop.get("/v1/customers", limit=2, starting_after=first["data"][-1]["id"]).json()

        assert first["object"] == "list"
        assert first["url"] == "/v1/customers"
        assert [one["id"] for one in first["data"] + second["data"]] == made[:0:-1]
        assert first["has_more"] is True
        assert shop.get("/v1/customers").json()["has_more"] is False

    @pytest.mark.parametrize(
        "query",
        [
            {"limit": "0"},
            {"limit": "101"},
            {"limit": "x"},
            {"starting_after": "cus_1"},
            {"page": "2"},
            {"starting_after": "\0"},
        ],
    )
    def test_wrong_query_is_400(self, shop, query):
        assert shop.get("/v1/customers", **query).status_code == 400

    def test_one_read_costs_two_statements_with_the_key(self, shop, django_assert_num_queries):
        from apps.merchants import selectors as merchants

        customer = ids.encode("cus", make_customer(shop))
        shop.get("/v1/customers")
        merchants.keys.forget_all()
        with django_assert_num_queries(2):
            assert shop.get(f"/v1/customers/{customer}").status_code == 200

    @pytest.mark.parametrize(
        ("scopes", "may_read", "may_write"),
        [(["customers:read"], True, False), (["customers:write"], False, True)],
    )
    def test_key_needs_the_scope(self, scopes, may_read, may_write):
        shop = make_shop(scopes=scopes)
        assert (shop.get("/v1/customers").status_code == 200) is may_read
        assert (shop.post("/v1/customers").status_code == 201) is may_write


class TestErasing:
    def test_person_is_forgotten_and_the_row_stays(self, shop):
        customer = make_customer(shop, **ADA)
        method = make_method(shop, customer)
        services.erase_customer(
            book_id=shop.book_id, customer_id=customer, actor="staff:1", now=clock.now()
        )
        shown = shop.get(f"/v1/customers/{ids.encode('cus', customer)}").json()

        assert (shown["name"], shown["email"], shown["metadata"]) == (None, None, {})
        assert shown["erased_at"] is not None
        stored = selectors.get_payment_method(book_id=shop.book_id, id=method)
        assert stored.tokens.get("stripe") is None
        assert_books_hold()

    def test_nothing_can_be_stored_for_them_again(self, shop):
        customer = make_customer(shop)
        services.erase_customer(
            book_id=shop.book_id, customer_id=customer, actor="staff:1", now=clock.now()
        )
        body = {"provider_token": "pm_card_visa", "customer": ids.encode("cus", customer)}
        answer = shop.post("/v1/payment_methods", body)

        assert answer.status_code == 409
        assert error_of(answer)["code"] == "customer_erased"

    def test_erasing_twice_is_erasing_once(self, shop):
        customer = make_customer(shop)
        for _ in range(2):
            services.erase_customer(
                book_id=shop.book_id, customer_id=customer, actor="staff:1", now=clock.now()
            )
        entries = audit.list_entries(book_id=shop.book_id, subject_id=customer)
        assert [entry.action for entry in entries] == ["customer.created", "customer.erased"]

    def test_over_the_api_answers_with_what_is_left(self, shop):
        customer = make_customer(shop, **ADA)
        method = make_method(shop, customer)
        url = f"/v1/customers/{ids.encode('cus', customer)}"
        shop.post(url, {"default_payment_method": ids.encode("card", method)})
        answer = shop.delete(url)

        assert answer.status_code == 200
        shown = answer.json()
        assert (shown["name"], shown["email"], shown["default_payment_method"]) == (None,) * 3
        assert shop.delete(url).json() == shop.get(url).json() == shown
        assert_books_hold()

    def test_notes_on_what_has_ended_go_too(self, shop):
        customer = make_customer(shop)
        wallet = make_wallet(shop, customer, holding=100)
        hold = make_hold(shop, wallet)
        Hold.objects.update(metadata={"for": "Ada"})
        Wallet.objects.update(metadata={"of": "Ada"})
        capture(shop, wallet, hold)
        services.close_wallet(
            book_id=shop.book_id, wallet_id=wallet, actor="system", now=clock.now()
        )
        services.erase_customer(
            book_id=shop.book_id, customer_id=customer, actor="staff:1", now=clock.now()
        )
        assert (Hold.objects.get().metadata, Wallet.objects.get().metadata) == ({}, {})
        assert_books_hold()

    def test_another_merchants_customer_is_not_touched(self, shop):
        customer = make_customer(make_shop(), name="Ada")
        with pytest.raises(NotFound):
            services.erase_customer(
                book_id=shop.book_id, customer_id=customer, actor="staff:1", now=clock.now()
            )
        assert Customer.objects.get(id=customer).name == "Ada"

    def test_erased_row_takes_no_name(self, shop):
        customer = make_customer(shop)
        services.erase_customer(
            book_id=shop.book_id, customer_id=customer, actor="staff:1", now=clock.now()
        )
        with pytest.raises(IntegrityError), transaction.atomic():
            Customer.objects.update(name_encrypted="Ada")

    def test_method_stored_at_the_moment_of_erasure_is_not_stored(self, shop):
        customer = make_customer(shop)
        with pytest.raises(db.GuardFailed), db.unit():
            services.store_payment_method(
                book_id=shop.book_id,
                payment_method_id=ids.new_id(),
                customer_id=customer,
                kind=selectors.MethodKind.CARD,
                provider="stripe",
                token="pm_card_visa",
                actor="system",
                now=clock.now(),
            )
            thread = threading.Thread(target=_erase, args=(shop, customer))
            thread.start()
            thread.join()
        assert selectors.list_payment_methods(book_id=shop.book_id).count() == 0
        assert_books_hold()


def _erase(shop, customer) -> None:
    services.erase_customer(
        book_id=shop.book_id, customer_id=customer, actor="staff:1", now=clock.now()
    )
    connections.close_all()
