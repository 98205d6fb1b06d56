"""PayPal's objects in our words. Raises KeyError, TypeError or ValueError on what it cannot read;
the adapter turns these into `malformed_answer`, because a call whose answer is unreadable may well
have succeeded.

A payment is an order of one purchase unit: its authorization, its capture and its refunds stand in
it, and the order's id names it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from apps.gateways.providers.paypal.responses import unified_response
from apps.gateways.providers.paypal.units import from_paypal, minor
from apps.gateways.types import PaymentStatus, ProviderPayment, ProviderRefund, RefundStatus

PROVIDER: Final = "paypal"

_ORDER_STATUS: Final = {
    "CREATED": PaymentStatus.CREATED,
    "SAVED": PaymentStatus.CREATED,
    "PAYER_ACTION_REQUIRED": PaymentStatus.REQUIRES_ACTION,
    # The payer has agreed, and nothing is held until a call of ours authorizes it.
    "APPROVED": PaymentStatus.CREATED,
    "VOIDED": PaymentStatus.FAILED,
}
_AUTHORIZATION_STATUS: Final = {
    "CREATED": PaymentStatus.AUTHORIZED,
    "PENDING": PaymentStatus.PROCESSING,
    "DENIED": PaymentStatus.FAILED,
    "VOIDED": PaymentStatus.VOIDED,
    "EXPIRED": PaymentStatus.VOIDED,
    # Its capture is not in the order yet.
    "CAPTURED": PaymentStatus.PROCESSING,
    "PARTIALLY_CAPTURED": PaymentStatus.PROCESSING,
}
_CAPTURE_STATUS: Final = {
    "COMPLETED": PaymentStatus.CAPTURED,
    "PARTIALLY_REFUNDED": PaymentStatus.CAPTURED,
    "REFUNDED": PaymentStatus.CAPTURED,
    "PENDING": PaymentStatus.PROCESSING,
}
# A capture that took nothing: the authorization still stands.
NOTHING_TAKEN: Final = frozenset({"DECLINED", "FAILED"})
_REFUND_STATUS: Final = {
    "PENDING": RefundStatus.PENDING,
    "COMPLETED": RefundStatus.SUCCEEDED,
    "FAILED": RefundStatus.FAILED,
    "CANCELLED": RefundStatus.FAILED,
}
# The payer's way to PayPal, under its name of today and that of older orders.
_PAYER_LINKS: Final = ("payer-action", "approve")
APPROVED: Final = "APPROVED"
# Nobody was asked to approve it, and nothing was done with it.
UNTOUCHED: Final = frozenset({"CREATED", "SAVED"})


def payment(order: Mapping[str, Any]) -> ProviderPayment:
    """An order, with what was done with it."""
    unit = order["purchase_units"][0]
    amount, currency = from_paypal(unit["amount"])
    authorization, capture = authorization_of(order), capture_of(order)
    status = _status(order, authorization, capture)
    captured = minor(capture["amount"]) if status is PaymentStatus.CAPTURED else 0
    failed = status is PaymentStatus.FAILED
    return ProviderPayment(
        provider_reference=order["id"],
        status=status,
        amount_minor=amount,
        currency=currency,
        amount_captured_minor=captured,
        amount_refunded_minor=sum(_given_back(found) for found in _part(order, "refunds")),
        capture_reference=capture["id"] if captured else "",
        next_action_url=_payer_url(order) if status is PaymentStatus.REQUIRES_ACTION else "",
        capture_before=iso(authorization.get("expiration_time")),
        decline_code=_decline_code(authorization) if failed else "",
        provider_code=_reason(authorization) if failed else "",
        void_reason=_void_reason(authorization) if status is PaymentStatus.VOIDED else "",
        also_known_as=tuple(found["id"] for found in (authorization, capture) if found),
    )


def refund(found: Mapping[str, Any], payment_reference: str = "") -> ProviderRefund:
    """A refund; PayPal names the capture it is of, and not the order."""
    amount, currency = from_paypal(found["amount"])
    status = _REFUND_STATUS[found["status"]]
    return ProviderRefund(
        provider_reference=found["id"],
        status=status,
        amount_minor=amount,
        currency=currency,
        payment_reference=payment_reference,
        op_key=op_key_of(found.get("custom_id") or ""),
        provider_code=_reason(found) if status is RefundStatus.FAILED else "",
    )


def refunds_of(order: Mapping[str, Any]) -> Iterator[ProviderRefund]:
    for found in _part(order, "refunds"):
        yield refund(found, order["id"])


def authorization_of(order: Mapping[str, Any]) -> Mapping[str, Any]:
    """The order's authorization; empty if there is none. We make one of an order at the most."""
    return next(iter(_part(order, "authorizations")), {})


