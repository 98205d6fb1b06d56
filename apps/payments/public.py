"""Payments and refunds as merchants see them: the API's answers and the events' payloads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from apps.core import ids
from apps.core.money import exponent, to_minor
from apps.ledger.types import BookedTransaction
from apps.payments.models import Payment, Refund


def payment_id(payment: Payment) -> str:
    return ids.encode("pay", payment.id)


def render_payment(payment: Payment) -> dict[str, Any]:
    """The payment as it stands; amounts are integers in minor units, times are ISO 8601 in UTC."""
    minor = _minor(payment.currency)
    failure = None
    if payment.failure_code:
        failure = {"code": payment.failure_code, "message": payment.failure_message}
    return {
        "id": payment_id(payment),
        "object": "payment",
        "status": payment.status,
        "amount": minor(payment.amount),
        "currency": payment.currency,
        "amount_authorized": minor(payment.amount_authorized),
        "amount_captured": minor(payment.amount_captured),
        "amount_refunded": minor(payment.amount_refunded),
        "amount_refundable": minor(payment.refundable),
        "amount_disputed": minor(payment.amount_disputed),
        "fee": minor(payment.fee),
        "net": minor(payment.amount_captured - payment.fee),
        "capture_method": payment.capture_method,
        "method": payment.method,
        "source": payment.source,
        "destination": payment.destination,
        "reference": payment.reference,
        "description": payment.description or None,
        "metadata": payment.metadata,
        "provider": payment.provider,
        "card": payment.card,
        "next_action": payment.next_action,
        "failure": failure,
        "capture_before": time(payment.capture_before),
        "void_requested_at": time(payment.void_requested_at),
        "authorized_at": time(payment.authorized_at),
        "captured_at": time(payment.captured_at),
        "settled_at": time(payment.settled_at),
        "created_at": time(payment.created_at),
    }


def render_refund(refund: Refund) -> dict[str, Any]:
    """The refund as it stands; see `render_payment` for units."""
    minor = _minor(refund.currency)
    return {
        "id": ids.encode("re", refund.id),
        "object": "refund",
        "payment": ids.encode("pay", refund.payment_id),
        "status": refund.status,
        "amount": minor(refund.amount),
        "currency": refund.currency,
        "fee_returned": minor(refund.fee_returned),
        "reason": refund.reason or None,
        "metadata": refund.metadata,
        "failure": {"code": refund.failure_code} if refund.failure_code else None,
        "succeeded_at": time(refund.succeeded_at),
        "failed_at": time(refund.failed_at),
        "created_at": time(refund.created_at),
    }


def _minor(currency: str) -> Callable[[Decimal], int]:
    """What turns a stored amount, which is whole in its currency, into minor units."""
    places = exponent(currency)
    return lambda amount: int(amount.scaleb(places))


def render_posting(posting: BookedTransaction) -> dict[str, Any]:
    """One booked transaction as an accountant reads it."""
    return {
        "reference": posting.reference,
        "kind": posting.kind,
        "occurred_at": time(posting.occurred_at),
        "created_at": time(posting.created_at),
        "lines": [
            {
                "account": line.code,
                "side": line.side.name,
                "amount": to_minor(line.amount),
                "currency": line.amount.currency.code,
            }
            for line in posting.lines
        ],
    }


def time(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC, or None."""
    return moment.isoformat().replace("+00:00", "Z") if moment else None
