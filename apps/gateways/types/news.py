"""What comes from a provider unasked, or line by line: events and statements."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

# How the note of an event begins that nobody acted on, so that it may still be.
KEPT: Final = "kept: "


class BadSignature(Exception):
    """An event that none of our secrets signed, or one signed too long ago."""


class CannotVerify(Exception):
    """Whether an event is genuine is for its provider to say, which could not be asked."""


class BadEvent(Exception):
    """A signed event that cannot be read."""


@dataclass(frozen=True, kw_only=True)
class ProviderEvent:
    """News from a provider: verified, and only a reason to ask what is true now.

    `payload` holds no card number, no personal data, no secret, and nothing PostgreSQL refuses.
    """

    provider: str
    event_id: str
    kind: str
    occurred_at: datetime
    payload: dict[str, Any]
    account: str = ""
    object_reference: str = ""
    payment_reference: str = ""
    payment_public_id: str = ""


class Topic(StrEnum):
    """What an event is news of, whatever its provider calls it."""

    PAYMENT = "payment"
    REFUND = "refund"
    DISPUTE = "dispute"
    PAYOUT = "payout"
    OTHER = "other"


class LineKind(StrEnum):
    CHARGE = "charge"
    REFUND = "refund"
    REFUND_FAILURE = "refund_failure"
    DISPUTE = "dispute"
    DISPUTE_REVERSAL = "dispute_reversal"
    PAYOUT = "payout"
    PAYOUT_FAILURE = "payout_failure"
    FEE = "fee"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class StatementLine:
    """One line of the provider's account with us, signed from our side: `net = gross - fee`.

    `source_reference` is what the line is about: the capture, refund, dispute or payout.
    `is_ordered`: it is about a payout that somebody ordered, and not the provider's own of a night,
    which pays lines out.
    """

    provider: str
    line_reference: str
    kind: LineKind
    gross_minor: int
    fee_minor: int
    net_minor: int
    currency: str
    occurred_at: datetime
    available_on: datetime
    provider_kind: str = ""
    source_reference: str = ""
    payment_reference: str = ""
    payment_public_id: str = ""
    payout_reference: str = ""
    is_available: bool = False
    is_ordered: bool = False
