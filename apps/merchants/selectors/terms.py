"""On which terms a merchant is paid out."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings

from apps.core.memory import Remembered
from apps.merchants.models import Merchant, PayoutTerms
from apps.merchants.types import Interval, Terms

TERMS_SECONDS = 5.0


def payout_terms(book_id: UUID) -> Terms:
    """The terms agreed with a merchant; the settings' as long as nothing else is agreed.

    One query, or none within five seconds of the last time.
    """
    found = terms.get(book_id)
    assert found is not None
    return found


def list_paid_daily() -> list[UUID]:
    """The active merchants whose payable money leaves by itself."""
    daily = PayoutTerms.objects.filter(interval=Interval.DAILY, book__status=Merchant.Status.ACTIVE)
    return list(daily.order_by("book_id").values_list("book_id", flat=True))


def _load_terms(book_id: UUID) -> Terms | None:
    row = PayoutTerms.objects.filter(book_id=book_id).first()
    if row is None:
        return Terms(delay_days=settings.PAYSYS_PAYOUT_DELAY_DAYS)
    return Terms(
        interval=Interval(row.interval),
        delay_days=row.delay_days,
        reserve_basis_points=row.reserve_basis_points,
        reserve_days=row.reserve_days,
        minimums=row.minimums,
    )


terms: Remembered[UUID, Terms] = Remembered(_load_terms, TERMS_SECONDS)
