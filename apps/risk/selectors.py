"""Reading assessments."""

from __future__ import annotations

from uuid import UUID

from apps.core.types import Invariant
from apps.risk.models import ScreenedPayment
from apps.risk.types import Assessment, Decision


def find(*, book_id: UUID, payment_id: UUID) -> Assessment | None:
    """The assessment of a payment, if it was screened."""
    row = ScreenedPayment.objects.filter(book_id=book_id, subject_id=payment_id).first()
    if row is None:
        return None
    return Assessment(
        id=row.id,
        decision=Decision(row.decision),
        score=row.score,
        reasons=tuple(row.reasons),
    )


INVARIANTS: tuple[Invariant, ...] = ()  # all of them are constraints of the table
