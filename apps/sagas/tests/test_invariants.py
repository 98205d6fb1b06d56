"""What `check_books` asks of runs: true of every run, and able to fail."""

import pytest
from django.db import IntegrityError

from apps.core import db
from apps.core.ids import new_id
from apps.sagas import selectors, services
from apps.sagas.tests import books, flow

pytestmark = pytest.mark.django_db(transaction=True)

OPEN, ENDED, UNDONE = selectors.INVARIANTS


def violations(invariant):
    return books.fetch(invariant.sql)


class TestInvariants:
    def test_hold_for_runs_of_every_kind(self, company, settle):
        company.plan("confirm", "ok", "decline")
        company.plan("create", *["ok"] * 5, "timeout_before")
        for plan in ({}, {}, {"review": True}, {"credit": "refuse"}, {"free": True}):
            flow.begin(**plan)
        _, broken = flow.begin(reserve="bug")
        settle(broken)
        flow.begin(release="bug", credit="refuse")
        flow.begin()
        flow.start()

        assert {run["status"] for run in books.fetch("SELECT status FROM sagas_run")} == {
            *("COMPLETED", "COMPENSATED", "WAITING", "NEEDS_ATTENTION"),
            *("COMPENSATING", "IN_PROGRESS"),
        }
        for invariant in selectors.INVARIANTS:
            assert violations(invariant) == [], invariant.says

    def test_an_open_run_without_a_date_is_refused_by_the_table(self):
        run, _ = flow.begin(review=True)

        with pytest.raises(IntegrityError, match="sagas_run_open_has_a_date"):
            books.execute("UPDATE sagas_run SET next_run_at = NULL WHERE id = %s", run.id)

    def test_an_open_run_without_a_date_is_found(self):
        run, _ = flow.begin(review=True)
        constraint = "sagas_run_open_has_a_date"
        [row] = books.fetch(
            "SELECT pg_get_constraintdef(oid) AS was FROM pg_constraint WHERE conname = %s",
            constraint,
        )
        books.execute(f"ALTER TABLE sagas_run DROP CONSTRAINT {constraint}")
        try:
            books.execute("UPDATE sagas_run SET next_run_at = NULL")
            assert [found["id"] for found in violations(OPEN)] == [run.id]
        finally:
            books.execute("UPDATE sagas_run SET next_run_at = now()")
            books.execute(f"ALTER TABLE sagas_run ADD CONSTRAINT {constraint} {row['was']}")

    @pytest.mark.parametrize(
        "change",
        ["lease_until = now()", "next_run_at = now()", "waiting_for = 'Godot'"],
    )
    def test_an_ended_run_that_waits_is_found(self, change):
        run, _ = flow.begin()
        books.execute(f"UPDATE sagas_run SET {change}")

        assert [found["id"] for found in violations(ENDED)] == [run.id]

    def test_an_undone_run_without_a_reason_is_found(self):
        run, _ = flow.begin(reserve="refuse")
        books.execute("UPDATE sagas_run SET abort = NULL")

        assert [found["id"] for found in violations(UNDONE)] == [run.id]


class TestOneRunPerSubject:
    def test_a_second_open_run_is_refused_by_the_table(self):
        run, _ = flow.begin(review=True)

        run.id = new_id()
        with pytest.raises(IntegrityError, match="sagas_run_one_open_per_subject"):
            run.save(force_insert=True)

    def test_a_new_run_follows_one_that_has_ended(self):
        run, order = flow.begin(free=True)
        with db.unit():
            later = services.start(
                saga="purchase", book_id=order.book_id, subject_id=order.id, now=run.created_at
            )

        assert flow.run_of(order).id == later.id != run.id


class TestCount:
    def test_unresolved_runs_are_neither_ended_nor_waiting(self, settle):
        flow.begin()
        flow.begin(review=True)
        flow.begin(reserve="refuse")
        assert selectors.count_unresolved() == 0

        flow.start()
        _, stuck = flow.begin(reserve="bug")
        settle(stuck)
        assert selectors.count_unresolved() == 2
