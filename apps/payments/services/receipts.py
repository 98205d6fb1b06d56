"""Whose money it is that came to the bank: a receipt is matched to its payment, or set aside.

Only an exact match is a payment's; everything else is suspense, with a case for a person. What a
receipt is booked as is decided under the payment's lock, and written once.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, time
from uuid import UUID

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction

from apps.audit import services as audit
from apps.core import db
from apps.core.money import Money, to_minor
from apps.core.types import Actor
from apps.ledger.chart import PLATFORM_BOOK
from apps.payments import postings, selectors
from apps.payments.models import BankReceipt, Payment, ReceiptPosting, SuspenseCase
from apps.payments.services import captures
from apps.payments.types import SuspenseReason
from apps.sagas import services as sagas

log = structlog.get_logger(__name__)

SYSTEM: Actor = "system"
BATCH = 500  # as many as a task has time for
NOBODY = UUID(int=0)


def match_undecided(*, now: datetime, is_brief: bool = False) -> int:
    """Book the receipts that nobody has booked yet; how many it was. When brief, only some.

    Retries: safe at any time and at once with itself. Transaction: one a receipt; one that cannot
    be booked keeps no other from it, and comes again.
    """
    booked, last = 0, NOBODY
    while found := selectors.list_undecided_receipts(after=last, limit=BATCH):
        booked += sum(_matched(receipt_id, now) for receipt_id in found)
        last = found[-1]
        if is_brief:
            break
    return booked


def _matched(receipt_id: UUID, now: datetime) -> bool:
    try:
        return match(receipt_id=receipt_id, now=now)
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        log.exception("payments.receipt_not_booked", receipt_id=str(receipt_id))
        return False


def match(*, receipt_id: UUID, now: datetime) -> bool:
    """Book one receipt: as its payment's money, or as suspense with a case. False: it is already.

    Retries: safe; a receipt is booked once, whoever comes. Transaction: its own; the payment that
    the receipt names stays locked until its commit.
    """
    receipt = BankReceipt.objects.get(id=receipt_id)
    if ReceiptPosting.objects.filter(receipt_id=receipt_id).exists():
        return False
    with suppress(db.GuardFailed), transaction.atomic():
        _book(receipt, now)
        return True
    return False


def _book(receipt: BankReceipt, now: datetime) -> None:
    known = selectors.find_virtual_reference(receipt.reference)
    if known is None:
        _set_aside(receipt, SuspenseReason.UNKNOWN_REFERENCE, None, now)
        return
    payment = selectors.lock(known.book_id, known.payment_id)
    reason = _why_not(payment, receipt.money)
    if reason:
        _set_aside(receipt, reason, payment, now)
        return
    _note_posting(receipt, payment.book_id, payment.id, "", now)
    take(
        payment,
        charge_reference=f"receipt:{receipt.id}",
        occurred_at=occurred_at(receipt, now),
        actor=SYSTEM,
        now=now,
    )


def _why_not(payment: Payment, came: Money) -> SuspenseReason | None:
    """Why this is not the payment's money; first by what came, so that the order tells little."""
    wanted = payment.money(payment.amount)
    if came.currency != wanted.currency:
        return SuspenseReason.WRONG_CURRENCY
    if came != wanted:
        return SuspenseReason.SHORT if came < wanted else SuspenseReason.OVER
    if payment.is_captured:
        return SuspenseReason.ALREADY_PAID
    return None if payment.is_awaited else SuspenseReason.TOO_LATE


def take(
    payment: Payment, *, charge_reference: str, occurred_at: datetime, actor: Actor, now: datetime
) -> None:
    """The whole of a payment has come: capture it, book it, and let its run go on.

    Transaction: the caller's, under the payment's lock; the payment is awaited.
    """
    assert payment.is_awaited
    payment.charge_reference = charge_reference
    payment.next_action = None
    captures.note(
        payment, wallet_part=payment.wallet_amount, rest=payment.card_amount, actor=actor, now=now
    )
    postings.transfer_received(payment, occurred_at=occurred_at)
    run = selectors.find_charge_run(payment)
    assert run is not None
    sagas.resume(run_id=run.id, now=now)


def occurred_at(receipt: BankReceipt, now: datetime) -> datetime:
    """The bank's day, as a moment that is not ahead of us."""
    return min(datetime.combine(receipt.booked_on, time.min, tzinfo=UTC), now)


def _set_aside(
    receipt: BankReceipt, reason: SuspenseReason, payment: Payment | None, now: datetime
) -> None:
    book_id, payment_id = PLATFORM_BOOK, None
    if payment is not None:
        book_id, payment_id = payment.book_id, payment.id
    case = SuspenseCase(
        id=receipt.id,
        book_id=book_id,
        reason=reason,
        currency=receipt.currency,
        amount=receipt.amount,
        payment_id=payment_id,
        created_at=now,
    )
    _note_posting(receipt, book_id, payment_id, reason, now)
    case.save(force_insert=True)
    postings.receipt_set_aside(case, occurred_at=occurred_at(receipt, now))
    audit.record(
        book_id=book_id,
        actor=SYSTEM,
        action="suspense_case.opened",
        subject_id=case.id,
        subject_kind="suspense_case",
        facts={
            "reason": str(reason),
            "amount": to_minor(case.money),
            "currency": case.currency,
            "payment": str(payment_id) if payment_id else None,
        },
        now=now,
    )


def _note_posting(
    receipt: BankReceipt, book_id: UUID, payment_id: UUID | None, reason: str, now: datetime
) -> None:
    """Whoever writes this row books the receipt.

    :raises db.GuardFailed: somebody else has.
    """
    db.write(
        "INSERT INTO payments_receipt_posting (receipt_id, book_id, payment_id, reason, created_at)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (receipt_id) DO NOTHING",
        (receipt.id, book_id, payment_id, str(reason), now),
        expect=1,
        what="payments: the receipt is booked already",
    )
    db.write(
        "DELETE FROM payments_receipt_waiting WHERE receipt_id = %s",
        (receipt.id,),
        expect=1,
        what="payments: the receipt is not waiting",
    )
