"""Looking at disputes. Every look at a merchant's objects names the merchant's book."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import QuerySet

from apps.core import ids
from apps.core.errors import NotFound
from apps.payments.models import (
    Dispute,
    DisputeLine,
    DisputeMove,
    ExcessCase,
    Payment,
    Refund,
)
from apps.payments.types import DisputeStatus, RefundStatus
from apps.sagas import selectors as sagas

if TYPE_CHECKING:
    from apps.sagas.models import Run


def load(book_id: UUID, dispute_id: UUID) -> Dispute:
    """A dispute with its payment, also one of which nothing is known yet."""
    return Dispute.objects.select_related("payment").get(book_id=book_id, id=dispute_id)


def get(book_id: UUID, dispute_id: UUID) -> Dispute:
    """A dispute of this merchant's, with its payment.

    :raises NotFound: there is none, it is somebody else's, or nothing is known of it yet.
    """
    dispute = list_disputes(book_id).filter(id=dispute_id).first()
    if dispute is None:
        raise NotFound(f"No such dispute: {ids.encode('dp', dispute_id)}.", param="id")
    return dispute


def lock(book_id: UUID, dispute_id: UUID) -> Dispute:
    """The same as `load`, locked until the transaction ends."""
    rows = Dispute.objects.select_related("payment").select_for_update(of=("self",))
    return rows.get(book_id=book_id, id=dispute_id)


def list_disputes(book_id: UUID, payment_id: UUID | None = None) -> QuerySet[Dispute]:
    """A merchant's disputes, of one payment or of all, as far as they are known."""
    disputes = Dispute.objects.select_related("payment").filter(book_id=book_id)
    disputes = disputes.exclude(status=DisputeStatus.REPORTED)
    return disputes.filter(payment_id=payment_id) if payment_id else disputes


def find_by_provider(book_id: UUID, provider: str, reference: str) -> Dispute | None:
    """The dispute that the provider knows under this id."""
    return Dispute.objects.filter(
        book_id=book_id, provider=provider, provider_reference=reference
    ).first()


def find_newest(payment: Payment, provider: str) -> Dispute | None:
    """The payment's newest dispute at this provider."""
    disputes = Dispute.objects.filter(
        book_id=payment.book_id, payment_id=payment.id, provider=provider
    )
    return disputes.order_by("-id").first()


def has_line(book_id: UUID, provider: str, line_reference: str) -> bool:
    """Whether this line of the provider's statement is booked."""
    return DisputeLine.objects.filter(
        book_id=book_id, provider=provider, line_reference=line_reference
    ).exists()


def list_fee_lines(dispute: Dispute) -> list[DisputeLine]:
    """The booked lines by which the provider took a fee in the currency that was paid, or gave it
    back."""
    lines = DisputeLine.objects.filter(
        book_id=dispute.book_id, dispute_id=dispute.id, currency=dispute.payment.currency
    )
    return list(lines.exclude(provider_fee=0))


def find_run(dispute: Dispute) -> Run | None:
    """The newest run that looked at it."""
    return sagas.find(book_id=dispute.book_id, saga="dispute", subject_id=dispute.id)


def find_open_case(dispute: Dispute) -> ExcessCase | None:
    return ExcessCase.objects.filter(
        book_id=dispute.book_id, dispute_id=dispute.id, closed_at=None
    ).first()


def list_refund_references(dispute: Dispute) -> list[str]:
    """The provider's names of what its payer was given back of the payment, oldest first."""
    refunds = Refund.objects.filter(
        book_id=dispute.book_id,
        payment_id=dispute.payment_id,
        status=RefundStatus.SUCCEEDED,
    )
    names = refunds.exclude(provider_reference="").order_by("id")
    return list(names.values_list("provider_reference", flat=True))


def list_exceeding(payment: Payment) -> QuerySet[Dispute]:
    """The payment's disputes that took more than its budget had, the oldest first."""
    disputes = Dispute.objects.filter(book_id=payment.book_id, payment_id=payment.id)
    return disputes.filter(excess__gt=0).order_by("id")


def given_to_merchant(payment: Payment) -> Decimal:
    """What the merchant has of a top-up in place of its wallet, which is closed: what refunds and
    disputes gave it, less what disputes took of it again; in the payment's `credit_currency`.
    """
    refunds = Refund.objects.filter(book_id=payment.book_id, payment_id=payment.id)
    moves = DisputeMove.objects.filter(
        book_id=payment.book_id, dispute__payment_id=payment.id, wallet_id=None
    )
    given = sum(refunds.values_list("merchant_amount", flat=True), Decimal(0))
    return given - sum(moves.values_list("bearer_amount", flat=True), Decimal(0))


def list_due(*, after: datetime, until: datetime, hours: int, limit: int) -> list[Dispute]:
    """Disputes that wait for an answer which is due in this time, the most urgent first.

    Not those that were reminded so many hours before it, or fewer.
    """
    due = Dispute.objects.select_related("payment").filter(
        closed_at=None,
        due_by__gt=after,
        due_by__lte=until,
        status=DisputeStatus.NEEDS_RESPONSE,
        evidence_ordered_at=None,
        accept_ordered_at=None,
    )
    return list(due.exclude(reminded_hours__lte=hours).order_by("due_by")[:limit])


def list_not_looked_at(*, since: datetime, limit: int) -> list[Dispute]:
    """Disputes that are open, or not known yet, and that nobody has asked about for a while."""
    waiting = Dispute.objects.filter(closed_at=None, updated_at__lt=since)
    return list(waiting.exclude(looked_at__gte=since).order_by("id")[:limit])
