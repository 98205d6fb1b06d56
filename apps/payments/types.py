"""Values and words of payments that other layers share."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from apps.core.money import Money


class Status(StrEnum):
    CREATED = "CREATED"
    VALIDATED = "VALIDATED"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    IN_REVIEW = "IN_REVIEW"
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"
    SETTLED = "SETTLED"
    REFUNDED = "REFUNDED"
    DISPUTED = "DISPUTED"
    CHARGED_BACK = "CHARGED_BACK"
    FAILED = "FAILED"
    REJECTED = "REJECTED"
    VOIDED = "VOIDED"


class RefundStatus(StrEnum):
    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class PayoutKind(StrEnum):
    MANUAL = "manual"
    AUTOMATIC = "automatic"
    WITHDRAWAL = "withdrawal"


class PayoutStatus(StrEnum):
    PENDING = "PENDING"
    IN_TRANSIT = "IN_TRANSIT"
    PAID = "PAID"
    FAILED = "FAILED"
    RETURNED = "RETURNED"


class BalanceKind(StrEnum):
    """What changed a merchant's balance."""

    PAYMENT = "payment"
    PAYMENT_UNDONE = "payment_undone"
    REFUND = "refund"
    REFUND_FAILURE = "refund_failure"
    RESERVE_KEPT = "reserve_kept"
    RESERVE_FREED = "reserve_freed"
    PAYOUT = "payout"
    PAYOUT_FAILURE = "payout_failure"
    PAYOUT_RETURN = "payout_return"


class CaptureMethod(StrEnum):
    AUTOMATIC = "automatic"
    MANUAL = "manual"


@dataclass(frozen=True)
class NewPayment:
    """What a merchant asks for. `source` is a saved method's public id, or a provider's token."""

    amount: Money
    source: str
    destination: str = ""
    capture_method: CaptureMethod = CaptureMethod.AUTOMATIC
    reference: str = ""
    description: str = ""
    return_url: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Tender:
    """What is charged at a provider: a token of that provider's, and where it came from."""

    provider: str
    token: str
    payment_method_id: UUID | None = None
