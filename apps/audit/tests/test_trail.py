"""The trail: written with the change, and never changed."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from apps.audit import selectors, services
from apps.audit.models import AuditEntry
from apps.core import clock, db
from apps.core.ids import new_id

pytestmark = pytest.mark.django_db(transaction=True)

BOOK, SUBJECT = new_id(), new_id()


def record(**other) -> None:
    facts = {
        "book_id": BOOK,
        "actor": "key:sk_test_abc",
        "action": "payment.captured",
        "subject_id": SUBJECT,
        "subject_kind": "payment",
        "facts": {"amount": 100, "from": "AUTHORIZED", "runs": [1, None, True]},
        "now": clock.now(),
    }
    services.record(**{**facts, **other})


def entries() -> list[AuditEntry]:
    return list(selectors.list_entries(book_id=BOOK, subject_id=SUBJECT))


class TestWriting:
    def test_row_says_who_did_what_to_which_object(self):
        now = clock.now()
        with db.unit():
            record(now=now)
        (entry,) = entries()

        assert (entry.actor, entry.action) == ("key:sk_test_abc", "payment.captured")
        assert (entry.subject_kind, entry.subject_id) == ("payment", SUBJECT)
        assert entry.facts == {"amount": 100, "from": "AUTHORIZED", "runs": [1, None, True]}
        assert entry.occurred_at == now

    def test_created_at_is_the_databases_clock_whatever_the_caller_says(self):
        with db.unit():
            record(now=clock.now().replace(year=2001))
        with connection.cursor() as cursor:
            cursor.execute("SELECT abs(extract(epoch FROM now() - created_at)) FROM audit_entry")
            assert cursor.fetchone()[0] < 5
        assert entries()[0].occurred_at.year == 2001

    def test_costs_no_round_trip_of_its_own(self, django_assert_num_queries):
        with django_assert_num_queries(1), db.unit():
            for _ in range(3):
                record()
        assert len(entries()) == 3

    def test_is_gone_with_the_change_it_belongs_to(self):
        with pytest.raises(db.GuardFailed), db.unit():
            record()
            db.require("false", what="stale")
        with pytest.raises(RuntimeError), transaction.atomic():
            record()
            raise RuntimeError
        assert entries() == []

    def test_needs_a_transaction(self):
        with pytest.raises(AssertionError, match="commit"):
            record()

    @pytest.mark.parametrize("text", ["100%", "%s", "'; DROP TABLE audit_entry; --", "ö\\n☕"])
    def test_takes_any_text_as_it_is(self, text):
        with db.unit():
            record(facts={"note": text})
        assert entries()[0].facts == {"note": text}

    @pytest.mark.parametrize(
        "wrong",
        [
            {"actor": ""},
            {"actor": "Ada Lovelace"},
            {"actor": "staff:"},
            {"actor": "staff:ada@example.org"},
            {"actor": "key:" + "a" * 80},
            {"action": "Captured the payment"},
            {"action": ""},
            {"subject_kind": "pay ment"},
            {"facts": {"text": "x" * 5000}},
        ],
    )
    def test_refuses_what_does_not_belong_there(self, wrong):
        with pytest.raises(ValueError, match=r"not an|characters"), db.unit():
            record(**wrong)
        assert entries() == []

    @pytest.mark.parametrize("actor", ["system", "staff:7", "provider:stripe", "key:sk_test_a1"])
    def test_knows_four_kinds_of_actors(self, actor):
        with db.unit():
            record(actor=actor)
        assert entries()[0].actor == actor

    def test_trail_of_one_object_is_in_order_and_holds_no_other(self):
        with db.unit():
            for action in ("payment.created", "payment.authorized", "payment.captured"):
                record(action=action)
            record(subject_id=new_id())
            record(book_id=new_id())
        assert [entry.action.partition(".")[2] for entry in entries()] == [
            "created",
            "authorized",
            "captured",
        ]


class TestNothingChangesIt:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE audit_entry SET actor = 'system'",
            "DELETE FROM audit_entry",
            "TRUNCATE audit_entry",
        ],
    )
    def test_database_refuses(self, statement):
        with db.unit():
            record()
        with (
            pytest.raises(DatabaseError, match="append-only"),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
        assert len(entries()) == 1
