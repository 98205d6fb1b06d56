"""What is said to a provider and what it tells us, in words that every provider shares.

Amounts are integers in ISO 4217 minor units here and everywhere outside a provider's own file; a
provider converts to its own units at its edge and nowhere else. Requests are frozen: what is
written down as the intent of a call is what is sent, now or an hour later by another worker.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, ClassVar, get_args
from uuid import UUID

from apps.gateways.types.amounts import (
    AmountNotExpressible,
    AmountRules,
    ChargeTooSmall,
    payable_part,
    require_chargeable,
    require_expressible,
    require_payable,
    set_amount_rules,
)
from apps.gateways.types.declines import DECLINES, Action, Decline, decline
from apps.gateways.types.disputes import (
    EVIDENCE,
    AcceptDisputeRequest,
    AnswerRules,
    DisputeNotAnswerable,
    DisputeReason,
    DisputeStage,
    DisputeStatus,
    InspectDisputeRequest,
    ProviderDispute,
    SubmitEvidenceRequest,
    require_answerable,
    set_answer_rules,
)
from apps.gateways.types.endings import NEVER_SENT, Declined, OutcomeUnknown
from apps.gateways.types.health import Circuit, CircuitState, Tally
from apps.gateways.types.news import (
    KEPT,
    BadEvent,
    BadSignature,
    CannotVerify,
    LineKind,
    ProviderEvent,
    StatementLine,
    Topic,
)
from apps.gateways.types.operations import BaseRequest, InspectVoidRequest, Operation
from apps.gateways.types.payouts import (
    AddBankRequest,
    InspectPayoutRequest,
    PayOutRequest,
    PayoutStatus,
    ProviderBank,
    ProviderPayout,
)
from apps.gateways.types.routing import (
    ANY,
    WHOLE,
    Decided,
    Routable,
    Route,
    Rule,
    decide,
    drawn,
    in_words,
)

__all__ = [
    "ANY",
    "DECLINES",
    "EVIDENCE",
    "KEPT",
    "NEVER_SENT",
    "WHOLE",
    "AcceptDisputeRequest",
    "Action",
    "AddBankRequest",
    "AmountNotExpressible",
    "AmountRules",
    "Answer",
    "AnswerRules",
    "BadEvent",
    "BadSignature",
    "CannotVerify",
    "CaptureMethod",
    "CaptureRequest",
    "CardFacts",
    "ChargeTooSmall",
    "Circuit",
    "CircuitState",
    "ConfirmRequest",
    "CreateRequest",
    "Decided",
    "Decline",
    "Declined",
    "DisputeNotAnswerable",
    "DisputeReason",
    "DisputeStage",
    "DisputeStatus",
    "InspectDisputeRequest",
    "InspectPayoutRequest",
    "InspectRefundRequest",
    "InspectRequest",
    "InspectVoidRequest",
    "LineKind",
    "Operation",
    "OutcomeUnknown",
    "PayOutRequest",
    "PaymentStatus",
    "PayoutStatus",
    "ProviderBank",
    "ProviderDispute",
    "ProviderEvent",
    "ProviderPayment",
    "ProviderPayout",
    "ProviderRefund",
    "RefundRequest",
    "RefundStatus",
    "Request",
    "Routable",
    "Route",
    "Rule",
    "StatementLine",
    "StrongAuthentication",
    "SubmitEvidenceRequest",
    "Tally",
    "Topic",
    "VoidRequest",
    "decide",
    "decline",
    "drawn",
    "freeze",
    "in_words",
    "payable_part",
    "require_answerable",
    "require_chargeable",
    "require_expressible",
    "require_payable",
    "set_amount_rules",
    "set_answer_rules",
    "thaw",
]


class CaptureMethod(StrEnum):
    AUTOMATIC = "automatic"
    MANUAL = "manual"


class StrongAuthentication(StrEnum):
    """Whether 3-D Secure is the issuer's choice or ours."""

    OPTIONAL = "optional"
    REQUIRED = "required"


