"""Stripe's objects in our words. Raises KeyError, TypeError or ValueError on what it cannot read;
the adapter turns these into `malformed_answer`, because a call whose answer is unreadable may well
have succeeded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast

from stripe.params import DisputeUpdateParamsEvidence

from apps.gateways.providers.stripe.errors import unified_code
from apps.gateways.providers.stripe.units import from_stripe
from apps.gateways.types import (
    CardFacts,
    DisputeReason,
    DisputeStage,
    DisputeStatus,
    LineKind,
    PaymentStatus,
    PayoutStatus,
    ProviderDispute,
    ProviderPayment,
    ProviderPayout,
    ProviderRefund,
    RefundStatus,
    StatementLine,
    SubmitEvidenceRequest,
)

PROVIDER: Final = "stripe"

# Metadata that we write into Stripe's objects: our name on their side.
META_PAYMENT: Final = "paysys_payment"
META_REFUND: Final = "paysys_refund"
META_BANK: Final = "paysys_bank"
META_PAYOUT: Final = "paysys_payout"
META_OP_KEY: Final = "op_key"

_PAYMENT_STATUS: Final = {
    "requires_payment_method": PaymentStatus.CREATED,
    "requires_confirmation": PaymentStatus.CREATED,
    "requires_action": PaymentStatus.REQUIRES_ACTION,
    "processing": PaymentStatus.PROCESSING,
    "requires_capture": PaymentStatus.AUTHORIZED,
    "succeeded": PaymentStatus.CAPTURED,
    "canceled": PaymentStatus.VOIDED,
}
_REFUND_STATUS: Final = {
    "pending": RefundStatus.PENDING,
    "requires_action": RefundStatus.PENDING,
    "succeeded": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.FAILED,
}
_INQUIRY, _CHARGEBACK = DisputeStage.INQUIRY, DisputeStage.CHARGEBACK
_DISPUTE_STATUS: Final = {
    "warning_needs_response": (_INQUIRY, DisputeStatus.NEEDS_RESPONSE),
    "warning_under_review": (_INQUIRY, DisputeStatus.UNDER_REVIEW),
    "warning_closed": (_INQUIRY, DisputeStatus.WON),
    "prevented": (_INQUIRY, DisputeStatus.WON),
    "needs_response": (_CHARGEBACK, DisputeStatus.NEEDS_RESPONSE),
    "under_review": (_CHARGEBACK, DisputeStatus.UNDER_REVIEW),
    "won": (_CHARGEBACK, DisputeStatus.WON),
    "lost": (_CHARGEBACK, DisputeStatus.LOST),
}
_DISPUTE_REASON: Final = {
    "fraudulent": DisputeReason.FRAUDULENT,
    "unrecognized": DisputeReason.FRAUDULENT,
    "product_not_received": DisputeReason.NOT_RECEIVED,
    "product_unacceptable": DisputeReason.NOT_AS_DESCRIBED,
    "credit_not_processed": DisputeReason.CREDIT_NOT_PROCESSED,
    "duplicate": DisputeReason.DUPLICATE,
    "subscription_canceled": DisputeReason.SUBSCRIPTION_CANCELED,
}
_PAYOUT_STATUS: Final = {
    "pending": PayoutStatus.PENDING,
    "in_transit": PayoutStatus.IN_TRANSIT,
    "paid": PayoutStatus.PAID,
    "failed": PayoutStatus.FAILED,
    "canceled": PayoutStatus.FAILED,
}
_DEBITS: Final = ("us_bank_account", "sepa_debit")
_LAPSED: Final = frozenset({"automatic", "expired"})
_LINE_KIND: Final = {
    "charge": LineKind.CHARGE,
    "payment": LineKind.CHARGE,
    "refund": LineKind.REFUND,
    "payment_refund": LineKind.REFUND,
    "refund_failure": LineKind.REFUND_FAILURE,
    "payment_failure_refund": LineKind.REFUND_FAILURE,
    "payout": LineKind.PAYOUT,
    "payout_cancel": LineKind.PAYOUT_FAILURE,
    "payout_failure": LineKind.PAYOUT_FAILURE,
    "stripe_fee": LineKind.FEE,
    "network_cost": LineKind.FEE,
}
# Disputes are adjustments, told apart by the category that Stripe's reports use.
_CATEGORY_KIND: Final = {
    "dispute": LineKind.DISPUTE,
    "dispute_reversal": LineKind.DISPUTE_REVERSAL,
}


def payment(intent: Mapping[str, Any]) -> ProviderPayment:
    """A PaymentIntent, its `latest_charge` expanded or not."""
    currency = intent["currency"].upper()
    status = _PAYMENT_STATUS[intent["status"]]
    failure = intent.get("last_payment_error") or {}
    if intent["status"] == "requires_payment_method" and failure:
        status = PaymentStatus.FAILED
    charge = _expanded(intent.get("latest_charge"))
    if status is PaymentStatus.PROCESSING and _is_debit(charge):
        status = PaymentStatus.WITH_BANK
    captured = intent.get("amount_received") or 0
    return ProviderPayment(
        provider_reference=intent["id"],
        status=status,
        amount_minor=from_stripe(intent["amount"], currency),
        currency=currency,
        amount_captured_minor=from_stripe(captured, currency),
        amount_refunded_minor=from_stripe(charge.get("amount_refunded") or 0, currency),
        capture_reference=_id(intent.get("latest_charge")) if captured else "",
        next_action_url=_action_url(intent),
        capture_before=_moment(_card(charge).get("capture_before")),
        card=_card_facts(charge),
        decline_code=unified_code(failure) if status is PaymentStatus.FAILED else "",
        provider_code=failure.get("decline_code") or failure.get("code") or "",
        void_reason=_void_reason(intent),
    )


def refund(found: Mapping[str, Any]) -> ProviderRefund:
    """A Refund."""
    currency = found["currency"].upper()
    return ProviderRefund(
        provider_reference=found["id"],
        status=_REFUND_STATUS[found["status"]],
        amount_minor=from_stripe(found["amount"], currency),
        currency=currency,
        payment_reference=_id(found.get("payment_intent")),
        op_key=(found.get("metadata") or {}).get(META_OP_KEY, ""),
        provider_code=found.get("failure_reason") or "",
    )


def payout(found: Mapping[str, Any]) -> ProviderPayout:
    """A Payout."""
    currency = found["currency"].upper()
    status = _PAYOUT_STATUS[found["status"]]
    arrives = found.get("arrival_date")
    word = "" if status is not PayoutStatus.FAILED else found["status"]
    return ProviderPayout(
        provider_reference=found["id"],
        status=status,
        amount_minor=from_stripe(found["amount"], currency),
        currency=currency,
        op_key=(found.get("metadata") or {}).get(META_OP_KEY, ""),
        expected_on=datetime.fromtimestamp(arrives, UTC).date().isoformat() if arrives else "",
        provider_code=found.get("failure_code") or word,
    )


def dispute(found: Mapping[str, Any]) -> ProviderDispute:
    """A Dispute. What of a won one comes back its own balance transactions say, once they are; but
    not those of an account in another currency, where the rate has moved as well."""
    currency, amount = found["currency"].upper(), found["amount"]
    stage, status = _DISPUTE_STATUS[found["status"]]
    card = _expanded(_expanded(found.get("payment_method_details")).get("card"))
    answer = _expanded(found.get("evidence_details"))
    lost = amount if status is DisputeStatus.LOST else 0
    lines = [
        line
        for line in found.get("balance_transactions") or ()
        if line["currency"] == found["currency"]
    ]
    returned = sum(max(line["amount"], 0) for line in lines)
    if status is DisputeStatus.WON and returned:
        lost = max(amount - returned, 0)
    return ProviderDispute(
        provider_reference=found["id"],
        stage=stage,
        status=status,
        reason=_DISPUTE_REASON.get(found.get("reason") or "", DisputeReason.GENERAL),
        amount_minor=from_stripe(amount, currency),
        currency=currency,
        payment_reference=payment_reference_of(found) or _id(found.get("charge")),
        amount_lost_minor=from_stripe(lost, currency),
        due_by=_moment(answer.get("due_by")),
        provider_reason=found.get("reason") or "",
        network_reason_code=card.get("network_reason_code") or "",
        has_evidence=bool(answer.get("submission_count")),
    )


def evidence(request: SubmitEvidenceRequest) -> DisputeUpdateParamsEvidence:
    """Our names of what can be said, and of what a file shows, are Stripe's."""
    return cast(DisputeUpdateParamsEvidence, {**request.evidence, **request.uploaded})


