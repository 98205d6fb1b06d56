"""PayPal's disputes in our words. Raises what `objects` raises on what it cannot read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from paypalrestsdk.exceptions import ConnectionError as PayPalError

from apps.gateways.providers.connections import Interrupted, NotSent
from apps.gateways.providers.paypal.answers import Body
from apps.gateways.providers.paypal.objects import iso
from apps.gateways.providers.paypal.transport import NoToken, Transport
from apps.gateways.providers.paypal.units import from_paypal, minor
from apps.gateways.types import (
    AcceptDisputeRequest,
    DisputeReason,
    DisputeStage,
    DisputeStatus,
    Operation,
    OutcomeUnknown,
    ProviderDispute,
    SubmitEvidenceRequest,
)

_REASON: Final = {
    "UNAUTHORISED": DisputeReason.FRAUDULENT,
    "MERCHANDISE_OR_SERVICE_NOT_RECEIVED": DisputeReason.NOT_RECEIVED,
    "MERCHANDISE_OR_SERVICE_NOT_AS_DESCRIBED": DisputeReason.NOT_AS_DESCRIBED,
    "CREDIT_NOT_PROCESSED": DisputeReason.CREDIT_NOT_PROCESSED,
    "DUPLICATE_TRANSACTION": DisputeReason.DUPLICATE,
    "PAYMENT_BY_OTHER_MEANS": DisputeReason.DUPLICATE,
    "CANCELED_RECURRING_BILLING": DisputeReason.SUBSCRIPTION_CANCELED,
}
_STATUS: Final = {
    "OPEN": DisputeStatus.UNDER_REVIEW,
    "WAITING_FOR_BUYER_RESPONSE": DisputeStatus.UNDER_REVIEW,
    "WAITING_FOR_SELLER_RESPONSE": DisputeStatus.NEEDS_RESPONSE,
    "UNDER_REVIEW": DisputeStatus.UNDER_REVIEW,
    "OTHER": DisputeStatus.UNDER_REVIEW,
}
# "With payout": PayPal pays the payer, and the money stays with us.
_WON: Final = frozenset(
    {"RESOLVED_SELLER_FAVOUR", "RESOLVED_WITH_PAYOUT", "CANCELED_BY_BUYER", "DENIED"}
)
# The last word of the link by which an operation is offered.
ACTION: Final = {
    Operation.SUBMIT_EVIDENCE: "provide-evidence",
    Operation.ACCEPT_DISPUTE: "accept-claim",
}
# Of what it moves PayPal tells fees as well; those come with their own lines.
_FOR_THE_PAYER: Final = "DISPUTE_SETTLEMENT"
_SIGN: Final = {"DEBIT": 1, "CREDIT": -1}
_OURS: Final = "SUBMITTED_BY_SELLER"
_LOST: Final = frozenset({"RESOLVED_BUYER_FAVOUR", "ACCEPTED"})


def dispute(found: Mapping[str, Any]) -> ProviderDispute:
    amount, currency = from_paypal(found["dispute_amount"])
    status = _status(found)
    is_inquiry = found["dispute_life_cycle_stage"] == "INQUIRY"
    if is_inquiry and status is DisputeStatus.LOST:  # for a question PayPal takes nothing from us
        status = DisputeStatus.WON
    lost = _lost(found, amount) if status is DisputeStatus.LOST else 0
    return ProviderDispute(
        provider_reference=found["dispute_id"],
        stage=DisputeStage.INQUIRY if is_inquiry else DisputeStage.CHARGEBACK,
        status=status,
        reason=_REASON.get(found["reason"], DisputeReason.GENERAL),
        amount_minor=amount,
        currency=currency,
        payment_reference=found["disputed_transactions"][0]["seller_transaction_id"],
        amount_lost_minor=lost,
        due_by=iso(found.get("seller_response_due_date")),
        provider_reason=found["reason"],
        has_evidence=any(each.get("source") == _OURS for each in found.get("evidences") or ()),
    )


def offers(found: Mapping[str, Any], action: str) -> bool:
    """Whether PayPal offers an action on the dispute as it stands, by the links that it shows."""
    links = found.get("links") or ()
    return any(str(link["href"]).rstrip("/").endswith(f"/{action}") for link in links)


def _status(found: Mapping[str, Any]) -> DisputeStatus:
    if found["status"] != "RESOLVED":
        return _STATUS[found["status"]]
    code = found["dispute_outcome"]["outcome_code"]
    if code in _WON:
        return DisputeStatus.WON
    if code in _LOST:
        return DisputeStatus.LOST
    raise ValueError(f"resolved, and nobody knows how: {code}")


def _lost(found: Mapping[str, Any], amount: int) -> int:
    """What was taken from us for the payer, who may have had a part of it as a refund of ours:
    PayPal tells what the payer got from either, and what it moved."""
    given = found["dispute_outcome"].get("amount_refunded")
    lost = minor(given) if given else amount
    moved = [
        each
        for each in found.get("money_movements") or ()
        if each.get("affected_party") == "SELLER" and each.get("reason") == _FOR_THE_PAYER
    ]
    currency = found["dispute_amount"]["currency_code"]
    if not moved or any(each["amount"]["currency_code"] != currency for each in moved):
        return lost
    taken = sum(minor(each["amount"]) * _SIGN[each["type"]] for each in moved)
    return max(min(taken, lost), 0)


def path_of(reference: str) -> str:
    return f"v1/customer/disputes/{quote(reference, safe='')}"


def say(
    api: Transport, request: SubmitEvidenceRequest | AcceptDisputeRequest, said: Body
) -> ProviderDispute:
    """Answer a dispute, or give it up. Raises what the transport raises, and `OutcomeUnknown`.

    PayPal knows no key here. It offers what can be said, and no more once it was said: what it does
    not offer is answered by the dispute as it stands.
    """
    path, action = path_of(request.provider_reference), ACTION[request.operation]
    found = api.get(path)
    if not offers(found, action):
        return dispute(found)
    api.post(f"{path}/{action}", said.content, headers={"Content-Type": said.content_type})
    try:
        told = dispute(api.get(path))
    except (PayPalError, NoToken, NotSent, Interrupted) as error:
        # It was said: that the question after it was not sent proves nothing.
        raise OutcomeUnknown("not_looked_at", type(error).__name__) from error
    is_answer = isinstance(request, SubmitEvidenceRequest)
    return replace(told, has_evidence=True) if is_answer else told
