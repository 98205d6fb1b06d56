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
    EVIDENCE_CHARACTERS,
    FILE_PURPOSES,
    AcceptDisputeRequest,
    AnswerRules,
    DisputeNotAnswerable,
    DisputeReason,
    DisputeStage,
    DisputeStatus,
    EvidenceFile,
    InspectDisputeRequest,
    ProviderDispute,
    ProviderFile,
    SubmitEvidenceRequest,
    UploadFileRequest,
    answer_rules,
    require_answerable,
    set_answer_rules,
)
from apps.gateways.types.endings import NEVER_SENT, OBJECT_MISSING, Declined, OutcomeUnknown
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
from apps.gateways.types.results import (
    CardFacts,
    PaymentStatus,
    ProviderPayment,
    ProviderRefund,
    RefundStatus,
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
    "EVIDENCE_CHARACTERS",
    "FILE_PURPOSES",
    "KEPT",
    "NEVER_SENT",
    "OBJECT_MISSING",
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
    "EvidenceFile",
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
    "ProviderFile",
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
    "UploadFileRequest",
    "VoidRequest",
    "answer_rules",
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
    | UploadFileRequest
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


# What a call or a look-up finds; None: it has had no effect.
Answer = (
    ProviderPayment
    | ProviderRefund
    | ProviderBank
    | ProviderPayout
    | ProviderDispute
    | ProviderFile
    | None
)
