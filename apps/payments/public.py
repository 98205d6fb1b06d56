"""Payments and refunds as merchants see them: the API's answers and the events' payloads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from apps.core import ids
from apps.core.money import exponent, to_minor
from apps.ledger.types import BookedTransaction
from apps.payments.models import Payment, Refund, Transfer


def payment_id(payment: Payment) -> str:
    return ids.encode("pay", payment.id)


def render_payment(payment: Payment) -> dict[str, Any]:
    """The payment as it stands; amounts are integers in minor units, times are ISO 8601 in UTC."""
    minor, credit_minor = _minor(payment.currency), _minor(payment.credit_currency)
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
        "gross": credit_minor(payment.amount_credited),
        "fee": credit_minor(payment.fee),
        "net": credit_minor(payment.amount_credited - payment.fee),
        "conversion": _conversion(payment) if payment.is_converted else None,
        "tenders": _tenders(payment),
        "capture_method": payment.capture_method,
        "method": payment.method,
        "source": payment.source,
        "destination": payment.destination,
        "reference": payment.reference,
        "description": payment.description or None,
        "metadata": payment.metadata,
        "provider": payment.provider or None,
        "card": payment.card,
        "next_action": payment.next_action,
        "failure": failure,
        "capture_before": time(payment.capture_before),
        "void_requested_at": time(payment.void_requested_at),
        "authorized_at": time(payment.authorized_at),
        "captured_at": time(payment.captured_at),
        "settled_at": time(payment.settled_at),
        "available_on": payment.available_on.isoformat() if payment.available_on else None,
        "created_at": time(payment.created_at),
    }


def _tenders(payment: Payment) -> list[dict[str, Any]]:
    """Who pays which part; the wallet pays first."""
    minor = _minor(payment.currency)
    tenders = []
    to_wallet = payment.refund_reserved - payment.card_refund_reserved
    if payment.wallet_id is not None:
        tenders.append(
            {
                "type": "wallet",
                "source": ids.encode("wallet", payment.wallet_id),
                "amount": minor(payment.wallet_amount),
                "captured": minor(payment.wallet_captured),
                "refunded": minor(to_wallet),
            }
        )
    if payment.card_amount:
        tenders.append(
            {
                "type": payment.method,
                "source": payment.source,
                "amount": minor(payment.card_amount),
                "captured": minor(payment.card_captured),
                "refunded": minor(payment.card_refund_reserved),
            }
        )
    return tenders


def _conversion(payment: Payment) -> dict[str, Any]:
    assert payment.quote_id is not None
    minor = _minor(payment.credit_currency)
    return {
        "quote": ids.encode("quote", payment.quote_id),
        "currency": payment.credit_currency,
        "rate": rate(payment.rate),
        "rate_mid": rate(payment.rate_mid),
        "amount": minor(payment.amount_credited),
        "spread": minor(payment.fx_spread),
    }


def rate(value: Decimal | None) -> str:
    """A rate as text, without zeros that say nothing."""
    return f"{(value or Decimal(0)).normalize():f}"


def render_transfer(transfer: Transfer) -> dict[str, Any]:
    """The transfer; see `render_payment` for units."""
    return {
        "id": ids.encode("tr", transfer.id),
        "object": "transfer",
        "from": ids.encode("wallet", transfer.from_wallet_id),
        "to": ids.encode("wallet", transfer.to_wallet_id),
        "amount": _minor(transfer.currency)(transfer.amount),
        "currency": transfer.currency,
        "description": transfer.description or None,
        "metadata": transfer.metadata,
        "created_at": time(transfer.created_at),
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
        "to_card": minor(refund.card_amount),
        "to_wallet": minor(refund.wallet_amount),
        "wallet": ids.encode("wallet", refund.to_wallet_id) if refund.to_wallet_id else None,
        "fee_returned": _minor(refund.payment.credit_currency)(refund.fee_returned),
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
