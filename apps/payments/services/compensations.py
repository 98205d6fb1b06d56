"""The undo of a capture: what nobody was credited is promised to the customer, all of it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from apps.core import ids
from apps.core.types import Actor
from apps.payments import postings, records
from apps.payments.models import Payment, Refund

SYSTEM: Actor = "system"


def promise(payment: Payment, *, now: datetime) -> Refund:
    """Set all that was captured aside for the customer, out of what nobody was credited.

    Transaction: the caller's unit or transaction; nothing of it was given back before.
    """
    refund = Refund(
        id=ids.new_id(),
        book_id=payment.book_id,
        payment=payment,
        currency=payment.currency,
        amount=payment.amount_captured,
        card_amount=payment.card_captured,
        to_wallet_id=payment.wallet_id if payment.wallet_captured else None,
        bearer_amount=Decimal(0),
        reason="compensation",
        is_compensation=True,
        created_by=SYSTEM,
        created_at=now,
        updated_at=now,
    )
    payment.refund_reserved += refund.amount
    payment.card_refund_reserved += refund.card_amount
    records.save_payment(payment, event="payment.compensating", actor=SYSTEM, now=now)
    records.insert_refund(refund, actor=SYSTEM, now=now)
    postings.refund_reserved(refund, occurred_at=now)
    return refund


def sent_back(payment: Payment, *, now: datetime) -> Refund:
    """What came by bank transfer was sent back by a person, all of it, at the bank.

    Transaction: the caller's, under the payment's lock; nothing of it was given back before.
    """
    refund = promise(payment, now=now)
    refund.mark_succeeded()
    refund.provider_reference, refund.succeeded_at = f"bank:{refund.id}", now
    payment.amount_refunded += refund.amount
    records.save_refund(refund, event="refund.succeeded", actor=SYSTEM, now=now)
    records.save_headline(payment, event="payment.refunded", actor=SYSTEM, now=now)
    postings.refund_confirmed(refund, occurred_at=now)
    return refund
