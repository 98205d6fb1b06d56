"""Looking at payments and refunds. Every look at a merchant's objects names the merchant's book."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet, Subquery

from apps.core import ids
from apps.core.errors import NotFound
from apps.core.money import Money
from apps.gateways import selectors as gateways
from apps.ledger import selectors as ledger
from apps.ledger.types import BookedTransaction
from apps.payments import dispute_invariants, invariants, payout_invariants, receipt_invariants
from apps.payments.models import (
    HAS_NOTES,
    DisputeLine,
    DisputeMove,
    Payment,
    Payout,
    ReceiptWaiting,
    Refund,
    SettlementLine,
    Transfer,
    VirtualReference,
)
from apps.payments.types import RefundStatus
from apps.sagas import selectors as sagas

if TYPE_CHECKING:
    from apps.sagas.models import Run


def find_notes(
    model: type[Payment | Refund | Payout | Transfer], text: str
) -> Callable[[UUID, Collection[UUID]], dict[UUID, dict[str, Any]]]:
    """What finds the notes on the rows of a table, whose text stands in the column `text`."""

    def find(book_id: UUID, ids: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
        rows = model._default_manager.filter(book_id=book_id, id__in=ids).filter(HAS_NOTES[text])
        return {
            id_: {text: words or None, "metadata": metadata}
            for id_, words, metadata in rows.values_list("id", text, "metadata")
        }

    return find


def get(book_id: UUID, payment_id: UUID) -> Payment:
    """A payment of this merchant's.

    :raises NotFound: there is none, or it is somebody else's.
    """
    payment = Payment.objects.filter(book_id=book_id, id=payment_id).first()
    if payment is None:
        raise NotFound(f"No such payment: {ids.encode('pay', payment_id)}.", param="id")
    return payment


def find_anywhere(payment_id: UUID) -> Payment | None:
    """A payment of whichever merchant's: for staff, who have its id and nothing else."""
    return Payment.objects.filter(id=payment_id).first()


def lock(book_id: UUID, payment_id: UUID) -> Payment:
    """The same, locked until the transaction ends.

    :raises NotFound: there is none, or it is somebody else's.
    """
    rows = Payment.objects.select_for_update().filter(book_id=book_id, id=payment_id)
    payment = rows.first()
    if payment is None:
        raise NotFound(f"No such payment: {ids.encode('pay', payment_id)}.", param="id")
    return payment


def list_payments(book_id: UUID) -> QuerySet[Payment]:
    """A merchant's payments, each with the run of its open call, so that a page asks once."""
    calls = gateways.open_calls().filter(book_id=book_id, payment_id=OuterRef("id"))
    open_run_id = Subquery(calls.values("run_id")[:1])
    return Payment.objects.filter(book_id=book_id).annotate(open_run_id=open_run_id)


def find_by_reference(book_id: UUID, reference: str) -> Payment | None:
    """The payment that the merchant gave this reference, if there is one."""
    return Payment.objects.filter(book_id=book_id, reference=reference).first()


def get_refund(book_id: UUID, refund_id: UUID) -> Refund:
    """A refund of this merchant's, with its payment.

    :raises NotFound: there is none, or it is somebody else's.
    """
    rows = Refund.objects.select_related("payment")
    refund = rows.filter(book_id=book_id, id=refund_id).first()
    if refund is None:
        raise NotFound(f"No such refund: {ids.encode('re', refund_id)}.", param="id")
    return refund


def list_refunds(book_id: UUID, payment_id: UUID | None = None) -> QuerySet[Refund]:
    """A merchant's refunds, of one payment or of all; compensations are ours and not shown."""
    refunds = Refund.objects.select_related("payment").filter(
        book_id=book_id, is_compensation=False
    )
    return refunds.filter(payment_id=payment_id) if payment_id else refunds


def get_transfer(book_id: UUID, transfer_id: UUID) -> Transfer:
    """A transfer between wallets of this merchant's.

    :raises NotFound: there is none, or it is somebody else's.
    """
    transfer = Transfer.objects.filter(book_id=book_id, id=transfer_id).first()
    if transfer is None:
        raise NotFound(f"No such transfer: {ids.encode('tr', transfer_id)}.", param="id")
    return transfer


def list_transfers(book_id: UUID, wallet_id: UUID | None = None) -> QuerySet[Transfer]:
    """A merchant's transfers, of one wallet (in or out of it) or of all."""
    transfers = Transfer.objects.filter(book_id=book_id)
    if wallet_id is None:
        return transfers
    return transfers.filter(Q(from_wallet_id=wallet_id) | Q(to_wallet_id=wallet_id))


def find_compensation(payment: Payment) -> Refund | None:
    """The refund with which we undid the capture, if we did."""
    found = Refund.objects.filter(
        book_id=payment.book_id, payment_id=payment.id, is_compensation=True
    ).first()
    if found is not None:
        found.payment = payment  # one payment, not a second copy of it
    return found


def find_refund_by_provider(book_id: UUID, payment_id: UUID, reference: str) -> Refund | None:
    """The refund that the provider knows under this id."""
    return Refund.objects.filter(
        book_id=book_id, payment_id=payment_id, provider_reference=reference
    ).first()


