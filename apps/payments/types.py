"""Values and words of payments that other layers share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from uuid import UUID

from apps.core.money import Money
from apps.gateways.types import DECLINES, KEPT, Action

# What is noted of news that no run was told: each that is let try again asks its provider anyway.
NEEDS_A_PERSON = f"{KEPT}its run needs a person"

# Why we ourselves end a payment, beside what providers say: what to do about it, and whether the
# same method may well do later.
_OURS = {
    "payment_rejected": (Action.OTHER_METHOD, False),
    "authentication_timed_out": (Action.AUTHENTICATE, True),
    "provider_unavailable": (Action.LATER, True),
    "transfer_not_received": (Action.PAY_AGAIN, True),
    "wallet_frozen": (Action.OTHER_METHOD, False),
    "wallet_closed": (Action.OTHER_METHOD, False),
}


def advice(code: str) -> tuple[Action, bool]:
    """What to do about a payment that failed with this code, and whether to try it once more.

    Of a code that is in no table only we can tell.
    """
    row = DECLINES.get(code)
    return (row.action, row.retryable) if row else _OURS.get(code, (Action.CONTACT_US, False))


class ReturnReason(StrEnum):
    """Why a refund or a payout did not arrive: one small vocabulary for every provider.

    Providers' own words stay with us, for staff; merchants branch on these.
    """

    ACCOUNT_CLOSED = "account_closed"
    ACCOUNT_FROZEN = "account_frozen"
    ACCOUNT_NOT_FOUND = "account_not_found"
    ACCOUNT_NOT_SUPPORTED = "account_not_supported"
    HOLDER_MISMATCH = "account_holder_mismatch"
    CARD_NOT_USABLE = "card_not_usable"
    DECLINED = "declined_by_bank"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    DISPUTED = "payment_disputed"
    CANCELED = "canceled"


# By the provider's word: Stripe's `failure_code` of a payout and `failure_reason` of a refund, and
# PayPal's `status_details.reason` of a refund. No two of them mean different things by one word.
_WORDS = {
    "account_closed": ReturnReason.ACCOUNT_CLOSED,
    "account_frozen": ReturnReason.ACCOUNT_FROZEN,
    "bank_account_restricted": ReturnReason.ACCOUNT_FROZEN,
    "no_account": ReturnReason.ACCOUNT_NOT_FOUND,
    "invalid_account_number": ReturnReason.ACCOUNT_NOT_FOUND,
    "bank_ownership_changed": ReturnReason.ACCOUNT_NOT_FOUND,
    "debit_not_authorized": ReturnReason.ACCOUNT_NOT_SUPPORTED,
    "invalid_currency": ReturnReason.ACCOUNT_NOT_SUPPORTED,
    "unsupported_card": ReturnReason.ACCOUNT_NOT_SUPPORTED,
    "incorrect_account_holder_address": ReturnReason.HOLDER_MISMATCH,
    "incorrect_account_holder_name": ReturnReason.HOLDER_MISMATCH,
    "incorrect_account_holder_tax_id": ReturnReason.HOLDER_MISMATCH,
    "invalid_card": ReturnReason.CARD_NOT_USABLE,
    "lost_or_stolen_card": ReturnReason.CARD_NOT_USABLE,
    "expired_or_canceled_card": ReturnReason.CARD_NOT_USABLE,
    "declined": ReturnReason.DECLINED,
    "could_not_process": ReturnReason.DECLINED,
    "ECHECK": ReturnReason.DECLINED,
    "insufficient_funds": ReturnReason.INSUFFICIENT_FUNDS,
    "charge_for_pending_refund_disputed": ReturnReason.DISPUTED,
    "merchant_request": ReturnReason.CANCELED,
    "canceled": ReturnReason.CANCELED,
}
# What we say ourselves, where nobody at a provider was asked or what was asked was refused.
_OUR_RETURNS = {
    *("payment_disputed", "wallet_closed", "refund_failed", "payout_failed"),
    *("bank_account_removed", "bank_account_invalid"),
}


def return_reason(word: str, *, otherwise: str) -> str:
    """The code that merchants see for a word that was kept; `otherwise` for one nobody knows."""
    if word in _WORDS:
        return str(_WORDS[word])
    return word if word in _OUR_RETURNS or word in DECLINES else otherwise


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


class SuspenseReason(StrEnum):
    """Why money that came to the bank is nobody's yet."""

    UNKNOWN_REFERENCE = "unknown_reference"
    WRONG_CURRENCY = "wrong_currency"
    SHORT = "short"
    OVER = "over"
    ALREADY_PAID = "already_paid"
    TOO_LATE = "too_late"


