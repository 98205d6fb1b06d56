"""What every provider looks like from our side, and how the truth about a call is read.

A provider is types in, types out: no tables, no Django. It implements the operations it declares,
and `find_payment` and `find_refunds`, from which everybody's look-up follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import ClassVar

from apps.gateways.providers.disputing import AboutDispute, FacesDisputes
from apps.gateways.providers.paying_out import PaysOut, ToBank
from apps.gateways.types import (
    Answer,
    CaptureRequest,
    ConfirmRequest,
    CreateRequest,
    Declined,
    InspectRefundRequest,
    InspectRequest,
    InspectVoidRequest,
    Operation,
    OutcomeUnknown,
    PaymentStatus,
    ProviderEvent,
    ProviderPayment,
    ProviderRefund,
    RefundRequest,
    RefundStatus,
    Request,
    StatementLine,
    Topic,
    UploadFileRequest,
    VoidRequest,
)
from apps.merchants.types import BankDetails

LIVE = (
    *(PaymentStatus.AUTHORIZED, PaymentStatus.CAPTURED, PaymentStatus.REQUIRES_ACTION),
    PaymentStatus.WITH_BANK,
)


class Provider(PaysOut, FacesDisputes):
    """One provider. One instance serves all threads of a process.

    It implements the operations that its `capabilities` name, and no others. `horizon_seconds` says
    of each how long an `op_key` is honored, less a margin: after it a key is a new one to the
    provider, and what was sent under it is looked up only.
    Every operation is sent once, under its `op_key`, within the provider's time limits.

    :raises Declined: it said no, definitively.
    :raises OutcomeUnknown: anything else that is not a clear yes.
    """

    name: ClassVar[str]
    capabilities: ClassVar[frozenset[Operation]] = frozenset()
    horizon_seconds: ClassVar[Mapping[Operation, float]] = {}
    # Whether `void` ends an object that nobody authorized; if not, it lapses by itself.
    cancels: ClassVar[bool] = True
    topics: ClassVar[Mapping[str, Topic]] = {}  # by how an event's kind begins

    def create(self, request: CreateRequest, *, op_key: str) -> ProviderPayment:
        raise NotImplementedError

    def confirm(self, request: ConfirmRequest, *, op_key: str) -> ProviderPayment:
        raise NotImplementedError

    def inspect(self, request: InspectRequest) -> ProviderPayment:
        """The payment as it is now, the customer having been asked.

        Where the customer only agrees, and it takes a call of ours to authorize, that call is made
        here, under a key of the object's own: however often this is asked, it has one effect.
        """
        return self.find_payment(request.provider_reference)

    def capture(self, request: CaptureRequest, *, op_key: str) -> ProviderPayment:
        raise NotImplementedError

    def void(self, request: VoidRequest, *, op_key: str) -> ProviderPayment:
        raise NotImplementedError

    def refund(self, request: RefundRequest, *, op_key: str) -> ProviderRefund:
        raise NotImplementedError

    def find_payment(self, reference: str) -> ProviderPayment:
        """The payment as it is now."""
        raise NotImplementedError

    def find_refund(self, reference: str) -> ProviderRefund:
        """The refund as it is now."""
        raise NotImplementedError

    def find_refunds(self, payment_reference: str) -> Iterator[ProviderRefund]:
        """Every refund of one payment."""
        raise NotImplementedError

    def parse_event(
        self, raw_body: bytes, headers: Mapping[str, str], *, now: datetime
    ) -> ProviderEvent:
        """Verify and read an event.

        :raises BadSignature: not signed by a secret of ours, or outside the tolerance.
        :raises BadEvent: signed, but not an event.
        """
        raise NotImplementedError

    def topic_of(self, kind: str) -> Topic:
        """What an event of this kind is news of, by the longest of `topics` that it begins with."""
        names = [name for name in self.topics if kind.startswith(name)]
        return self.topics[max(names, key=len)] if names else Topic.OTHER

    def statement_lines(
        self, *, since: datetime | None = None, payout: str = ""
    ) -> Iterator[StatementLine]:
        """Lines recorded since a moment, or those of one payout; oldest or newest first."""
        raise NotImplementedError

    # --- the same for every provider --------------------------------------------------------------

    def send(self, request: Request, *, op_key: str, details: BankDetails | None = None) -> Answer:
        """Make the call and read its answer. None: no effect, which only `inspect` can say.

        `details` goes with an `AddBankRequest`, and with no other.
        """
        if request.operation not in self.capabilities:
            raise Declined("operation_not_supported")
        if isinstance(request, ToBank):
            return self.send_to_bank(request, op_key=op_key, details=details)
        if isinstance(request, AboutDispute):
            return self.send_about_dispute(request, op_key=op_key)
        if isinstance(request, UploadFileRequest):
            return self.upload_file(request, op_key=op_key)
        match request:
            case RefundRequest():
                return judge_refund(self.refund(request, op_key=op_key))
            case InspectRequest():
                return judge(request, self.inspect(request))
            case InspectVoidRequest():
                return judge(request, self.find_ended(request.provider_reference))
            case InspectRefundRequest():
                return self.find_refund(request.provider_reference)
            case _:
                return self._operate(request, op_key)

    def _operate(
        self,
        request: CreateRequest | ConfirmRequest | CaptureRequest | VoidRequest,
        op_key: str,
    ) -> ProviderPayment:
        match request:
            case CreateRequest():
                answer = self.create(request, op_key=op_key)
            case ConfirmRequest():
                answer = self.confirm(request, op_key=op_key)
            case CaptureRequest():
                answer = self.capture(request, op_key=op_key)
            case VoidRequest():
                answer = self.void(request, op_key=op_key)
        done = judge(request, answer)
        if done is None:
            raise OutcomeUnknown("contradiction", f"yes, and yet {answer.status}", answered=True)
        return done

    def look_up(self, request: Request, *, op_key: str, provider_reference: str) -> Answer:
        """What became of a call, asked by the ids we hold; sends nothing that changes anything.

        None: it has had no effect. Of a `create` whose answer was lost no id is known: an object
        that moves no money counts as no effect, and the same `op_key` finds it again.
        """
        if isinstance(request, ToBank):
            return self.look_up_to_bank(
                request, op_key=op_key, provider_reference=provider_reference
            )
        if isinstance(request, AboutDispute):
            return self.look_up_about_dispute(request)
        if isinstance(request, UploadFileRequest):
            return None
        if isinstance(request, InspectRefundRequest):
            return self.find_refund(request.provider_reference)
        if isinstance(request, RefundRequest):
            return self._look_up_refund(request, op_key, provider_reference)
        if isinstance(request, CreateRequest):
            if not provider_reference:
                return None
            return judge(request, self.find_payment(provider_reference))
        if isinstance(request, InspectVoidRequest):
            return judge(request, self.find_ended(request.provider_reference))
        return judge(request, self.find_payment(request.provider_reference))

    def find_ended(self, reference: str) -> ProviderPayment:
        """As `find_payment`; VOIDED also if there was nothing to void and never can be."""
        return self.find_payment(reference)

    def _look_up_refund(
        self, request: RefundRequest, op_key: str, reference: str
    ) -> ProviderRefund | None:
        if reference:
            return judge_refund(self.find_refund(reference))
        for refund in self.find_refunds(request.provider_reference):
            if refund.op_key == op_key:
                return judge_refund(refund)
        return None


def judge(request: Request, payment: ProviderPayment) -> ProviderPayment | None:
    """Whether a payment's state shows that this operation took effect; None if it did not.

    :raises Declined: the state shows that it was refused, or can no longer take effect.
    :raises OutcomeUnknown: the provider is still at it.
    """
    status = payment.status
    if status is PaymentStatus.PROCESSING:
        raise OutcomeUnknown("processing")
    match request:
        case CreateRequest():
            return payment
        case ConfirmRequest():
            return _confirmed(payment)
        case InspectRequest():
            return None if status is PaymentStatus.REQUIRES_ACTION else _confirmed(payment)
        case CaptureRequest():
            return _captured(payment)
        case VoidRequest():
            return _voided(payment)
        case InspectVoidRequest():
            return _over(payment)
        case _:
            raise AssertionError(f"not judged by the payment: {request.operation}")


def judge_refund(refund: ProviderRefund) -> ProviderRefund:
    """A refund that exists took effect, unless it has failed since.

    :raises Declined: it failed.
    """
    if refund.status is RefundStatus.FAILED:
        raise Declined("refund_failed", provider_code=refund.provider_code)
    return refund


def _confirmed(payment: ProviderPayment) -> ProviderPayment | None:
    if payment.status in LIVE:
        return payment
    if payment.status is PaymentStatus.FAILED:
        raise Declined(payment.decline_code, provider_code=payment.provider_code, payment=payment)
    if payment.status is PaymentStatus.VOIDED:
        raise _lapsed(payment)
    return None


def _captured(payment: ProviderPayment) -> ProviderPayment | None:
    if payment.status is PaymentStatus.CAPTURED:
        return payment
    if payment.status is PaymentStatus.AUTHORIZED:
        return None
    if payment.status is PaymentStatus.VOIDED:
        raise _lapsed(payment)
    raise Declined("not_authorized", payment=payment)


def _voided(payment: ProviderPayment) -> ProviderPayment | None:
    if payment.status is PaymentStatus.VOIDED:
        return payment
    if payment.status is PaymentStatus.CAPTURED:
        raise Declined("already_captured", payment=payment)
    return None


def _over(payment: ProviderPayment) -> ProviderPayment:
    if payment.status is PaymentStatus.VOIDED:
        return payment
    taken = payment.status is PaymentStatus.CAPTURED
    raise Declined("already_captured" if taken else "provider_rejected", payment=payment)


def _lapsed(payment: ProviderPayment) -> Declined:
    expired = payment.void_reason == "expired"
    return Declined(
        "authorization_expired" if expired else "authorization_voided",
        provider_code=payment.void_reason,
        payment=payment,
    )