# --- requests ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class CreateRequest(BaseRequest):
    """Make the provider's object. `payment_public_id` is written into it: our name on their side.

    `is_debit`: the token is a bank account's, which is captured by the bank's answer.

    Our sagas authorize first and capture by a call of its own, so `MANUAL` is what they use for
    both of the merchant's capture methods.
    """

    operation: ClassVar[Operation] = Operation.CREATE

    amount_minor: int
    currency: str
    token: str
    payment_public_id: str
    capture_method: CaptureMethod = CaptureMethod.MANUAL
    customer_reference: str = ""
    statement_suffix: str = ""
    is_debit: bool = False


@dataclass(frozen=True, kw_only=True)
class ConfirmRequest(BaseRequest):
    """Authorize the object. `token` is the one it was created with, for a provider that is told of
    it here; without one the customer is asked at the provider's. `mandate_at` (ISO 8601) is when
    the customer agreed to a bank debit.
    """

    operation: ClassVar[Operation] = Operation.CONFIRM

    provider_reference: str
    token: str = ""
    sca: StrongAuthentication = StrongAuthentication.OPTIONAL
    return_url: str = ""
    mandate_at: str = ""


@dataclass(frozen=True, kw_only=True)
class InspectRequest(BaseRequest):
    operation: ClassVar[Operation] = Operation.INSPECT

    provider_reference: str


@dataclass(frozen=True, kw_only=True)
class InspectRefundRequest(BaseRequest):
    """Ask how a refund stands that was pending, or of which there is news."""

    operation: ClassVar[Operation] = Operation.INSPECT_REFUND

    provider_reference: str


@dataclass(frozen=True, kw_only=True)
class CaptureRequest(BaseRequest):
    """Take the money, once; what is left of the authorization is released."""

    operation: ClassVar[Operation] = Operation.CAPTURE

    provider_reference: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, kw_only=True)
class VoidRequest(BaseRequest):
    operation: ClassVar[Operation] = Operation.VOID

    provider_reference: str
    expired: bool = False


@dataclass(frozen=True, kw_only=True)
class RefundRequest(BaseRequest):
    """Give back a part of a captured payment. `provider_reference` is the payment's."""

    operation: ClassVar[Operation] = Operation.REFUND

    provider_reference: str
    amount_minor: int
    currency: str
    refund_public_id: str
    fraudulent: bool = False


Request = (
    CreateRequest
    | ConfirmRequest
    | InspectRequest
    | CaptureRequest
    | VoidRequest
    | InspectVoidRequest
    | RefundRequest
    | InspectRefundRequest
    | AddBankRequest
    | PayOutRequest
    | InspectPayoutRequest
    | InspectDisputeRequest
    | SubmitEvidenceRequest
    | AcceptDisputeRequest
)

_REQUESTS: dict[str, type[Request]] = {kind.operation: kind for kind in get_args(Request)}
_READ: dict[str, Any] = {
    "payment_id": UUID,
    "bank_account_id": UUID,
    "capture_method": CaptureMethod,
    "sca": StrongAuthentication,
}


def freeze(request: Request) -> dict[str, Any]:
    """The request as JSON for the intent: `thaw(freeze(request)) == request`."""
    frozen = {"operation": str(request.operation), **vars(request)}
    return {
        name: str(value) if isinstance(value, StrEnum | UUID) else value
        for name, value in frozen.items()
    }


def thaw(frozen: dict[str, Any]) -> Request:
    """The request of an intent."""
    kind = _REQUESTS[frozen["operation"]]
    return kind(
        **{
            field.name: _READ.get(field.name, lambda value: value)(frozen[field.name])
            for field in fields(kind)
            if field.name in frozen
        }
    )


# --- results -----------------------------------------------------------------------------------


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


# What a call or a look-up finds; None: it has had no effect.
Answer = ProviderPayment | ProviderRefund | ProviderBank | ProviderPayout | ProviderDispute | None
