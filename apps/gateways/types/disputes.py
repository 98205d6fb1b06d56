"""A payer's objection to a payment, as its provider sees it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DisputeStage(StrEnum):
    INQUIRY = "inquiry"  # a question; no money has moved
    CHARGEBACK = "chargeback"


class DisputeStatus(StrEnum):
    NEEDS_RESPONSE = "needs_response"  # ours, by `due_by`
    UNDER_REVIEW = "under_review"  # somebody else's turn
    WON = "won"
    LOST = "lost"


class DisputeReason(StrEnum):
    FRAUDULENT = "fraudulent"
    NOT_RECEIVED = "not_received"
    NOT_AS_DESCRIBED = "not_as_described"
    CREDIT_NOT_PROCESSED = "credit_not_processed"
    DUPLICATE = "duplicate"
    SUBSCRIPTION_CANCELED = "subscription_canceled"
    GENERAL = "general"


@dataclass(frozen=True, kw_only=True)
class ProviderDispute:
    """A dispute as the provider sees it now. Amounts in ISO minor units.

    `payment_reference` is a name of the payment, or of a part of it; `amount_lost_minor` is what
    went to the payer once it is decided; `due_by` (ISO 8601, or empty) is when our answer is due.
    """

    provider_reference: str
    stage: DisputeStage
    status: DisputeStatus
    reason: DisputeReason
    amount_minor: int
    currency: str
    payment_reference: str
    amount_lost_minor: int = 0
    due_by: str = ""
    provider_reason: str = ""