def list_sent_refunds(book_id: UUID, payment_id: UUID, *, card_amount: Money) -> QuerySet[Refund]:
    """The refunds of a payment that its provider has, of so much to the card, oldest first."""
    refunds = Refund.objects.filter(
        book_id=book_id,
        payment_id=payment_id,
        currency=card_amount.currency.code,
        card_amount=card_amount.amount,
    )
    return refunds.exclude(provider_reference="").order_by("id")


def list_open_refunds(book_id: UUID, payment_id: UUID) -> QuerySet[Refund]:
    """The refunds of a payment whose end is not known, our own among them."""
    return Refund.objects.filter(
        book_id=book_id, payment_id=payment_id, status=RefundStatus.PENDING
    )


def has_settlement_line(payment: Payment | Payout, provider: str, line_reference: str) -> bool:
    """Whether this line of the provider's statement is booked."""
    return SettlementLine.objects.filter(
        book_id=payment.book_id, provider=provider, line_reference=line_reference
    ).exists()


def has_open_call(payment: Payment) -> bool:
    """Whether a call for this payment is under way or its end unknown: then no other may start."""
    call = gateways.find_open_call(book_id=payment.book_id, payment_id=payment.id)
    return call is not None


def find_charge_run(payment: Payment) -> Run | None:
    return sagas.find(book_id=payment.book_id, saga="charge", subject_id=payment.id)


def find_refund_run(refund: Refund) -> Run | None:
    """The run that sends it: its own, or the payment's if the payment is being undone."""
    if refund.is_compensation:
        return sagas.find(book_id=refund.book_id, saga="charge", subject_id=refund.payment_id)
    return sagas.find(book_id=refund.book_id, saga="refund", subject_id=refund.id)


def find_refund_check(refund: Refund) -> Run | None:
    """The newest run that asked whether a refund which succeeded still stands."""
    return sagas.find(book_id=refund.book_id, saga="refund_check", subject_id=refund.id)


def reread(subject: Payment | Refund) -> Payment | Refund:
    """The same row as it now stands."""
    if isinstance(subject, Refund):
        return get_refund(subject.book_id, subject.id)
    return get(subject.book_id, subject.id)


def postings_of(payment: Payment) -> list[BookedTransaction]:
    """What was booked about a payment, its refunds and disputes, in the order of booking."""
    references = [f"capture:{payment.charge_reference}", f"capture:wallet:{payment.id}"]
    references.append(f"credit:{ids.encode('pay', payment.id)}")
    if payment.hold_id is not None:
        hold = ids.encode("hold", payment.hold_id)
        references += [f"hold:place:{hold}", f"hold:release:{hold}"]
    for refund in Refund.objects.filter(book_id=payment.book_id, payment_id=payment.id):
        references.append(f"refund:reserve:{ids.encode('re', refund.id)}")
        references += [f"refund:{refund.provider_reference}", f"refund:wallet:{refund.id}"]
    of_payment = {"book_id": payment.book_id, "dispute__payment_id": payment.id}
    references += [f"dispute:{move.id}" for move in DisputeMove.objects.filter(**of_payment)]
    for line in DisputeLine.objects.filter(**of_payment):
        references.append(f"dispute:line:{line.line_reference}")
    lines = SettlementLine.objects.filter(book_id=payment.book_id, payment_id=payment.id)
    references += [f"settlement:{line.line_reference}" for line in lines]
    references += [f"undo:{reference}" for reference in references]
    found = [
        ledger.transaction_by_reference(book_id=payment.book_id, reference=reference)
        for reference in references
    ]
    return sorted((t for t in found if t is not None), key=lambda t: t.created_at)


def find_virtual_reference(reference: str) -> VirtualReference | None:
    """Whose payment a customer's bank transfer is about."""
    return VirtualReference.objects.filter(reference=reference).first()


def find_reference_of(payment_id: UUID) -> VirtualReference | None:
    """The reference that a payment by bank transfer has, whoever's it is."""
    return VirtualReference.objects.filter(payment_id=payment_id).first()


def list_undecided_receipts(*, after: UUID, limit: int) -> list[UUID]:
    """Money that came and is not booked yet, the earliest first, from behind a receipt on."""
    waiting = ReceiptWaiting.objects.filter(receipt_id__gt=after).order_by("receipt_id")
    return list(waiting.values_list("receipt_id", flat=True)[:limit])


def outcome_of(payment: Payment) -> tuple[str, datetime | None]:
    """(`known` or `unknown`, when we ask next): unknown while a call's end is."""
    run_id = _open_run_id(payment)
    return ("unknown", sagas.get(run_id).next_run_at) if run_id else ("known", None)


def _open_run_id(payment: Payment) -> UUID | None:
    """The run whose call is open; a listed payment brought the answer along."""
    if hasattr(payment, "open_run_id"):
        known: UUID | None = payment.open_run_id
        return known
    call = gateways.find_open_call(book_id=payment.book_id, payment_id=payment.id)
    return call.run_id if call is not None else None


# What `check_books` asks.
INVARIANTS = (
    *invariants.INVARIANTS,
    *payout_invariants.INVARIANTS,
    *dispute_invariants.INVARIANTS,
    *receipt_invariants.INVARIANTS,
)
