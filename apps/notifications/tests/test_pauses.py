"""Endpoints that are gone, disabled or deleted: what is told then, and what afterwards."""

from __future__ import annotations

import pytest

from apps.notifications.models import Delivery, OutboxEntry
from apps.notifications.tests.scene import (
    URL,
    assert_books_hold,
    deliveries_of,
    finish,
    make_due,
    make_endpoint,
    publish,
    publish_line,
    uuid_of,
)

pytestmark = pytest.mark.django_db(transaction=True)


class TestGone:
    def test_410_disables_the_endpoint_and_ends_the_delivery(self, shop, sink, courier):
        endpoint = make_endpoint(shop, sink.url())
        sink.plan(410)
        publish(shop)
        finish(courier)

        shown = shop.get(f"{URL}/{endpoint['id']}").json()
        assert (shown["enabled"], shown["disabled_reason"]) == (False, "gone")
        assert deliveries_of(shop, endpoint)[0]["status"] == "FAILED"
        publish(shop)
        finish(courier)
        assert len(sink.received) == 1
        assert not OutboxEntry.objects.exists()
        assert_books_hold()

    def test_what_was_queued_waits_for_it_to_be_enabled(self, shop, sink, courier):
        endpoint = make_endpoint(shop, sink.url())
        sink.plan(410)
        publish_line(shop, 2)
        finish(courier)
        assert sink.sequences == [1]
        assert_books_hold()

        answer = shop.post(f"{URL}/{endpoint['id']}", {"enabled": True})
        assert (answer.json()["enabled"], answer.json()["disabled_reason"]) == (True, None)
        finish(courier)
        assert sink.sequences == [1, 2]
        assert_books_hold()

    def test_the_trail_says_who_disabled_it(self, shop, sink, courier):
        from apps.audit import selectors as audit

        endpoint = make_endpoint(shop, sink.url())
        sink.plan(410)
        publish(shop)
        finish(courier)
        entries = audit.list_entries(book_id=shop.book_id, subject_id=uuid_of(endpoint))
        found = {entry.action: (entry.actor, entry.facts) for entry in entries}
        assert found["webhook_endpoint.disabled"] == ("system", {"reason": "gone"})


class TestDisabled:
    def test_is_a_pause(self, shop, sink, courier):
        endpoint = make_endpoint(shop, sink.url())
        sink.plan(500)
        publish(shop)
        finish(courier)
        answer = shop.post(f"{URL}/{endpoint['id']}", {"enabled": False}).json()
        assert (answer["enabled"], answer["disabled_reason"]) == (False, "merchant")
        make_due()
        publish(shop)
        finish(courier)
        assert len(sink.received) == 1
        assert_books_hold()

        shop.post(f"{URL}/{endpoint['id']}", {"enabled": True})
        finish(courier)
        assert len(sink.received) == 2, "what was queued; not what happened meanwhile"
        assert_books_hold()

    def test_between_the_event_and_its_queue_tells_nobody(self, shop, sink, courier):
        endpoint = make_endpoint(shop, sink.url())
        publish(shop)
        shop.post(f"{URL}/{endpoint['id']}", {"enabled": False})
        finish(courier)
        assert sink.received == []
        assert not OutboxEntry.objects.exists()
        assert not Delivery.objects.exists()


class TestDeleted:
    def test_is_told_nothing_more(self, shop, sink, courier):
        from apps.notifications.tasks import retire

        endpoint = make_endpoint(shop, sink.url())
        sink.plan(500)
        publish_line(shop, 2)
        finish(courier)
        deleted = shop.delete(f"{URL}/{endpoint['id']}")
        assert deleted.json() == {
            "id": endpoint["id"],
            "object": "webhook_endpoint",
            "deleted": True,
        }
        publish(shop)
        make_due()
        finish(courier)
        retire()

        assert len(sink.received) == 1
        assert [one.status for one in Delivery.objects.all()] == ["CANCELED"] * 2
        assert_books_hold()
