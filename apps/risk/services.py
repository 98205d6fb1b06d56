"""Screening: what speaks against a payment, and what follows from it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from apps.core import db
from apps.core.ids import new_id
from apps.core.money import Money
from apps.risk.types import Assessment, Decision

_INSERT = """
INSERT INTO risk_assessment
    (id, book_id, subject_id, decision, score, reasons, occurred_at)
VALUES (%s::uuid, %s::uuid, %s::uuid, %s, %s::smallint, %s::text[], %s::timestamptz)"""


def screen(*, book_id: UUID, payment_id: UUID, amount: Money, now: datetime) -> Assessment:
    """Assess a payment of `amount` (gross, positive) and store the assessment.

    A deployment without rules allows every payment and says so: reason `no_rules`.

    Retries: a payment is screened once; a second assessment is refused by the database, so a unit
    that is sent twice stores one.
    Transaction: joins the caller's unit or transaction, and there must be one.

    :raises IntegrityError: at the unit's end: the payment was screened before.
    """
    assert db.is_open(), "an assessment is stored in the commit that acts on it"
    assert amount.amount > 0, "nothing is not screened"
    assessment = Assessment(id=new_id(), decision=Decision.ALLOW, score=0, reasons=("no_rules",))
    db.write(
        _INSERT,
        (
            assessment.id,
            book_id,
            payment_id,
            assessment.decision.value,
            assessment.score,
            list(assessment.reasons),
            now,
        ),
    )
    return assessment