def capture_of(order: Mapping[str, Any]) -> Mapping[str, Any]:
    """The capture that took, or may yet take, the money; empty if there is none."""
    standing = (c for c in _part(order, "captures") if c["status"] not in NOTHING_TAKEN)
    return next(standing, {})


def with_part(order: Mapping[str, Any], kind: str, part: Mapping[str, Any]) -> dict[str, Any]:
    """The order as it is now that this part of it (an authorization, a capture) has changed."""
    unit = order["purchase_units"][0]
    others = [found for found in _part(order, kind) if found["id"] != part["id"]]
    payments = {**(unit.get("payments") or {}), kind: [*others, part]}
    return {**order, "purchase_units": [{**unit, "payments": payments}]}


# --- our name on a refund -------------------------------------------------------------------------

# `custom_id` of a refund takes letters, digits and "-_.,"; an `op_key` has ":" and "~" as well.
_SPELLED: Final = (("~", ",,"), (":", ","))


def custom_id(public_id: str, op_key: str) -> str:
    for ours, theirs in _SPELLED:
        op_key = op_key.replace(ours, theirs)
    return f"{public_id},{op_key}"


def op_key_of(custom_id: str) -> str:
    op_key = custom_id.partition(",")[2]
    for ours, theirs in _SPELLED:
        op_key = op_key.replace(theirs, ours)
    return op_key


# --- parts ----------------------------------------------------------------------------------------


def _part(order: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    parts = order["purchase_units"][0].get("payments") or {}
    return list(parts.get(kind) or ())


def _status(
    order: Mapping[str, Any], authorization: Mapping[str, Any], capture: Mapping[str, Any]
) -> PaymentStatus:
    if capture:
        return _CAPTURE_STATUS[capture["status"]]
    if authorization:
        return _AUTHORIZATION_STATUS[authorization["status"]]
    return _ORDER_STATUS[order["status"]]


def _given_back(found: Mapping[str, Any]) -> int:
    return 0 if _REFUND_STATUS[found["status"]] is RefundStatus.FAILED else minor(found["amount"])


def _payer_url(order: Mapping[str, Any]) -> str:
    links = {link["rel"]: link["href"] for link in order.get("links") or ()}
    return next((str(links[name]) for name in _PAYER_LINKS if name in links), "")


def _decline_code(authorization: Mapping[str, Any]) -> str:
    """An order that was voided before anything was authorized: the payer's approval failed."""
    if not authorization:
        return "authentication_failed"
    return unified_response((authorization.get("processor_response") or {}).get("response_code"))


def _reason(found: Mapping[str, Any]) -> str:
    processor = (found.get("processor_response") or {}).get("response_code")
    return str(processor or (found.get("status_details") or {}).get("reason") or "")


def _void_reason(authorization: Mapping[str, Any]) -> str:
    """PayPal says "voided" of what we gave up and of what it let lapse: the time tells which."""
    ended, lapses = authorization.get("update_time"), authorization.get("expiration_time")
    if authorization["status"] == "EXPIRED":
        return "expired"
    has_lapsed = ended and lapses and moment(ended) >= moment(lapses)
    return "expired" if has_lapsed else "voided"


def moment(text: str) -> datetime:
    """:raises ValueError: it is no time, or one without a zone."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return found.astimezone(UTC)


def iso(text: Any) -> str:
    return moment(text).isoformat() if text else ""
