"""Events: stored with the change they tell of, in the order of their object, read by its owner."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, IntegrityError, connection

from apps.core import clock, db, ids
from apps.core.ids import new_id
from apps.merchants.tests.makers import make_shop
from apps.notifications import selectors, services
from apps.notifications.models import Event, OutboxEntry
from apps.notifications.tests.scene import add_event, make_endpoint, publish

pytestmark = pytest.mark.django_db(transaction=True)


class TestPublishing:
    def test_event_is_stored_with_its_subject(self, shop):
        subject_id, now = new_id(), clock.now()
        publish(shop, subject_id=subject_id, sequence=3, now=now)
        (event,) = selectors.list_of_subject(book_id=shop.book_id, subject_id=subject_id)

        assert (event.kind, event.subject_kind, event.sequence) == (
            "payment.captured",
            "payment",
            3,
        )
        assert event.payload == {"id": "pay_1", "amount": 100}
        assert event.occurred_at == now

    def test_same_sequence_twice_is_refused(self, shop):
        subject_id = new_id()
        publish(shop, subject_id=subject_id)
        with pytest.raises(IntegrityError):
            publish(shop, subject_id=subject_id, kind="payment.refunded")
        assert Event.objects.get().kind == "payment.captured"

    def test_events_are_read_in_their_own_order_whenever_they_came(self, shop):
        subject_id = new_id()
        for sequence in (2, 5, 1):
            publish(shop, subject_id=subject_id, sequence=sequence)
        events = selectors.list_of_subject(book_id=shop.book_id, subject_id=subject_id)
        assert [event.sequence for event in events] == [1, 2, 5]

    def test_is_gone_with_the_change_it_belongs_to(self, shop):
        with pytest.raises(db.GuardFailed), db.unit():
            add_event(shop, subject_id=new_id())
            db.require("false", what="stale")
        assert not Event.objects.exists()

    def test_needs_a_transaction(self, shop):
        with pytest.raises(AssertionError, match="commit"):
            services.publish(
                book_id=shop.book_id,
                kind="payment.captured",
                subject_id=new_id(),
                sequence=1,
                payload={},
                now=clock.now(),
            )

    @pytest.mark.parametrize(
        "wrong",
        [
            {"kind": "captured"},
            {"kind": "Payment.captured"},
            {"kind": "payment."},
            {"kind": ""},
            {"payload": {"text": "x" * 40_000}},
        ],
    )
    def test_refuses_what_is_no_event(self, shop, wrong):
        with pytest.raises(ValueError, match=r"not the kind|characters"):
            publish(shop, **wrong)
        assert not Event.objects.exists()

    def test_sequence_begins_with_one(self, shop):
        with pytest.raises(IntegrityError):
            publish(shop, sequence=0)

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE notifications_event SET kind = 'payment.voided'",
            "DELETE FROM notifications_event",
            "TRUNCATE notifications_event CASCADE",
        ],
    )
    def test_nothing_changes_an_event(self, shop, statement):
        publish(shop)
        with (
            pytest.raises(DatabaseError, match="append-only"),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
        assert Event.objects.get().kind == "payment.captured"


class TestWhoIsToBeTold:
    def test_nobody_listens_and_nothing_waits(self, shop, sink):
        make_endpoint(make_shop(), sink.url())
        make_endpoint(shop, sink.url(), enabled=False)
        publish(shop)
        assert not OutboxEntry.objects.exists()

    def test_event_of_a_book_with_an_endpoint_waits_to_be_queued(self, shop, sink):
        for _ in range(2):
            make_endpoint(shop, sink.url(), event_types=["refund.*"])
        event = publish(shop, sequence=3)
        (waiting,) = OutboxEntry.objects.all()
        assert (waiting.event_id, waiting.subject_id) == (event.id, event.subject_id)
        assert (waiting.book_id, waiting.sequence) == (shop.book_id, 3)

    def test_it_is_gone_with_the_change_it_belongs_to(self, shop, sink):
        make_endpoint(shop, sink.url())
        with pytest.raises(db.GuardFailed), db.unit():
            add_event(shop, subject_id=new_id())
            db.require("false", what="stale")
        assert not OutboxEntry.objects.exists()


class TestReading:
    def test_event_is_shown_with_the_object_as_it_was(self, shop):
        publish(shop)
        event = Event.objects.get()
        shown = shop.get(f"/v1/events/{ids.encode('evt', event.id)}").json()

        assert shown == {
            "id": ids.encode("evt", event.id),
            "object": "event",
            "type": "payment.captured",
            "sequence": 1,
            "data": {"object": {"id": "pay_1", "amount": 100}},
            "occurred_at": shown["occurred_at"],
            "created_at": shown["created_at"],
        }
        assert shown["occurred_at"].endswith("Z")

    def test_list_is_newest_first_and_can_be_narrowed(self, shop):
        for kind in ("payment.created", "payment.captured", "refund.created"):
            publish(shop, kind=kind)

        def kinds(**query):
            return [one["type"] for one in shop.get("/v1/events", **query).json()["data"]]

        assert kinds() == ["refund.created", "payment.captured", "payment.created"]
        assert kinds(limit=1) == ["refund.created"]
        assert kinds(type="payment.created") == ["payment.created"]
        assert kinds(type="nothing.happened") == []

    def test_another_merchants_events_are_not_there(self, shop):
        publish(make_shop())
        event = ids.encode("evt", Event.objects.get().id)

        assert shop.get("/v1/events").json()["data"] == []
        assert shop.get(f"/v1/events/{event}").status_code == 404

    @pytest.mark.parametrize("query", [{"kind": "x"}, {"limit": "0"}, {"type": "a\0"}])
    def test_wrong_query_is_400(self, shop, query):
        assert shop.get("/v1/events", **query).status_code == 400

    @pytest.mark.parametrize("event", ["evt_1", "pay_" + "0" * 26, "evt_" + "0" * 26])
    def test_what_is_no_event_is_404(self, shop, event):
        assert shop.get(f"/v1/events/{event}").status_code == 404

    def test_nobody_writes_events_from_outside(self, shop):
        assert shop.post("/v1/events", {}).status_code == 405

    def test_key_needs_the_scope(self):
        answer = make_shop(scopes=["payments:read"]).get("/v1/events")
        assert answer.json()["error"]["code"] == "scope_missing"
