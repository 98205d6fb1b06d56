"""Payments, refunds, payouts as merchants see them: the API's answers, the events' payloads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from apps.core import ids
from apps.core.money import exponent, to_minor
from apps.gateways.types import DECLINES
from apps.ledger.types import BookedTransaction
from apps.payments.models import (
    BalanceTransaction,
    Dispute,
    Payment,
    Payout,
    PayoutItem,
    Refund,
    Release,
    Reserve,
    Transfer,
)
from apps.payments.types import BalanceKind, advice, return_reason

# Whose id the `source` of a line of the balance is.
SOURCE_PREFIX: dict[str, str] = {
    BalanceKind.PAYMENT: "pay",
    BalanceKind.PAYMENT_UNDONE: "pay",
    BalanceKind.REFUND: "re",
    BalanceKind.REFUND_FAILURE: "re",
    BalanceKind.REFUND_RETURN: "re",
    BalanceKind.RESERVE_KEPT: "rsv",
    BalanceKind.RESERVE_FREED: "rsv",
    BalanceKind.PAYOUT: "po",
    BalanceKind.PAYOUT_FAILURE: "po",
    BalanceKind.PAYOUT_RETURN: "po",
    BalanceKind.DISPUTE: "dpm",
    BalanceKind.DISPUTE_RETURN: "dpm",
    BalanceKind.DISPUTE_FEE: "dpl",
    BalanceKind.EXCESS_CHARGE: "dpm",
    BalanceKind.EXCESS_CHARGE_RETURN: "dpm",
    BalanceKind.WITHDRAWAL_RETURN: "po",
}


# The column of what a merchant wrote about an object, beside its `metadata`.
NOTES = {
    "payment": "description",
    "refund": "reason",
    "payout": "description",
    "transfer": "description",
}


def without_notes(shown: dict[str, Any]) -> dict[str, Any]:
    """The same object as it is written down for good: whoever reads it adds the notes."""
    text = NOTES.get(shown["object"])
    return shown if text is None else {**shown, text: None, "metadata": {}}


def payment_id(payment: Payment) -> str:
    return ids.encode("pay", payment.id)


def render_payment(payment: Payment) -> dict[str, Any]:
    """The payment as it stands; amounts are integers in minor units, times are ISO 8601 in UTC."""
    minor, credit_minor = _minor(payment.currency), _minor(payment.credit_currency)
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
        "amount_charged_back": minor(payment.amount_charged_back),
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
        "failure": _failure(payment) if payment.failure_code else None,
        "capture_before": time(payment.capture_before),
        "expected_by": time(payment.expected_by),
        "void_requested_at": time(payment.void_requested_at),
        "authorized_at": time(payment.authorized_at),
        "captured_at": time(payment.captured_at),
        "settled_at": time(payment.settled_at),
        "available_on": payment.available_on.isoformat() if payment.available_on else None,
        "created_at": time(payment.created_at),
    }


def _failure(payment: Payment) -> dict[str, Any]:
    """Why it ended; `decline_code` where a provider, or whoever holds the money, said so."""
    code = payment.failure_code
    action, is_retryable = advice(code)
    return {
        "code": code,
        "message": payment.failure_message,
        "decline_code": code if code in DECLINES else None,
        "retryable": is_retryable,
        "suggested_action": action.value,
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
    minor, credit_minor = _minor(refund.currency), _minor(refund.payment.credit_currency)
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
        "to_merchant": credit_minor(refund.merchant_amount),
        "fee_returned": credit_minor(refund.fee_returned),
        "reason": refund.reason or None,
        "metadata": refund.metadata,
        "failure": {"code": return_code(refund)} if refund.failure_code else None,
        "succeeded_at": time(refund.succeeded_at),
        "failed_at": time(refund.failed_at),
        "created_at": time(refund.created_at),
    }


def render_dispute(dispute: Dispute) -> dict[str, Any]:
    """The dispute as it stands; see `render_payment` for units."""
    minor, credit_minor = _minor(dispute.currency), _minor(dispute.payment.credit_currency)
    return {
        "id": ids.encode("dp", dispute.id),
        "object": "dispute",
        "payment": ids.encode("pay", dispute.payment_id),
        "status": str(dispute.status),
        "stage": str(dispute.stage),
        "reason": str(dispute.reason),
        "network_reason_code": dispute.network_reason_code or None,
        "amount": minor(dispute.amount),
        "currency": dispute.currency,
        "amount_open": minor(dispute.amount_open),
        "amount_lost": minor(dispute.amount_lost),
        "amount_withdrawn": minor(dispute.amount_withdrawn),
        "amount_returned": minor(dispute.amount_returned),
        "charged_to_merchant": credit_minor(dispute.bearer_amount),
        "excess_charged": credit_minor(dispute.merchant_charged),
        "charged_currency": dispute.payment.credit_currency,
        "fee": minor(dispute.provider_fee),
        "provider": dispute.provider,
        "due_by": time(dispute.due_by),
        "evidence_submitted_at": time(dispute.evidence_ordered_at),
        "evidence_received_at": time(dispute.evidence_sent_at),
        "accept_requested_at": time(dispute.accept_ordered_at),
        "accepted_at": time(dispute.accepted_at),
        "opened_at": time(dispute.opened_at),
        "closed_at": time(dispute.closed_at),
    }


def return_code(row: Refund | Payout) -> str:
    """Why it failed, in words that are the same for every provider; the row keeps theirs."""
    otherwise = "refund_failed" if isinstance(row, Refund) else "payout_failed"
    return return_reason(row.failure_code, otherwise=otherwise)


def render_payout(payout: Payout) -> dict[str, Any]:
    """The payout or withdrawal as it stands; see `render_payment` for units."""
    return {
        "id": ids.encode("po", payout.id),
        "object": "payout",
        "type": str(payout.kind),
        "status": payout.status,
        "amount": _minor(payout.currency)(payout.amount),
        "currency": payout.currency,
        "wallet": ids.encode("wallet", payout.wallet_id) if payout.wallet_id else None,
        "bank_account": ids.encode("ba", payout.bank_account_id),
        "description": payout.description or None,
        "metadata": payout.metadata,
        "provider": payout.provider,
        "failure": {"code": return_code(payout)} if payout.failure_code else None,
        "expected_on": day(payout.expected_on),
        "sent_at": time(payout.sent_at),
        "paid_at": time(payout.paid_at),
        "failed_at": time(payout.failed_at),
        "returned_at": time(payout.returned_at),
        "to_merchant_at": time(payout.to_merchant_at),
        "created_at": time(payout.created_at),
    }


def render_payout_item(item: PayoutItem) -> dict[str, Any]:
    """What a payout took of one line of the balance, and the line."""
    line = item.balance_transaction
    return {
        "id": ids.encode("poi", item.id),
        "object": "payout_item",
        "amount": _minor(line.currency)(item.amount),
        "currency": line.currency,
        "payment": ids.encode("pay", line.payment_id) if line.payment_id else None,
        "balance_transaction": render_balance_transaction(line),
    }


def render_balance_transaction(line: BalanceTransaction) -> dict[str, Any]:
    """A line of the merchant's balance; see `render_payment` for units."""
    minor = _minor(line.currency)
    return {
        "id": ids.encode("txn", line.id),
        "object": "balance_transaction",
        "type": str(line.kind),
        "status": "payable" if line.payable_at else "pending",
        "gross": minor(line.gross),
        "fee": minor(line.fee),
        "net": minor(line.net),
        "paid_out": minor(line.paid_out),
        "currency": line.currency,
        "source": ids.encode(SOURCE_PREFIX[line.kind], line.source_id),
        "payment": ids.encode("pay", line.payment_id) if line.payment_id else None,
        "available_on": day(line.available_on),
        "payable_at": time(line.payable_at),
        "created_at": time(line.created_at),
    }


def render_release(release: Release) -> dict[str, Any]:
    """What became payable at once."""
    return {
        "id": ids.encode("rel", release.id),
        "object": "release",
        "amount": _minor(release.currency)(release.amount),
        "currency": release.currency,
        "available_on": day(release.available_on),
        "lines": release.lines,
        "created_at": time(release.created_at),
    }


def render_reserve(reserve: Reserve) -> dict[str, Any]:
    """What is kept back of a release, and until when."""
    return {
        "id": ids.encode("rsv", reserve.id),
        "object": "reserve",
        "amount": _minor(reserve.currency)(reserve.amount),
        "currency": reserve.currency,
        "release": ids.encode("rel", reserve.release_id),
        "free_on": day(reserve.free_on),
        "freed_at": time(reserve.freed_at),
        "created_at": time(reserve.created_at),
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


def day(found: date | None) -> str | None:
    """ISO 8601, or None."""
    return found.isoformat() if found else None
