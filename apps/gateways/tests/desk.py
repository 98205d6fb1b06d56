"""A provider with the double behind it, and a desk at which its calls are made as sagas do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID

from apps.core import ids
from apps.gateways import services
from apps.gateways.providers.base import Provider
from apps.gateways.types import (
    CaptureRequest,
    ConfirmRequest,
    CreateRequest,
    InspectRefundRequest,
    InspectRequest,
    Operation,
    PaymentStatus,
    ProviderPayment,
    ProviderRefund,
    RefundRequest,
    Request,
    VoidRequest,
    freeze,
)
from apps.sagas.definition import Intent, Observation, Outcome

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Side(ABC):
    """A provider and the double behind it."""

    provider: Provider
    good_token: str
    challenged_token: str  # the customer is asked: 3-D Secure, an approval
    challengeable_token: str  # the customer is not asked, but can be
    pending_refund_token: str
    declines: ClassVar[dict[str, str]]  # our code -> token
    unusable_token: str
    # (currency, our minor units, the provider's units)
    amounts: ClassVar[tuple[tuple[str, int, int | str], ...]]
    impossible_amounts: ClassVar[tuple[tuple[str, int], ...]]
    pays_with_cards: ClassVar[bool] = True
    # Whether a key that met an error hears it again; if not, the operation is tried again.
    saves_errors: ClassVar[bool] = True
    # Whether the object tells that it was declined; if not, a look-up finds that nothing was done.
    remembers_declines: ClassVar[bool] = True

    @abstractmethod
    def break_next(self, operation: Operation, kind: str) -> None: ...

    @abstractmethod
    def effects(self, intent: Intent) -> int:
        """How often the operation of this intent has happened to its payment."""

    @abstractmethod
    def provider_amount(self, reference: str) -> int | str:
        """The amount as the provider wrote it down, in its own units."""

    @abstractmethod
    def authenticate(self, reference: str, *, passed: bool) -> None: ...

    @abstractmethod
    def expire(self, reference: str) -> None: ...

    @abstractmethod
    def fail_refund(self, reference: str) -> None: ...

    @abstractmethod
    def elsewhere(self, url: str) -> Provider:
        """The same provider at another address."""

    @abstractmethod
    def with_wrong_key(self) -> Provider: ...


class Desk:
    """Makes calls as a saga does: an intent first, then send, then perhaps a look-up."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.name = side.provider.name
        self.payment_id = ids.new_id()
        self.number = 0
        self.tokens: dict[str, str] = {}  # by the reference of what was created with them

    def intent(self, request: Request, *, op_key: str = "") -> Intent:
        self.number += 1
        return Intent(
            op_key=op_key or f"{self.payment_id}:TEST.{request.operation}:{self.number}",
            book_id=UUID(int=1),
            subject_id=self.payment_id,
            step="TEST",
            call=str(request.operation),
            request=freeze(request),
            created_at=NOW,
        )

    def create_request(
        self, *, token: str = "", amount: int = 10_000, currency: str = "USD"
    ) -> CreateRequest:
        """Of a payment of its own: a provider may take money for one name once."""
        self.payment_id = ids.new_id()
        return CreateRequest(
            provider=self.name,
            payment_id=self.payment_id,
            amount_minor=amount,
            currency=currency,
            token=token or self.side.good_token,
            payment_public_id=ids.encode("pay", self.payment_id),
        )

    def request(self, operation: Operation, reference: str, *, amount: int = 10_000) -> Request:
        facts = {
            "provider": self.name,
            "payment_id": self.payment_id,
            "provider_reference": reference,
        }
        match operation:
            case Operation.CONFIRM:
                return ConfirmRequest(**facts, token=self.tokens.get(reference, ""))
            case Operation.INSPECT:
                return InspectRequest(**facts)
            case Operation.INSPECT_REFUND:
                return InspectRefundRequest(**facts)
            case Operation.CAPTURE:
                return CaptureRequest(**facts, amount_minor=amount, currency="USD")
            case Operation.VOID:
                return VoidRequest(**facts)
            case Operation.REFUND:
                public_id = ids.encode("re", ids.new_id())
                return RefundRequest(
                    **facts, amount_minor=amount, currency="USD", refund_public_id=public_id
                )
        raise AssertionError(operation)

    def send(self, request: Request) -> Observation:
        observation = services.send(self.intent(request))
        if isinstance(request, CreateRequest):
            self.tokens[observation.provider_reference] = request.token
        return observation

    # --- so far, so good

    def created(self, **facts: object) -> str:
        observation = self.send(self.create_request(**facts))  # type: ignore[arg-type]
        assert observation.outcome is Outcome.SUCCEEDED, observation
        return observation.provider_reference

    def authorized(self, **facts: object) -> str:
        reference = self.created(**facts)
        payment = paid(self.send(self.request(Operation.CONFIRM, reference)))
        assert payment.status is PaymentStatus.AUTHORIZED
        return reference

    def captured(self, *, token: str = "") -> str:
        reference = self.authorized(token=token)
        payment = paid(self.send(self.request(Operation.CAPTURE, reference)))
        assert payment.status is PaymentStatus.CAPTURED
        return reference

    def ready_for(self, operation: Operation) -> Intent:
        """An intent that only waits to be sent, on a payment in the state it needs."""
        if operation is Operation.CONFIRM:
            reference = self.created()
        elif operation is Operation.REFUND:
            reference = self.captured()
        else:
            reference = self.authorized()
        # A tenth of the payment, so that a second refund would not be refused for its size.
        return self.intent(self.request(operation, reference, amount=1_000))


def paid(observation: Observation) -> ProviderPayment:
    assert observation.outcome is Outcome.SUCCEEDED, observation
    return ProviderPayment.from_json(observation.result)


def refunded(observation: Observation) -> ProviderRefund:
    assert observation.outcome is Outcome.SUCCEEDED, observation
    return ProviderRefund.from_json(observation.result)


def ended(observation: Observation) -> tuple[str, str]:
    return str(observation.outcome), observation.code
