"""What a provider tells of a payment and of a refund."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


def _without_nothing(found: dict[str, Any]) -> dict[str, Any]:
    """The same without what was not told: it is kept in two rows and read back as the default."""
    told = {name: value for name, value in found.items() if value or name == "amount_minor"}
    if "card" in told:
        told["card"] = {name: value for name, value in vars(told["card"]).items() if value}
    return told


class PaymentStatus(StrEnum):
    CREATED = "created"  # exists, moves no money
    REQUIRES_ACTION = "requires_action"  # the customer is asked: 3-D Secure, a redirect
    PROCESSING = "processing"  # the provider does not know yet
    WITH_BANK = "with_bank"  # a bank debit: agreed and ordered, the bank answers in days
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    VOIDED = "voided"
    FAILED = "failed"  # the last attempt was declined; nothing is authorized


class RefundStatus(StrEnum):
    PENDING = "pending"  # accepted; may still fail, days later
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What may be kept of a card: nothing with which one could pay."""

    brand: str = ""
    last4: str = ""
    exp_month: int = 0
    exp_year: int = 0
    funding: str = ""
    country: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, kw_only=True)
class ProviderPayment:
    """A payment as the provider sees it now. Amounts in ISO minor units.

    `capture_reference` is the id under which the captured money appears on the provider's
    statement: the reference of our posting. `capture_before` (ISO 8601, or empty) is when the
    authorization lapses. `also_known_as` are the ids of its parts, under which events and statement
    lines may speak of it.
    """

    provider_reference: str
    status: PaymentStatus
    amount_minor: int
    currency: str
    amount_captured_minor: int = 0
    amount_refunded_minor: int = 0
    capture_reference: str = ""
    next_action_url: str = ""
    capture_before: str = ""
    card: CardFacts | None = None
    decline_code: str = ""
    provider_code: str = ""
    void_reason: str = ""
    also_known_as: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return _without_nothing({**vars(self), "status": str(self.status)})

    @classmethod
    def from_json(cls, result: dict[str, Any]) -> ProviderPayment:
        card = result.get("card")
        known = {
            **result,
            "status": PaymentStatus(result["status"]),
            "card": CardFacts(**card) if card else None,
            "also_known_as": tuple(result.get("also_known_as", ())),
        }
        return cls(**known)


@dataclass(frozen=True, kw_only=True)
class ProviderRefund:
    """A refund as the provider sees it now. `provider_reference` is its own id."""

    provider_reference: str
    status: RefundStatus
    amount_minor: int
    currency: str
    payment_reference: str = ""
    op_key: str = ""
    provider_code: str = ""

    def as_json(self) -> dict[str, Any]:
        return _without_nothing({**vars(self), "status": str(self.status)})

    @classmethod
    def from_json(cls, result: dict[str, Any]) -> ProviderRefund:
        return cls(**{**result, "status": RefundStatus(result["status"])})
