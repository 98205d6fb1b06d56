"""A provider inside the process that says yes at once: for `bench payments`, in test mode alone.

It keeps nothing. The same `op_key` gets the same answer because the answer is computed from it,
so a look-up may truthfully say that nothing was done: doing it again changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import sha256
from typing import ClassVar

from typing_extensions import override

from apps.gateways.providers.base import Provider
from apps.gateways.types import (
    AddBankRequest,
    Answer,
    CaptureRequest,
    CardFacts,
    ConfirmRequest,
    CreateRequest,
    Operation,
    PaymentStatus,
    PayOutRequest,
    PayoutStatus,
    ProviderBank,
    ProviderPayment,
    ProviderPayout,
    ProviderRefund,
    RefundRequest,
    RefundStatus,
    Request,
    VoidRequest,
)
from apps.merchants.types import BankDetails

_CARD = CardFacts(brand="visa", last4="4242", exp_month=12, exp_year=2099, funding="credit")


class Instant(Provider):
    """References carry amount and currency, so that every operation can answer from its request."""

    name: ClassVar[str] = "instant"
    capabilities: ClassVar[frozenset[Operation]] = frozenset(Operation) - {
        Operation.INSPECT,
        Operation.INSPECT_REFUND,
        Operation.INSPECT_PAYOUT,
        Operation.INSPECT_DISPUTE,
        Operation.UPLOAD_FILE,
        Operation.SUBMIT_EVIDENCE,
        Operation.ACCEPT_DISPUTE,
    }
    # Its answer follows from the request and the key, whenever it is asked.
    horizon_seconds: ClassVar[Mapping[Operation, float]] = dict.fromkeys(Operation, math.inf)

    @override
    def create(self, request: CreateRequest, *, op_key: str) -> ProviderPayment:
        reference = f"ins_{request.amount_minor}_{request.currency}_{_short(op_key)}"
        return _payment(reference, PaymentStatus.CREATED)

    @override
    def confirm(self, request: ConfirmRequest, *, op_key: str) -> ProviderPayment:
        return _payment(request.provider_reference, PaymentStatus.AUTHORIZED)

    @override
    def capture(self, request: CaptureRequest, *, op_key: str) -> ProviderPayment:
        return _payment(
            request.provider_reference, PaymentStatus.CAPTURED, captured=request.amount_minor
        )

    @override
    def void(self, request: VoidRequest, *, op_key: str) -> ProviderPayment:
        return _payment(request.provider_reference, PaymentStatus.VOIDED)

    @override
    def refund(self, request: RefundRequest, *, op_key: str) -> ProviderRefund:
        return ProviderRefund(
            provider_reference=f"inr_{_short(op_key)}",
            status=RefundStatus.SUCCEEDED,
            amount_minor=request.amount_minor,
            currency=request.currency,
            payment_reference=request.provider_reference,
            op_key=op_key,
        )

    @override
    def add_bank(
        self, request: AddBankRequest, details: BankDetails, *, op_key: str
    ) -> ProviderBank:
        return ProviderBank(provider_reference=f"inb_{_short(op_key)}")

    @override
    def pay_out(self, request: PayOutRequest, *, op_key: str) -> ProviderPayout:
        return ProviderPayout(
            provider_reference=f"inp_{_short(op_key)}",
            status=PayoutStatus.PAID,
            amount_minor=request.amount_minor,
            currency=request.currency,
            op_key=op_key,
        )

    @override
    def look_up(self, request: Request, *, op_key: str, provider_reference: str) -> Answer:
        return None


def _short(op_key: str) -> str:
    return sha256(op_key.encode()).hexdigest()[:24]


def _payment(reference: str, status: PaymentStatus, *, captured: int = 0) -> ProviderPayment:
    _, amount, currency, _ = reference.split("_")
    return ProviderPayment(
        provider_reference=reference,
        status=status,
        amount_minor=int(amount),
        currency=currency,
        amount_captured_minor=captured,
        capture_reference=f"inc_{reference[4:]}" if captured else "",
        card=None if status is PaymentStatus.CREATED else _CARD,
    )