def line(found: Mapping[str, Any], payout: str = "") -> StatementLine:
    """A BalanceTransaction, its `source` expanded or not."""
    currency = found["currency"].upper()
    kind = _CATEGORY_KIND.get(found.get("reporting_category") or "") or _LINE_KIND.get(
        found["type"], LineKind.OTHER
    )
    source = _expanded(found.get("source"))
    reference = _id(found.get("source"))
    if kind in (LineKind.PAYOUT, LineKind.PAYOUT_FAILURE):
        payout = payout or reference
    return StatementLine(
        provider=PROVIDER,
        line_reference=found["id"],
        kind=kind,
        gross_minor=from_stripe(found["amount"], currency),
        fee_minor=from_stripe(found["fee"], currency),
        net_minor=from_stripe(found["net"], currency),
        currency=currency,
        occurred_at=datetime.fromtimestamp(found["created"], UTC),
        available_on=datetime.fromtimestamp(found["available_on"], UTC),
        provider_kind=found["type"],
        source_reference=reference,
        payment_reference=_id(source.get("payment_intent")),
        payment_public_id=(source.get("metadata") or {}).get(META_PAYMENT, ""),
        payout_reference=payout,
        is_available=found.get("status") == "available",
        is_ordered=source.get("automatic") is False,
    )


