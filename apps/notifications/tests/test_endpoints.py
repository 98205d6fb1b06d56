"""Webhook endpoints over the API: made, shown without their secret, changed, and refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command

from apps.audit import selectors as audit
from apps.core import clock
from apps.idempotency.models import IdempotencyKey
from apps.merchants.tests.makers import make_shop
from apps.notifications import selectors, services, transport
from apps.notifications.models import WebhookEndpoint, WebhookSecret
from apps.notifications.tests.scene import (
    URL,
    assert_books_hold,
    execute,
    make_endpoint,
    uuid_of,
)

pytestmark = pytest.mark.django_db(transaction=True)

HOOK = "https://shop.example.com/hooks?shop=7"


def forget_who_is_alive() -> None:
    """As if whoever holds a key had died a while ago."""
    execute("UPDATE idempotency_key SET locked_until = clock_timestamp() - interval '1 second'")


class TestCreating:
    def test_endpoint_is_stored_and_shown(self, shop):
        answer = shop.post(URL, {"url": HOOK, "event_types": ["payment.*", "refund.created"]})
        shown = answer.json()

        assert answer.status_code == 201
        assert shown == {
            "id": shown["id"],
            "object": "webhook_endpoint",
            "url": HOOK,
            "event_types": ["payment.*", "refund.created"],
            "enabled": True,
            "disabled_reason": None,
            "created_at": shown["created_at"],
            "secret": shown["secret"],
        }
        assert shown["id"].startswith("whe_")
        assert_books_hold()

    def test_secret_is_shown_once_and_stored_encrypted(self, shop):
        made = make_endpoint(shop, HOOK)
        secret = made.pop("secret")

        assert secret.startswith("whsec_")
        assert shop.get(f"{URL}/{made['id']}").json() == made
        assert shop.get(URL).json()["data"] == [made]
        for table in (
            *("notifications_webhook_secret", "notifications_webhook_endpoint"),
            *("idempotency_key", "audit_entry"),
        ):
            rows = execute(f"SELECT t::text FROM {table} t")
            assert all(secret.removeprefix("whsec_") not in row for (row,) in rows), table

    def test_everything_is_told_unless_types_are_named(self, shop):
        assert make_endpoint(shop, HOOK)["event_types"] == ["*"]

    def test_may_name_as_many_types_as_there_may_be(self, shop):
        types = [f"payment.{'x' * 70}{number:02}" for number in range(50)]
        answer = shop.post(URL, {"url": HOOK, "event_types": types})

        assert answer.status_code == 201
        assert answer.json()["event_types"] == types
        [made] = audit.list_entries(book_id=shop.book_id, subject_id=uuid_of(answer.json()))
        assert made.facts == {"event_types": 50, "is_enabled": True}

    def test_can_begin_disabled(self, shop):
        made = make_endpoint(shop, HOOK, enabled=False)
        assert (made["enabled"], made["disabled_reason"]) == (False, "merchant")
        assert_books_hold()

    def test_repeat_with_the_same_key_makes_no_other_and_shows_the_same_secret(self, shop):
        first = shop.post(URL, {"url": HOOK}, key="k")
        assert shop.post(URL, {"url": HOOK}, key="k").status_code == 409, "being answered"
        forget_who_is_alive()
        again = shop.post(URL, {"url": HOOK}, key="k")

        assert (again.status_code, again.json()) == (201, first.json())
        assert WebhookEndpoint.objects.count() == 1
        assert IdempotencyKey.objects.get().body is None

    def test_late_repeat_does_not_show_a_secret_that_is_forgotten(self, shop):
        made = shop.post(URL, {"url": HOOK}, key="k").json()
        shop.post(f"{URL}/{made['id']}/rotate_secret", {"overlap_seconds": 0})
        services.retire(now=clock.now())
        forget_who_is_alive()
        assert shop.post(URL, {"url": HOOK}, key="k").json()["secret"] is None

    def test_same_key_for_another_url_is_422(self, shop):
        shop.post(URL, {"url": HOOK}, key="k")
        answer = shop.post(URL, {"url": "https://other.example.com/"}, key="k")
        assert answer.json()["error"]["code"] == "idempotency_key_reused"

    def test_there_are_sixteen_at_most(self, shop):
        made = [make_endpoint(shop, HOOK) for _ in range(services.MAX_ENDPOINTS)]
        answer = shop.post(URL, {"url": HOOK})
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "webhook_endpoints_exhausted"

        shop.delete(f"{URL}/{made[0]['id']}")
        make_endpoint(shop, HOOK)
        make_endpoint(make_shop(), HOOK)

    def test_the_trail_says_who_and_what_but_not_where(self, shop):
        made = make_endpoint(shop, HOOK)
        shop.post(f"{URL}/{made['id']}", {"url": "https://other.example.com/", "enabled": False})
        shop.post(f"{URL}/{made['id']}/rotate_secret")
        shop.delete(f"{URL}/{made['id']}")
        entries = list(audit.list_entries(book_id=shop.book_id, subject_id=uuid_of(made)))

        assert {entry.action.partition(".")[2] for entry in entries} == {
            *("created", "updated", "secret_rotated", "deleted")
        }
        assert {entry.actor for entry in entries} == {f"key:{shop.api_key[:20]}"}
        assert all("example.com" not in str(entry.facts) for entry in entries)

    @pytest.mark.parametrize(
        "url",
        [
            *("", " ", "shop.example.com", "//shop.example.com/", "ftp://shop.example.com/"),
            *("http://shop.example.com/", "javascript:alert(1)", "https://", "https:///path"),
            *("https://user@shop.example.com/", "https://user:word@shop.example.com/"),
            *("https://shop.example.com/#part", "https://shop.example.com/a b"),
            *("https://shop.example.com:0/", "https://shop.example.com:65536/"),
            *("https://shop.example.com:abc/", "https://shop.example.com\\@10.0.0.1/"),
            *("https://shöp.example.com/", "https://shop.example.com/ü", "https://a..b/"),
            *("https://-a.example.com/", f"https://{'a' * 64}.example.com/", "https://[::1"),
            *("https://shop.example.com/\n", "https://shop.example.com/\u0000"),
            "https://shop.example.com/" + "a" * 2048,
        ],
    )
    def test_what_is_no_url_of_a_webhook_is_400(self, shop, url):
        answer = shop.post(URL, {"url": url}, key="k")
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "parameter_invalid"
        assert not WebhookEndpoint.objects.exists()
        assert not IdempotencyKey.objects.exists()

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({}, "url"),
            ({"url": None}, "url"),
            ({"url": 7}, "url"),
            ({"url": [HOOK]}, "url"),
            ({"url": HOOK, "event_types": []}, "event_types"),
            ({"url": HOOK, "event_types": "*"}, "event_types"),
            ({"url": HOOK, "event_types": None}, "event_types"),
            ({"url": HOOK, "event_types": [7]}, "event_types[0]"),
            ({"url": HOOK, "event_types": ["payment"]}, "event_types[0]"),
            ({"url": HOOK, "event_types": ["*", "Payment.captured"]}, "event_types[1]"),
            ({"url": HOOK, "event_types": ["*.captured"]}, "event_types[0]"),
            ({"url": HOOK, "event_types": ["payment.captured\n"]}, "event_types[0]"),
            ({"url": HOOK, "event_types": ["payment." + "a" * 80]}, "event_types[0]"),
            ({"url": HOOK, "event_types": ["*"] * 51}, "event_types"),
            ({"url": HOOK, "enabled": "yes"}, "enabled"),
            ({"url": HOOK, "enabled": None}, "enabled"),
            ({"url": HOOK, "secret": "whsec_mine"}, "secret"),
            ({"url": HOOK, "id": "whe_1"}, "id"),
        ],
    )
    def test_wrong_fields_are_400_and_make_nothing(self, shop, body, param):
        answer = shop.post(URL, body)
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == param
        assert not WebhookEndpoint.objects.exists()


class TestPublicHosts:
    @pytest.mark.parametrize(
        "host",
        [
            *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1"),
            *("169.254.169.254", "100.64.0.1", "192.0.0.8", "192.0.2.1", "198.18.0.1"),
            *("203.0.113.7", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
            *("[::]", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:8.8.8.8]", "[::127.0.0.1]"),
            *("[fe80::1]", "[fe80::1%25eth0]", "[fc00::1]", "[fd12::1]", "[fec0::1]", "[ff02::1]"),
            *("[64:ff9b::a00:1]", "[2002:7f00:1::]", "[2001::1]", "[2001:db8::1]", "[3fff::1]"),
            *("2130706433", "0x7f000001", "127.1", "0177.0.0.1", "0x7f.0.0.1", "1.2.3"),
            *("localhost", "metadata", "intranet."),
        ],
    )
    def test_others_are_refused_at_the_door(self, shop, host):
        answer = shop.post(URL, {"url": f"https://{host}/hook"})
        assert answer.json()["error"]["param"] == "url", answer.content
        assert not WebhookEndpoint.objects.exists()

    @pytest.mark.parametrize(
        "url",
        [
            *(
                "https://shop.example.com",
                "https://Shop.Example.COM:8443/a?b=c",
                "https://8.8.8.8/",
            ),
            *("https://[2606:4700::1111]:8443/", "https://xn--shp-sna.example.com/"),
            *("https://shop.example.com./", "https://a_b.example.com/"),
        ],
    )
    def test_are_taken(self, shop, url):
        assert make_endpoint(shop, url)["url"] == url

    def test_this_machine_is_taken_where_a_setting_says_so(self, shop, settings):
        settings.PAYSYS_WEBHOOK_LOOPBACK = True
        for host in ("127.0.0.1:8009", "localhost:8009", "[::1]:8009"):
            make_endpoint(shop, f"http://{host}/hook")
        assert shop.post(URL, {"url": "https://10.0.0.1/"}).status_code == 400

    def test_but_never_in_a_live_deployment(self, shop, settings):
        settings.PAYSYS_WEBHOOK_LOOPBACK = True
        settings.PAYSYS_MODE = "live"
        with pytest.raises(ValueError, match="https"):
            transport.read_url("http://127.0.0.1:8009/hook")
        with pytest.raises(ValueError, match="public host"):
            transport.read_url("https://127.0.0.1:8009/hook")


class TestChanging:
    def test_what_is_given_is_changed_and_nothing_else(self, shop):
        made = make_endpoint(shop, HOOK, event_types=["payment.*"])
        made.pop("secret")
        path = f"{URL}/{made['id']}"
        for change in (
            {"url": "https://other.example.com/"},
            {"event_types": ["*"]},
            {"enabled": False, "disabled_reason": "merchant"},
            {"enabled": True, "disabled_reason": None},
        ):
            made.update(change)
            change.pop("disabled_reason", "")
            assert shop.post(path, change).json() == made
            assert shop.get(path).json() == made
        assert_books_hold()

    def test_repeat_with_the_same_key_changes_it_once(self, shop):
        path = f"{URL}/{make_endpoint(shop, HOOK)['id']}"
        first = shop.post(path, {"enabled": False}, key="k")
        shop.post(path, {"enabled": True})
        again = shop.post(path, {"enabled": False}, key="k")
        assert again.content == first.content
        assert shop.get(path).json()["enabled"] is True

    def test_nothing_given_changes_nothing(self, shop):
        made = make_endpoint(shop, HOOK)
        made.pop("secret")
        for change in ({}, {"url": HOOK}, {"enabled": True}):
            assert shop.post(f"{URL}/{made['id']}", change).json() == made
        entries = audit.list_entries(book_id=shop.book_id, subject_id=uuid_of(made))
        assert len(entries) == 1

    @pytest.mark.parametrize(
        "change",
        [
            *({"url": "https://10.0.0.1/"}, {"url": None}, {"event_types": []}),
            *({"enabled": 1}, {"enabled": None}, {"secret": "x"}, {"disabled_reason": "gone"}),
        ],
    )
    def test_wrong_fields_are_400_and_change_nothing(self, shop, change):
        made = make_endpoint(shop, HOOK)
        made.pop("secret")
        answer = shop.post(f"{URL}/{made['id']}", change)
        assert answer.status_code == 400
        assert shop.get(f"{URL}/{made['id']}").json() == made


class TestRotating:
    def test_new_secret_is_shown_once(self, shop):
        made = make_endpoint(shop, HOOK)
        answer = shop.post(f"{URL}/{made['id']}/rotate_secret", {"overlap_seconds": 60})
        rotated = answer.json()

        assert answer.status_code == 200
        assert rotated.pop("secret") not in {None, made.pop("secret")}
        assert rotated == made
        old = WebhookSecret.objects.exclude(expires_at=None).get()
        assert timedelta() < old.expires_at - clock.now() <= timedelta(seconds=60)

    def test_secret_that_has_ended_is_forgotten(self, shop):
        made = make_endpoint(shop, HOOK)
        shop.post(f"{URL}/{made['id']}/rotate_secret", {"overlap_seconds": 60})
        services.retire(now=clock.now())
        assert WebhookSecret.objects.count() == 2
        services.retire(now=clock.now() + timedelta(seconds=61))
        assert WebhookSecret.objects.count() == 1
        assert_books_hold()

    def test_repeat_with_the_same_key_makes_no_third(self, shop):
        made = make_endpoint(shop, HOOK)
        path = f"{URL}/{made['id']}/rotate_secret"
        first = shop.post(path, key="k").json()
        forget_who_is_alive()
        assert shop.post(path, key="k").json() == first
        assert WebhookSecret.objects.count() == 2

    def test_secrets_survive_a_change_of_keys(self, shop, settings):
        made = make_endpoint(shop, HOOK)
        newest, *others = settings.PAYSYS_FIELD_KEYS.split(",")
        settings.PAYSYS_FIELD_KEYS = ",".join([*others, newest])
        call_command("rotate_keys", verbosity=0)
        settings.PAYSYS_FIELD_KEYS = others[0]
        live = selectors.list_live_secrets(
            book_id=shop.book_id, endpoint_id=uuid_of(made), now=clock.now()
        )
        assert live == [made["secret"]]

    @pytest.mark.parametrize("seconds", [-1, 604_801, "60", 1.5, None, True])
    def test_wrong_overlap_is_400(self, shop, seconds):
        made = make_endpoint(shop, HOOK)
        path = f"{URL}/{made['id']}/rotate_secret"
        assert shop.post(path, {"overlap_seconds": seconds}).status_code == 400
        assert WebhookSecret.objects.count() == 1


class TestDeleting:
    def test_it_is_there_no_more(self, shop):
        made = make_endpoint(shop, HOOK)
        path = f"{URL}/{made['id']}"
        assert shop.delete(path).status_code == 200

        assert shop.get(URL).json()["data"] == []
        assert not WebhookSecret.objects.exists()
        for answer in (
            *(shop.get(path), shop.delete(path), shop.post(path, {"enabled": True})),
            *(shop.post(f"{path}/rotate_secret"), shop.get(f"{path}/deliveries")),
            shop.post(f"{path}/replay", {"since": clock.now().isoformat()}),
        ):
            assert answer.status_code in {400, 404}
        assert shop.post(f"{path}/rotate_secret").status_code == 404
        assert_books_hold()


class TestWhoMay:
    def test_another_merchants_endpoint_is_not_there(self, shop):
        made = make_endpoint(shop, HOOK)
        other, path = make_shop(), f"{URL}/{made['id']}"
        for answer in (
            *(other.get(path), other.post(path, {"enabled": False}), other.delete(path)),
            other.post(f"{path}/rotate_secret"),
        ):
            assert answer.status_code == 404
        assert other.get(URL).json()["data"] == []
        assert shop.get(path).json()["enabled"] is True
        assert WebhookSecret.objects.count() == 1

    @pytest.mark.parametrize("endpoint", ["whe_1", "evt_" + "0" * 26, "whe_" + "0" * 26])
    def test_what_is_no_endpoint_is_404(self, shop, endpoint):
        for answer in (
            *(shop.get(f"{URL}/{endpoint}"), shop.post(f"{URL}/{endpoint}", {})),
            *(shop.delete(f"{URL}/{endpoint}"), shop.get(f"{URL}/{endpoint}/deliveries")),
            shop.post(f"{URL}/{endpoint}/rotate_secret"),
        ):
            assert answer.status_code == 404

    def test_reading_is_not_writing(self, shop):
        made = make_endpoint(shop, HOOK)
        reader = make_shop(scopes=["webhook_endpoints:read"])
        assert reader.get(URL).status_code == 200
        path = f"{URL}/{made['id']}"
        for answer in (
            *(reader.post(URL, {"url": HOOK}), reader.post(path, {}), reader.delete(path)),
            reader.post(f"{path}/rotate_secret"),
        ):
            assert answer.json()["error"]["code"] == "scope_missing"

    def test_list_is_newest_first_and_paged(self, shop):
        made = [make_endpoint(shop, f"https://shop.example.com/{number}") for number in range(3)]
        page = shop.get(URL, limit=2).json()
        assert [one["id"] for one in page["data"]] == [made[2]["id"], made[1]["id"]]
        assert (page["has_more"], page["url"]) == (True, URL)
        assert shop.get(URL, limit=0).status_code == 400
