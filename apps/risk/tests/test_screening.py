"""Screening: allows while there are no rules, says so, and keeps what it said."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from apps.core import clock, db
from apps.core.ids import new_id
from apps.core.money import Money
from apps.risk import selectors, services
from apps.risk.models import ScreenedPayment
from apps.risk.types import Assessment, Decision

pytestmark = pytest.mark.django_db(transaction=True)

BOOK = new_id()


def screen(payment_id, *, amount=100) -> Assessment:
    with db.unit():
        return services.screen(
            book_id=BOOK, payment_id=payment_id, amount=Money(amount, "EUR"), now=clock.now()
        )


class TestScreening:
    def test_without_rules_every_payment_is_allowed_and_the_reason_is_said(self):
        assessment = screen(new_id())

        assert assessment.decision is Decision.ALLOW
        assert assessment.score == 0
        assert assessment.reasons == ("no_rules",)

    def test_assessment_is_kept(self):
        payment_id = new_id()
        assert selectors.find(book_id=BOOK, payment_id=payment_id) is None
        assert selectors.find(book_id=BOOK, payment_id=payment_id) != screen(payment_id)
        kept = selectors.find(book_id=BOOK, payment_id=payment_id)

        assert kept is not None
        assert (kept.decision, kept.reasons) == (Decision.ALLOW, ("no_rules",))
        assert selectors.find(book_id=new_id(), payment_id=payment_id) is None

    def test_payment_is_screened_once(self):
        payment_id = new_id()
        first = screen(payment_id)
        with pytest.raises(IntegrityError):
            screen(payment_id)
        assert selectors.find(book_id=BOOK, payment_id=payment_id) == first

    def test_needs_a_transaction_and_is_gone_with_it(self):
        with pytest.raises(AssertionError, match="commit"):
            services.screen(
                book_id=BOOK, payment_id=new_id(), amount=Money(1, "EUR"), now=clock.now()
            )
        with pytest.raises(db.GuardFailed), db.unit():
            screen(new_id())
            db.require("false", what="stale")
        assert not ScreenedPayment.objects.exists()

    @pytest.mark.parametrize("amount", [0, -1])
    def test_nothing_is_not_screened(self, amount):
        with pytest.raises(AssertionError, match="not screened"):
            screen(new_id(), amount=amount)

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE risk_assessment SET decision = 'BLOCK'",
            "DELETE FROM risk_assessment",
            "TRUNCATE risk_assessment",
        ],
    )
    def test_nothing_changes_what_was_said(self, statement):
        payment_id = new_id()
        first = screen(payment_id)
        with (
            pytest.raises(DatabaseError, match="append-only"),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
        assert selectors.find(book_id=BOOK, payment_id=payment_id) == first

    @pytest.mark.parametrize("wrong", [{"decision": "MAYBE"}, {"score": 101}])
    def test_table_takes_known_decisions_and_scores_only(self, wrong):
        row = {"decision": "ALLOW", "score": 0, "reasons": [], "occurred_at": clock.now()}
        with pytest.raises(IntegrityError), transaction.atomic():
            ScreenedPayment.objects.create(book_id=BOOK, subject_id=new_id(), **{**row, **wrong})