def payment_reference_of(found: Mapping[str, Any]) -> str:
    """The id of the PaymentIntent that an object is, or belongs to; empty if it is about none."""
    if found.get("object") == "payment_intent":
        return _id(found)
    return _id(found.get("payment_intent"))


def _expanded(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}


def _id(found: Any) -> str:
    """The id of a field that Stripe fills with an id, the object, or null."""
    if isinstance(found, Mapping):
        return str(found.get("id") or "")
    return found if isinstance(found, str) else ""


def _moment(timestamp: Any) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat() if timestamp else ""


def _is_debit(found: Mapping[str, Any]) -> bool:
    """Whether a charge is of a bank account."""
    return _expanded(found.get("payment_method_details")).get("type") in _DEBITS


def _card(charge: Mapping[str, Any]) -> Mapping[str, Any]:
    return _expanded(_expanded(charge.get("payment_method_details")).get("card"))


def _card_facts(charge: Mapping[str, Any]) -> CardFacts | None:
    card = _card(charge)
    if not card:
        return None
    return CardFacts(
        brand=card.get("brand") or "",
        last4=card.get("last4") or "",
        exp_month=card.get("exp_month") or 0,
        exp_year=card.get("exp_year") or 0,
        funding=card.get("funding") or "",
        country=card.get("country") or "",
        fingerprint=card.get("fingerprint") or "",
    )


def _action_url(intent: Mapping[str, Any]) -> str:
    """Where the customer goes to authenticate; empty if only Stripe's own script can do it."""
    action = _expanded(intent.get("next_action"))
    return str(_expanded(action.get("redirect_to_url")).get("url") or "")


def _void_reason(intent: Mapping[str, Any]) -> str:
    if intent["status"] != "canceled":
        return ""
    reason = intent.get("cancellation_reason") or ""
    return "expired" if reason in _LAPSED else reason
