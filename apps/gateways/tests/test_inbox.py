"""News from a provider: believed only when signed, stored once, scrubbed, and rung for."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe
from django.db import DatabaseError, connection

from apps.core import db, ids, queue
from apps.gateways import inbox, providers, selectors
from apps.gateways.models import InboundEvent, ProviderObject
from apps.gateways.providers.stripe import Stripe
from apps.gateways.tests.desk import Desk
from apps.gateways.tests.test_stripe import StripeSide
from apps.gateways.types import KEPT

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECRETS = ("whsec_new", "whsec_old")


@pytest.fixture(autouse=True)
def provider():
    ours = Stripe(api_key="sk_test_1", api_base="http://127.0.0.1:1", webhook_secrets=SECRETS)
    with providers.using("stripe", ours):
        yield


@pytest.fixture
def bells():
    with queue.recorded() as rung:
        yield rung


def event(**facts: Any) -> dict[str, Any]:
    intent = {
        "id": "pi_1",
        "object": "payment_intent",
        "metadata": {"paysys_payment": "pay_1"},
        "status": "requires_capture",
    }
    return {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.amount_capturable_updated",
        "created": int(NOW.timestamp()),
        "data": {"object": intent},
        **facts,
    }


def about(**facts: Any) -> dict[str, Any]:
    """An event about an object with these fields."""
    return event(data={"object": facts})


def signature(body: bytes, *, secret: str = "whsec_new", at: datetime = NOW) -> str:
    return stripe.WebhookSignature.generate_signature_header(
        body.decode(), secret, int(at.timestamp())
    )


def receive(body: bytes | dict[str, Any], header: str | None = None, **facts: Any) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Stripe-Signature": signature(raw) if header is None else header}
    return inbox.receive(provider="stripe", raw_body=raw, headers=headers, now=NOW, **facts)


def refused(body: bytes | dict[str, Any], error: type[Exception], **facts: Any) -> None:
    with pytest.raises(error):
        receive(body, **facts)
    assert not InboundEvent.objects.exists()


class TestReceive:
    def test_an_event_is_stored_and_rung_for(self, bells):
        event_id = receive(event())

        stored = InboundEvent.objects.get()
        assert stored.id == event_id
        assert (stored.provider, stored.account, stored.event_id) == ("stripe", "", "evt_1")
        assert stored.kind == "payment_intent.amount_capturable_updated"
        assert (stored.object_reference, stored.payment_reference) == ("pi_1", "pi_1")
        assert stored.payment_public_id == "pay_1"
        assert (stored.received_at, stored.processed_at) == (NOW, None)
        assert stored.payload["data"]["object"]["status"] == "requires_capture"
        assert bells == [("payments.apply_event", (str(event_id),))]

    def test_the_same_event_is_stored_once(self, bells):
        first = receive(event())
        with db.unit():
            inbox.mark_processed(event_id=first, note="nudged", now=NOW)

        assert receive(event()) is None

        assert InboundEvent.objects.count() == 1
        assert len(bells) == 1

    def test_an_event_that_nobody_applied_yet_rings_again(self, bells):
        first = receive(event())

        assert receive(event()) is None

        assert bells == [("payments.apply_event", (str(first),))] * 2

    def test_two_accounts_may_use_one_event_id(self, bells):
        receive(event())
        receive(event(account="acct_2"))

        assert InboundEvent.objects.count() == 2

    def test_kinds_that_nobody_handles_are_kept(self, bells):
        receive(event(type="climate.order.created", data={"object": {"id": "climorder_1"}}))

        stored = InboundEvent.objects.get()
        assert (stored.kind, stored.payment_reference) == ("climate.order.created", "")

    @pytest.mark.parametrize(
        ("found", "payment"),
        [
            ({"id": "ch_1", "object": "charge", "payment_intent": "pi_7"}, "pi_7"),
            ({"id": "re_1", "object": "refund", "payment_intent": "pi_7"}, "pi_7"),
            ({"id": "dp_1", "object": "dispute", "payment_intent": {"id": "pi_7"}}, "pi_7"),
            ({"id": "ch_1", "object": "charge", "payment_intent": None}, ""),
            ({"id": "po_1", "object": "payout"}, ""),
        ],
    )
    def test_an_event_says_which_payment_it_is_about(self, bells, found, payment):
        receive(about(**found))

        stored = InboundEvent.objects.get()
        assert (stored.object_reference, stored.payment_reference) == (found["id"], payment)

    def test_an_unknown_provider_is_not_found(self):
        with pytest.raises(inbox.NoSuchProvider):
            inbox.receive(provider="nobody", raw_body=b"{}", headers={}, now=NOW)
        with pytest.raises(inbox.NoSuchProvider):
            inbox.receive(provider="instant", raw_body=b"{}", headers={}, now=NOW)


class TestSignature:
    def test_either_of_two_secrets_is_good(self, bells):
        body = json.dumps(event()).encode()

        assert receive(body, signature(body, secret="whsec_old"))

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "nonsense",
            "t=1,v1=",
            "t=abc,v1=00",
            "v1=00",
            "t=99999999999999999999,v1=00",
            "t=1772366400,v1=ümlaut",
            "t=1772366400,v0=00",
        ],
    )
    def test_a_bad_header_is_refused(self, header, bells):
        refused(event(), inbox.SignatureInvalid, header=header)
        assert bells == []

    def test_another_secret_is_refused(self, bells):
        body = json.dumps(event()).encode()

        refused(body, inbox.SignatureInvalid, header=signature(body, secret="whsec_other"))

    def test_the_signature_is_over_the_raw_bytes(self, bells):
        body = json.dumps(event()).encode()

        refused(body + b" ", inbox.SignatureInvalid, header=signature(body))

    @pytest.mark.parametrize("seconds", [301, -301])
    def test_outside_the_tolerance_is_refused(self, seconds, bells):
        body = json.dumps(event()).encode()
        at = NOW - timedelta(seconds=seconds)

        refused(body, inbox.SignatureInvalid, header=signature(body, at=at))

    @pytest.mark.parametrize("seconds", [299, -299])
    def test_inside_the_tolerance_is_good(self, seconds, bells):
        body = json.dumps(event()).encode()

        assert receive(body, signature(body, at=NOW - timedelta(seconds=seconds)))

    def test_without_a_secret_nothing_is_believed(self, bells):
        body = json.dumps(event()).encode()
        with providers.using("stripe", Stripe(api_key="sk_test_1", api_base="http://127.0.0.1:1")):
            refused(body, inbox.SignatureInvalid, header=signature(body, secret=""))


class TestBadInput:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b'"evt"',
            b"{}",
            b'{"id": "evt_1"}',
            json.dumps(event(id=7)).encode(),
            json.dumps(event(id="")).encode(),
            json.dumps(event(type=None)).encode(),
            json.dumps(event(data=[])).encode(),
            json.dumps(event(data={"object": 1})).encode(),
            json.dumps(event(created="yesterday")).encode(),
            json.dumps(event(created=1e99)).encode(),
            json.dumps(event(created=10**20)).encode(),
            b"[" * 100_000 + b"]" * 100_000,
            b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        ],
    )
    def test_signed_nonsense_is_an_invalid_event(self, body, bells):
        refused(body, inbox.EventInvalid)

    def test_bytes_that_are_no_text_are_refused(self, bells):
        refused(b"\xff\xfe", inbox.SignatureInvalid, header=signature(b""))

    def test_a_giant_is_refused_before_anything_is_computed(self, bells):
        refused(b" " * (1024 * 1024 + 1), inbox.EventTooLarge, header="")

    def test_what_postgresql_cannot_store_is_replaced(self, bells):
        raw = json.dumps(about(id="pi_1", object="payment_intent", a="x")).replace(
            '"x"', '"\\u0000 \\ud800 \\udc00", "n": NaN, "i": 1e999, "b": 12345678901234567890123'
        )

        assert receive(raw.encode())

        stored = InboundEvent.objects.get().payload["data"]["object"]
        assert stored["n"] is None
        assert stored["i"] is None
        assert stored["b"] == 12345678901234567890123
        assert "\x00" not in stored["a"]

    def test_nul_and_lone_surrogates_in_names_are_replaced_too(self, bells):
        raw = json.dumps(event(id="evt_x")).replace("evt_x", "evt\\u0000\\ud800")

        assert receive(raw.encode())

    def test_deep_but_readable_events_are_cut(self, bells):
        deep: Any = "bottom"
        for _ in range(100):
            deep = {"next": deep}

        assert receive(about(id="pi_1", object="payment_intent", deep=deep))

        assert "bottom" not in json.dumps(InboundEvent.objects.get().payload)


class TestScrubbing:
    def test_card_numbers_people_and_secrets_are_not_stored(self, bells):
        receive(
            about(
                id="pi_1",
                object="payment_intent",
                client_secret="pi_1_secret_42",
                description="card 4242 4242 4242 4242",
                number=4242424242424242,
                receipt_email="jenny@example.com",
                shipping={"name": "Jenny Rosen", "address": {"line1": "Lombard 510"}},
                charges=[{"billing_details": {"email": "jenny@example.com"}, "amount": 100}],
                phone=None,
            )
        )

        payload = InboundEvent.objects.get().payload
        text = json.dumps(payload)
        for gone in ("4242 4242", "4242424242424242", "jenny@", "Rosen", "Lombard", "secret_42"):
            assert gone not in text
        assert payload["data"]["object"]["charges"][0]["amount"] == 100
        assert payload["data"]["object"]["phone"] is None

    def test_ids_amounts_and_times_are_kept(self, bells):
        facts = {"id": "pi_3OqKcZ2eZvKYlo2C1d3rAJpZ", "amount": 10**12, "at": 1772366400123}

        receive(about(object="payment_intent", **facts))

        stored = InboundEvent.objects.get().payload["data"]["object"]
        assert {name: stored[name] for name in facts} == facts


class TestProcessing:
    def test_what_became_of_an_event_is_noted_once(self, bells):
        event_id = receive(event())
        with db.unit():
            inbox.mark_processed(event_id=event_id, note="nudged", now=NOW)
        with db.unit():
            inbox.mark_processed(event_id=event_id, note="again", now=NOW + timedelta(days=1))

        stored = selectors.find_event(event_id)
        assert stored is not None
        assert (stored.processed_at, stored.note) == (NOW, "nudged")
        with pytest.raises(db.GuardFailed), db.unit():
            inbox.mark_processed(event_id=event_id, note="third", now=NOW, expect_unprocessed=True)

    def test_events_whose_bell_was_lost_are_listed_oldest_first(self, bells):
        first, second = receive(event(id="evt_1")), receive(event(id="evt_2"))
        third = receive(event(id="evt_3"))
        with db.unit():
            inbox.mark_processed(event_id=second, note="nudged", now=NOW)

        later = NOW + timedelta(seconds=1)
        waiting = selectors.list_unprocessed(received_before=later, parked_before=later)

        assert [found.id for found in waiting] == [first, third]
        assert selectors.list_unprocessed(received_before=NOW, parked_before=NOW) == []

    def test_one_about_an_object_that_nobody_knows_yet_is_not_among_them(self, bells):
        parked = receive(event())
        later = NOW + timedelta(seconds=1)
        assert selectors.list_unprocessed(received_before=later, parked_before=NOW) == []

        ProviderObject.objects.create(
            provider="stripe",
            reference="pi_1",
            book_id=ids.new_id(),
            payment_id=ids.new_id(),
            created_at=NOW,
        )

        known = selectors.list_unprocessed(received_before=later, parked_before=NOW)
        assert [found.id for found in known] == [parked]

    def test_what_was_only_kept_may_be_noted_anew(self, bells):
        event_id = receive(event())
        for note in (f"{KEPT}unknown object", "nudged", "again"):
            with db.unit():
                inbox.mark_processed(event_id=event_id, note=note, now=NOW)

        stored = InboundEvent.objects.get()
        assert (stored.note, stored.is_done) == ("nudged", True)

    @pytest.mark.parametrize(
        "sql",
        [
            "DELETE FROM gateways_inbound_event",
            "UPDATE gateways_inbound_event SET payload = '{}'",
            "UPDATE gateways_inbound_event SET event_id = 'evt_9'",
        ],
    )
    def test_news_are_kept_as_they_came(self, bells, sql):
        receive(event())

        with pytest.raises(DatabaseError), connection.cursor() as cursor:
            cursor.execute(sql)


class TestFromTheSimulator:
    def test_its_events_are_believed_and_point_to_the_payment(self, simulator, bells):
        side = StripeSide(simulator)
        with providers.using("stripe", side.provider):
            desk = Desk(side)
            reference = desk.captured()
            for found in simulator.events():
                signed = simulator.deliver(found)
                inbox.receive(
                    provider="stripe",
                    raw_body=signed.body,
                    headers=signed.headers,
                    now=datetime.now(UTC),
                )

        stored = {e.kind: e for e in InboundEvent.objects.all()}
        assert "payment_intent.succeeded" in stored
        assert stored["payment_intent.succeeded"].payment_reference == reference
        assert stored["charge.captured"].payment_reference == reference