class CaseStatus(StrEnum):
    OPEN = "OPEN"
    ALLOCATED = "ALLOCATED"
    RETURNED = "RETURNED"


class PayoutKind(StrEnum):
    MANUAL = "manual"
    AUTOMATIC = "automatic"
    WITHDRAWAL = "withdrawal"


class BalancePart(StrEnum):
    """A merchant's accounts: all of them, what waits, what may be paid out, what is kept back."""

    TOTAL = "total"
    PENDING = "pending"
    PAYABLE = "payable"
    RESERVE = "reserve"


class PayoutStatus(StrEnum):
    PENDING = "PENDING"
    IN_TRANSIT = "IN_TRANSIT"
    PAID = "PAID"
    FAILED = "FAILED"
    RETURNED = "RETURNED"


class DisputeStatus(StrEnum):
    REPORTED = "REPORTED"  # news of it came; the provider is being asked
    NEEDS_RESPONSE = "NEEDS_RESPONSE"
    UNDER_REVIEW = "UNDER_REVIEW"
    WON = "WON"
    PART_LOST = "PART_LOST"
    LOST = "LOST"


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
    DISPUTE = "dispute"
    DISPUTE_RETURN = "dispute_return"
    DISPUTE_FEE = "dispute_fee"
    EXCESS_CHARGE = "excess_charge"
    EXCESS_CHARGE_RETURN = "excess_charge_return"
    WITHDRAWAL_RETURN = "withdrawal_return"
    REFUND_RETURN = "refund_return"


class CaptureMethod(StrEnum):
    AUTOMATIC = "automatic"
    MANUAL = "manual"


# The source, and the method, of a payment that the customer pushes from their bank.
BANK_TRANSFER = "bank_transfer"
BANK_DEBIT = "bank_debit"


@dataclass(frozen=True)
class NewPayment:
    """What a merchant asks for.

    `source` is a saved method's or a wallet's public id, a provider's token, `paypal` or
    `bank_transfer`. With `wallet` that wallet is spent first, `wallet_amount` of it or, without
    one, as much as there is; `source` pays the rest. `quote` credits another currency than is paid.
    """

    amount: Money
    source: str
    destination: str = ""
    capture_method: CaptureMethod = CaptureMethod.AUTOMATIC
    reference: str = ""
    description: str = ""
    return_url: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    wallet: str = ""
    wallet_amount: Money | None = None
    quote: str = ""

    @property
    def spends_what_there_is(self) -> bool:
        """Whether the wallet's part is as much as it has, which takes a lock to say."""
        return bool(self.wallet) and self.wallet_amount is None


@dataclass(frozen=True)
class CardTender:
    """What can be charged at a provider: each provider's token of it, and where they came from.

    `method` is what the customer pays by, whose fee plan decides; `country` is the card's, if it is
    known by now.
    """

    tokens: Mapping[str, str]
    payment_method_id: UUID | None = None
    method: str = "card"
    country: str = ""


@dataclass(frozen=True)
class WalletTender:
    """What a wallet pays, out of a hold: a new one of the payment's, or one placed before."""

    wallet_id: UUID
    amount: Money
    hold_id: UUID


@dataclass(frozen=True)
class BankLine:
    """A line of a bank statement: so much came in.

    `reference` is the one of ours that the payer wrote, or empty: whatever else they wrote stays
    with the bank.
    """

    bank_reference: str
    booked_on: date
    amount: Money
    reference: str


@dataclass(frozen=True)
class NewPayout:
    """What a merchant wants paid out: without an amount all that is payable; without an account to
    the owner's own for this currency."""

    currency: str
    amount_minor: int | None = None
    bank_account_id: UUID | None = None
    kind: PayoutKind = PayoutKind.MANUAL
    description: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NewRefund:
    """What a merchant wants given back: without an amount all that is left; to `wallet`, if named,
    instead of to whom it came from."""

    amount_minor: int | None = None
    wallet: str = ""
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
