"""Every invariant holds, and is broken by the very thing it is about."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, IntegrityError, connection

from apps.core.ids import new_id
from apps.notifications import selectors
from apps.notifications.models import Delivery
from apps.notifications.tests.scene import (
    execute,
    finish,
    make_endpoint,
    publish,
    publish_line,
    violated,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def told(shop, sink, courier):
    """One delivery that was taken, one that waits for its next attempt, and one behind it."""
    made = make_endpoint(shop, sink.url())
    finish(courier)  # from here on it listens
    publish(shop, kind="refund.created")
    finish(courier)
    sink.plan(500)
    publish_line(shop, 2)
    finish(courier)
    assert violated() == set()
    return made


PLANTED = {
    "every_event_is_queued": [
        "DELETE FROM notifications_delivery_attempt; "
        "DELETE FROM notifications_delivery WHERE status = 'DELIVERED'",
        "INSERT INTO notifications_event (id, book_id, kind, subject_kind, subject_id, sequence,"
        " payload, occurred_at) SELECT uuidv7(), book_id, kind, subject_kind, uuidv7(), 1, payload,"
        " occurred_at FROM notifications_event LIMIT 1",
    ],
    "delivery_at_home": [
        "UPDATE notifications_delivery SET subject_id = uuidv7() WHERE status = 'DELIVERED'",
        "UPDATE notifications_delivery SET sequence = 7 WHERE status = 'DELIVERED'",
    ],
    "first_in_line_is_due": [
        "UPDATE notifications_delivery SET due_at = NULL; "
        "UPDATE notifications_webhook_queue SET due_at = NULL",
        "UPDATE notifications_delivery SET due_at = now() + interval '9 days'"
        " WHERE status = 'PENDING'",
    ],
    "queue_knows_what_is_due": [
        "UPDATE notifications_webhook_queue SET due_at = NULL",
        "UPDATE notifications_webhook_queue SET due_at = due_at + interval '1 second'",
        "DELETE FROM notifications_webhook_queue",
        "UPDATE notifications_webhook_endpoint SET status = 'DISABLED', disabled_reason = 'gone'",
    ],
    "delivered_was_accepted": [
        "DELETE FROM notifications_delivery_attempt",
        "UPDATE notifications_delivery_attempt SET status_code = 302",
    ],
    "one_current_secret": [
        "DELETE FROM notifications_webhook_secret",
        "INSERT INTO notifications_webhook_secret (id, book_id, endpoint_id, secret_encrypted,"
        " expires_at) SELECT uuidv7(), book_id, endpoint_id, 'x', now()"
        " FROM notifications_webhook_secret, generate_series(1, 2)",
    ],
}


class TestInvariants:
    def test_each_has_a_violation_of_its_own(self):
        names = {rule.name.partition(".")[2] for rule in selectors.INVARIANTS}
        assert set(PLANTED) == names

    @pytest.mark.parametrize(
        ("name", "plant"), [(name, sql) for name, sqls in PLANTED.items() for sql in sqls]
    )
    def test_violation_is_seen(self, told, name, plant):
        with connection.cursor() as cursor:
            cursor.execute(f"BEGIN; SET LOCAL session_replication_role = replica; {plant}; COMMIT")
        assert violated() == {f"notifications.{name}"}


class TestWhatTheDatabaseRefuses:
    @pytest.mark.parametrize(
        "change",
        [
            "status = 'SENT'",
            "status = 'DELIVERED', due_at = NULL",
            "status = 'FAILED'",
            "attempts = 11",
        ],
    )
    def test_delivery_that_contradicts_itself(self, told, change):
        with pytest.raises(IntegrityError):
            execute(f"UPDATE notifications_delivery SET {change} WHERE due_at IS NOT NULL")
        assert violated() == set()

    def test_event_twice_to_one_endpoint(self, told):
        one = Delivery.objects.first()
        with pytest.raises(IntegrityError):
            Delivery.objects.create(
                book_id=one.book_id,
                endpoint_id=one.endpoint_id,
                event_id=one.event_id,
                subject_id=new_id(),
                sequence=9,
            )

    def test_second_current_secret(self, told):
        with pytest.raises(IntegrityError):
            execute(
                "INSERT INTO notifications_webhook_secret (id, book_id, endpoint_id,"
                " secret_encrypted) SELECT uuidv7(), book_id, endpoint_id, 'x'"
                " FROM notifications_webhook_secret"
            )

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE notifications_delivery_attempt SET status_code = 200",
            "DELETE FROM notifications_delivery_attempt",
            "TRUNCATE notifications_delivery_attempt",
        ],
    )
    def test_change_of_an_attempt(self, told, statement):
        with pytest.raises(DatabaseError, match="append-only"):
            execute(statement)

    @pytest.mark.parametrize(
        "change", ["status = 'GONE'", "status = 'DISABLED'", "disabled_reason = 'gone'"]
    )
    def test_endpoint_that_contradicts_itself(self, told, change):
        with pytest.raises(IntegrityError):
            execute(f"UPDATE notifications_webhook_endpoint SET {change}")
