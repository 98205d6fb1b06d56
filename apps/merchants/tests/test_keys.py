"""API keys: made once, shown once, stored as a hash, ended at once."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client

from apps.audit import selectors as audit
from apps.core import clock, memory
from apps.core.errors import InvalidRequest, NotFound
from apps.core.ids import encode, new_id
from apps.merchants import selectors, services
from apps.merchants.models import ApiKey, Merchant
from apps.merchants.tests.makers import Shop, make_shop
from apps.merchants.types import SCOPES

pytestmark = [pytest.mark.django_db, pytest.mark.urls("apps.merchants.tests.urls")]


@pytest.fixture(autouse=True)
def _nothing_remembered():
    selectors.keys.forget_all()


@pytest.fixture
def shop() -> Shop:
    return make_shop()


def prefix_of(shop: Shop) -> str:
    return shop.api_key[: selectors.PREFIX_LENGTH]


class TestStorage:
    def test_database_holds_a_hash_and_never_the_secret(self, shop):
        with connection.cursor() as cursor:
            cursor.execute("SELECT k::text FROM merchants_api_key k")
            stored = " ".join(row for (row,) in cursor.fetchall())
        secret = shop.api_key[selectors.PREFIX_LENGTH :]

        assert len(secret) == 32
        assert prefix_of(shop) in stored
        assert secret not in stored
        assert secret.encode().hex() not in stored

    def test_hash_is_of_no_use_without_the_pepper(self, shop, settings):
        settings.PAYSYS_KEY_PEPPER = "another pepper"

        with pytest.raises(selectors.KeyUnknown):
            selectors.by_api_key(shop.api_key, clock.now())

    def test_two_keys_never_are_the_same(self, shop):
        keys = {
            services.issue_key(book_id=shop.book_id, actor="system", now=clock.now())[1]
            for _ in range(20)
        }
        assert len(keys) == 20

    def test_key_names_its_mode(self, shop, settings):
        assert shop.api_key.startswith("sk_test_")
        settings.PAYSYS_MODE = "live"
        _, live = services.issue_key(book_id=shop.book_id, actor="system", now=clock.now())
        assert live.startswith("sk_live_")

    def test_unknown_scope_is_refused_and_nothing_is_issued(self, shop):
        with pytest.raises(InvalidRequest, match="payments:everything"):
            services.issue_key(
                book_id=shop.book_id,
                scopes=["payments:everything"],
                actor="system",
                now=clock.now(),
            )
        assert ApiKey.objects.count() == 1

    def test_key_of_no_merchant_is_refused(self):
        with pytest.raises(NotFound):
            services.issue_key(book_id=new_id(), actor="system", now=clock.now())

    def test_what_happened_to_keys_is_in_the_trail_without_their_secrets(self, shop):
        now = clock.now()
        services.rotate_key(book_id=shop.book_id, prefix=prefix_of(shop), actor="staff:7", now=now)
        services.revoke_key(book_id=shop.book_id, prefix=prefix_of(shop), actor="staff:7", now=now)
        entries = audit.list_entries(book_id=shop.book_id, subject_id=shop.book_id)

        assert [(entry.action, entry.actor) for entry in entries] == [
            ("merchant.onboarded", "system"),
            ("api_key.issued", "system"),
            ("api_key.issued", "staff:7"),
            ("api_key.rotated", "staff:7"),
            ("api_key.revoked", "staff:7"),
        ]
        assert shop.api_key not in str([entry.facts for entry in entries])


class TestTheDoor:
    def test_key_opens_its_own_merchant(self, shop):
        answer = shop.get("/v1/bell")

        assert answer.status_code == 200
        assert answer.json() == {
            "book": encode("merchant", shop.book_id),
            "actor": f"key:{prefix_of(shop)}",
        }

    def test_scheme_is_read_in_any_case(self, shop):
        answer = Client().get("/v1/bell", headers={"Authorization": f"bearer  {shop.api_key}"})
        assert answer.status_code == 200

    @pytest.mark.parametrize(
        ("header", "code"),
        [
            ("", "api_key_missing"),
            ("Bearer", "api_key_invalid"),
            ("Bearer ", "api_key_invalid"),
            ("Basic c2tfdGVzdDo=", "api_key_missing"),
            ("sk_test_abc", "api_key_missing"),
            ("Bearer sk_test_", "api_key_invalid"),
            ("Bearer pk_test_" + "a" * 44, "api_key_invalid"),
            ("Bearer sk_test_" + "a" * 44, "api_key_invalid"),
            ("Bearer sk_test_" + "a" * 45, "api_key_invalid"),
            ("Bearer sk_test_" + "é" * 44, "api_key_invalid"),
            ("Bearer sk_test_" + "٣" * 44, "api_key_invalid"),
            ("Bearer sk_test_" + "\0" * 44, "api_key_invalid"),
            ("Bearer sk_live_" + "a" * 44, "api_key_wrong_mode"),
            ("Bearer " + "a" * 100_000, "api_key_invalid"),
        ],
    )
    def test_anything_else_is_401(self, header, code):
        headers = {"Authorization": header} if header else {}
        answer = Client().get("/v1/bell", headers=headers)

        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == "Bearer"
        error = answer.json()["error"]
        assert (error["type"], error["code"]) == ("authentication_error", code)

    def test_right_prefix_with_a_wrong_secret_is_401(self, shop):
        forged = prefix_of(shop) + "A" * 32
        assert Shop(shop.book_id, forged).get("/v1/bell").status_code == 401

    def test_no_key_is_ever_repeated_in_an_answer(self, shop):
        forged = Shop(shop.book_id, prefix_of(shop) + "A" * 32)
        assert b"AAAA" not in forged.get("/v1/bell").content

    def test_key_of_the_other_mode_is_refused_even_if_it_exists(self, shop, settings):
        settings.PAYSYS_MODE = "live"
        answer = shop.get("/v1/bell")

        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "api_key_wrong_mode"

    def test_view_for_everybody_asks_for_no_key(self):
        assert Client().get("/v1/everybody").status_code == 200

    @pytest.mark.parametrize("status", ["SUSPENDED", "CLOSED"])
    def test_inactive_merchant_is_shut_out_at_once(self, shop, status):
        assert shop.get("/v1/bell").status_code == 200
        services.change_status(
            book_id=shop.book_id, status=status, actor="staff:1", now=clock.now()
        )
        answer = shop.get("/v1/bell")

        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "merchant_inactive"


class TestScopes:
    def test_key_may_do_what_it_was_issued_for_and_nothing_else(self):
        reader = make_shop(scopes=["payments:read"])

        assert reader.get("/v1/bell").status_code == 200
        refused = reader.post("/v1/bell")
        assert refused.status_code == 403
        assert refused.json()["error"]["type"] == "permission_error"
        assert refused.json()["error"]["code"] == "scope_missing"
        assert "payments:write" in refused.json()["error"]["message"]

    def test_writing_does_not_imply_reading(self):
        writer = make_shop(scopes=["payments:write"])

        assert writer.post("/v1/bell").status_code == 201
        assert writer.get("/v1/bell").status_code == 403

    def test_key_without_scopes_may_nothing(self):
        assert make_shop(scopes=[]).get("/v1/bell").status_code == 403

    def test_key_has_every_scope_unless_told_otherwise(self, shop):
        assert selectors.by_api_key(shop.api_key, clock.now()).scopes == SCOPES

    def test_unknown_method_is_405_not_403(self, shop):
        answer = Client().delete("/v1/bell", headers={"Authorization": f"Bearer {shop.api_key}"})
        assert answer.status_code == 405

    def test_view_that_names_no_scope_is_a_bug_and_stays_shut(self, shop):
        with pytest.raises(AssertionError, match="names no scope"):
            shop.get("/v1/forgotten")


class TestRotation:
    def test_old_and_new_key_work_side_by_side_and_then_only_the_new(self, shop):
        now = clock.now()
        successor, plaintext = services.rotate_key(
            book_id=shop.book_id,
            prefix=prefix_of(shop),
            overlap=timedelta(hours=2),
            actor="staff:1",
            now=now,
        )
        assert selectors.by_api_key(plaintext, now).scopes == SCOPES
        assert selectors.by_api_key(shop.api_key, now + timedelta(hours=1)).book_id == shop.book_id
        with pytest.raises(selectors.KeyExpired):
            selectors.by_api_key(shop.api_key, now + timedelta(hours=2))
        assert successor.expires_at is None

    def test_rotation_never_lengthens_the_life_of_the_old_key(self, shop):
        now = clock.now()
        end = now + timedelta(minutes=5)
        ApiKey.objects.update(expires_at=end)
        services.rotate_key(book_id=shop.book_id, prefix=prefix_of(shop), actor="staff:1", now=now)
        assert ApiKey.objects.get(prefix=prefix_of(shop)).expires_at == end

    @pytest.mark.parametrize("change", ["revoke", "expire"])
    def test_dead_key_has_no_successor(self, shop, change):
        now = clock.now()
        if change == "revoke":
            services.revoke_key(
                book_id=shop.book_id, prefix=prefix_of(shop), actor="staff:1", now=now
            )
        else:
            ApiKey.objects.update(expires_at=now)
        with pytest.raises(services.KeyGone):
            services.rotate_key(
                book_id=shop.book_id, prefix=prefix_of(shop), actor="staff:1", now=now
            )
        assert ApiKey.objects.count() == 1

    def test_key_of_another_merchant_cannot_be_touched(self, shop):
        other = make_shop()
        for act in (services.rotate_key, services.revoke_key):
            with pytest.raises(NotFound):
                act(
                    book_id=other.book_id,
                    prefix=prefix_of(shop),
                    actor="staff:1",
                    now=clock.now(),
                )
        assert shop.get("/v1/bell").status_code == 200


@pytest.mark.django_db(transaction=True)
class TestWhatAProcessRemembers:
    """With real commits: inside a transaction nothing is remembered."""

    def test_revoked_key_stops_working_at_once(self, shop):
        assert shop.get("/v1/bell").status_code == 200
        services.revoke_key(
            book_id=shop.book_id, prefix=prefix_of(shop), actor="staff:1", now=clock.now()
        )
        answer = shop.get("/v1/bell")

        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "api_key_revoked"

    def test_key_revoked_in_another_process_stops_working_within_a_second(self, shop, monkeypatch):
        seconds = [0.0]
        monkeypatch.setattr(selectors.keys, "_clock", lambda: seconds[0])
        assert shop.get("/v1/bell").status_code == 200
        ApiKey.objects.update(revoked_at=clock.now())  # as another process would

        seconds[0] = selectors.KEY_SECONDS
        assert shop.get("/v1/bell").status_code == 401
        assert selectors.KEY_SECONDS == 1.0

    def test_door_costs_one_query_and_then_none_for_a_second(self, shop, django_assert_num_queries):
        shop.get("/v1/bell")  # notes the day of use
        selectors.keys.forget_all()

        with django_assert_num_queries(1):
            assert shop.get("/v1/bell").status_code == 200
        with django_assert_num_queries(0):
            assert shop.get("/v1/bell").status_code == 200

    def test_refused_key_is_asked_for_every_time(self, shop, django_assert_num_queries):
        forged = Shop(shop.book_id, "sk_test_" + "0" * 44)
        for _ in range(2):
            with django_assert_num_queries(1):
                assert forged.get("/v1/bell").status_code == 401

    def test_day_of_use_is_written_once_a_day(self, shop):
        noon = clock.now().replace(hour=12)
        with time_machine.travel(noon, tick=False):
            shop.get("/v1/bell")
        first = ApiKey.objects.get().last_used_on
        with time_machine.travel(noon + timedelta(days=1), tick=False):
            selectors.keys.forget_all()
            shop.get("/v1/bell")

        assert first == noon.date()
        assert ApiKey.objects.get().last_used_on == noon.date() + timedelta(days=1)

    def test_forged_key_leaves_no_day_of_use(self, shop):
        Shop(shop.book_id, prefix_of(shop) + "A" * 32).get("/v1/bell")
        assert ApiKey.objects.get().last_used_on is None

    def test_memory_has_a_limit(self, monkeypatch):
        monkeypatch.setattr(memory, "REMEMBERED", 3)
        small = memory.Remembered(lambda key: key, 60)
        for key in range(1, 11):
            assert small.get(key) == key
        assert len(small._entries) <= 3


class TestOnboarding:
    @pytest.mark.parametrize(
        ("wrong", "param"),
        [
            ({"country": "usa"}, "country"),
            ({"country": "us"}, "country"),
            ({"country": "ÄÖ"}, "country"),
            ({"default_currency": "XXX"}, "default_currency"),
            ({"default_currency": "usd"}, "default_currency"),
            ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ],
    )
    def test_wrong_facts_are_refused_and_nothing_is_written(self, wrong, param):
        facts = {"name": "Shop", "country": "DE", "default_currency": "EUR"} | wrong
        with pytest.raises(InvalidRequest) as caught:
            services.onboard(**facts, actor="system", now=clock.now())

        assert caught.value.param == param
        assert not Merchant.objects.exists()

    def test_days_of_its_book_begin_where_the_merchant_is(self):
        merchant = services.onboard(
            name="Shop",
            country="JP",
            default_currency="JPY",
            time_zone="Asia/Tokyo",
            actor="system",
            now=clock.now(),
        )
        with connection.cursor() as cursor:
            cursor.execute("SELECT id, time_zone FROM ledger_book")
            assert cursor.fetchall() == [(merchant.id, "Asia/Tokyo")]

    def test_merchant_is_found_by_its_book(self, shop):
        assert selectors.get(shop.book_id).name == "Copper Kettle"
        with pytest.raises(NotFound):
            selectors.get(new_id())

    def test_live_mode_needs_a_pepper_of_its_own(self, settings):
        from apps.merchants.apps import check_pepper

        assert check_pepper() == []
        settings.PAYSYS_MODE = "live"
        settings.PAYSYS_KEY_PEPPER = "insecure-for-commands-that-serve-nothing"
        assert [error.id for error in check_pepper()] == ["merchants.E1"]
        settings.PAYSYS_KEY_PEPPER = "too short"
        assert len(check_pepper()) == 1
        settings.PAYSYS_KEY_PEPPER = "x" * 32
        assert check_pepper() == []
