"""A payer's objection to a payment, as its provider sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any, ClassVar

from apps.core.errors import Unprocessable
from apps.gateways.types.operations import BaseRequest, Operation


@dataclass(frozen=True, kw_only=True)
class InspectDisputeRequest(BaseRequest):
    """Ask how a dispute stands. `provider_reference` is the dispute's, here and below."""

    operation: ClassVar[Operation] = Operation.INSPECT_DISPUTE

    provider_reference: str


@dataclass(frozen=True, kw_only=True)
class EvidenceFile:
    """A file for an answer, with its content: in memory for one call, and in nothing that is kept.

    `name` is letters, digits, dashes and underscores, and the ending of what it is.
    """

    name: str
    content_type: str
    content: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        return sha256(self.content).hexdigest()


@dataclass(frozen=True, kw_only=True)
class UploadFileRequest(BaseRequest):
    """Give a file to the provider, which names it; nothing else happens to it yet.

    A frozen request knows it by its hash: whoever sends it brings it along as `files`.
    """

    operation: ClassVar[Operation] = Operation.UPLOAD_FILE

    purpose: str
    sha256: str
    files: dict[str, EvidenceFile] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SubmitEvidenceRequest(BaseRequest):
    """Answer a dispute, once: texts by the names of `types.EVIDENCE`, files by those of
    `types.FILE_PURPOSES`.

    They may be about people, so a frozen request has none: whoever sends it brings `evidence` and
    `files` along. It has the provider's names of the files that were `uploaded` before, and the
    hashes of those that are `attached`. `refund_references` are the provider's names of what was
    given back, for one that asks.
    """

    operation: ClassVar[Operation] = Operation.SUBMIT_EVIDENCE

    provider_reference: str
    refund_references: list[str] = field(default_factory=list)
    uploaded: dict[str, str] = field(default_factory=dict)
    attached: dict[str, str] = field(default_factory=dict)
    evidence: dict[str, str] = field(default_factory=dict)
    files: dict[str, EvidenceFile] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AcceptDisputeRequest(BaseRequest):
    """Give a dispute up: it is lost."""

    operation: ClassVar[Operation] = Operation.ACCEPT_DISPUTE

    provider_reference: str


# What can be said in an answer; the longest text of each.
EVIDENCE: dict[str, int] = {
    "product_description": 20_000,
    "service_date": 100,
    "shipping_address": 1_000,
    "shipping_carrier": 100,
    "shipping_date": 100,
    "shipping_tracking_number": 255,
    "billing_address": 1_000,
    "customer_name": 255,
    "customer_email_address": 255,
    "customer_purchase_ip": 100,
    "access_activity_log": 20_000,
    "refund_policy_disclosure": 20_000,
    "refund_refusal_explanation": 20_000,
    "cancellation_policy_disclosure": 20_000,
    "cancellation_rebuttal": 20_000,
    "duplicate_charge_explanation": 20_000,
    "uncategorized_text": 20_000,
}
# Of all of them together, as Stripe has it.
EVIDENCE_CHARACTERS = 150_000


# What a file shows; an answer has one of each at the most.
FILE_PURPOSES: tuple[str, ...] = (
    "receipt",
    "customer_communication",
    "customer_signature",
    "shipping_documentation",
    "service_documentation",
    "refund_policy",
    "cancellation_policy",
    "duplicate_charge_documentation",
    "uncategorized_file",
)


class DisputeNotAnswerable(Unprocessable):
    """Its provider takes no such answer from us: whoever answers does so in its console."""

    code = "not_supported_by_method"
    says = "Such a dispute is answered in the console of its provider."


@dataclass(frozen=True, kw_only=True)
class AnswerRules:
    """What a provider takes of our answers to disputes.

    `inquiries`: to a mere question as well. `file_bytes` is how large a file may be, `files_bytes`
    all of an answer's together. `uploads`: each is given to it by a call of its own, before.
    """

    inquiries: bool = True
    file_bytes: int = 0
    files_bytes: int = 0
    uploads: bool = False


_rules: dict[str, AnswerRules] = {}


def set_answer_rules(provider: str, rules: AnswerRules) -> None:
    """Note that a provider takes answers to its disputes from us, and being given them up."""
    _rules[provider] = rules


def answer_rules(provider: str) -> AnswerRules:
    """What a provider takes; of one that takes no answers: nothing."""
    return _rules.get(provider, AnswerRules(inquiries=False))


def require_answerable(*, provider: str, is_inquiry: bool) -> AnswerRules:
    """What the provider of such a dispute takes.

    :raises DisputeNotAnswerable: it takes no answer to it from us.
    """
    rules = _rules.get(provider)
    if rules is None or (is_inquiry and not rules.inquiries):
        raise DisputeNotAnswerable
    return rules


class DisputeStage(StrEnum):
    INQUIRY = "inquiry"  # a question; no money has moved
    CHARGEBACK = "chargeback"
    RETURN = "return"  # a bank took a debit back: no provider says so, the payment does


class DisputeStatus(StrEnum):
    NEEDS_RESPONSE = "needs_response"  # ours, by `due_by`
    UNDER_REVIEW = "under_review"  # somebody else's turn
    WON = "won"  # an inquiry: closed, and nothing was taken
    LOST = "lost"

    @property
    def is_over(self) -> bool:
        return self in (DisputeStatus.WON, DisputeStatus.LOST)


class DisputeReason(StrEnum):
    FRAUDULENT = "fraudulent"
    NOT_RECEIVED = "not_received"
    NOT_AS_DESCRIBED = "not_as_described"
    CREDIT_NOT_PROCESSED = "credit_not_processed"
    DUPLICATE = "duplicate"
    SUBSCRIPTION_CANCELED = "subscription_canceled"
    GENERAL = "general"


@dataclass(frozen=True, kw_only=True)
class ProviderFile:
    """A file that a provider has, under its own name."""

    provider_reference: str

    def as_json(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True, kw_only=True)
class ProviderDispute:
    """A dispute as the provider sees it now. Amounts in ISO minor units.

    `payment_reference` is a name of the payment, or of a part of it; `amount_lost_minor` is what
    went to the payer once it is decided; `due_by` (ISO 8601, or empty) is when our answer is due;
    `has_evidence`: our answer has arrived.
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
    network_reason_code: str = ""
    has_evidence: bool = False

    def as_json(self) -> dict[str, Any]:
        told = {name: value for name, value in vars(self).items() if value}
        words = {name: str(told[name]) for name in ("stage", "status", "reason")}
        return {**told, **words}

    @classmethod
    def from_json(cls, result: dict[str, Any]) -> ProviderDispute:
        words = {
            "stage": DisputeStage(result["stage"]),
            "status": DisputeStatus(result["status"]),
            "reason": DisputeReason(result["reason"]),
        }
        return cls(**{**result, **words})
