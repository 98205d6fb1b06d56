"""Stripe, with its own SDK: PaymentIntents created unconfirmed, confirmed by id, captured by id.

This is the code that runs in production; with no key configured it talks to the simulator.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import Any, ClassVar, Final, TypeVar

import stripe
from stripe.params import (
    PaymentIntentCancelParams,
    PaymentIntentConfirmParams,
    PaymentIntentCreateParams,
    RefundCreateParams,
)

from apps.gateways.providers.base import Provider, judge
from apps.gateways.providers.stripe import errors, events, objects
from apps.gateways.providers.stripe.transport import Transport
from apps.gateways.providers.stripe.units import to_stripe
from apps.gateways.types import (
    CaptureRequest,
    ConfirmRequest,
    CreateRequest,
    Declined,
    Operation,
    OutcomeUnknown,
    ProviderEvent,
    ProviderPayment,
    ProviderRefund,
    RefundRequest,
    Request,
    StatementLine,
    StrongAuthentication,
    VoidRequest,
)

# What Stripe's answers look like is decided here, not by the account's default.
API_VERSION: Final = "2026-10-28.endive"
CONNECT_SECONDS: Final = 3.0
READ_SECONDS: Final = 20.0
PAGE_SIZE: Final = 100
# Refunds of one payment, lines of one payout: beyond this somebody has to look.
MAX_REFUNDS: Final = 1_000

_EXPAND: Final = ["latest_charge"]

# Off for the whole process: latencies and an installation id are nobody's business.
stripe.enable_telemetry = False
# At INFO the SDK logs every URL, at DEBUG every body.
logging.getLogger("stripe").setLevel(logging.WARNING)

# What reading an answer that is not Stripe's can raise, in the SDK's own code as in ours.
_UNREADABLE: Final = (AttributeError, KeyError, TypeError, ValueError, OverflowError)

T = TypeVar("T")


class Stripe(Provider):
    """One instance serves all threads of a process."""

    name: ClassVar[str] = "stripe"
    capabilities: ClassVar[frozenset[Operation]] = frozenset(Operation)

    def __init__(
        self,
        *,
        api_key: str,
        api_base: str,
        webhook_secrets: Sequence[str] = (),
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._webhook_secrets = tuple(webhook_secrets)
        client = stripe.StripeClient(
            api_key,
            base_addresses={"api": api_base.rstrip("/")},
            stripe_version=API_VERSION,
            max_network_retries=0,
            http_client=Transport(connect_seconds=connect_seconds, read_seconds=read_seconds),
        )
        self._intents = client.v1.payment_intents
        self._refunds = client.v1.refunds
        self._lines = client.v1.balance_transactions

    # --- operations -------------------------------------------------------------------------------

    def create(self, request: CreateRequest, *, op_key: str) -> ProviderPayment:
        params: PaymentIntentCreateParams = {
            "amount": to_stripe(request.amount_minor, request.currency),
            "currency": request.currency.lower(),
            "capture_method": "manual" if request.capture_method == "manual" else "automatic",
            "payment_method": request.token,
            # No method that leads the customer away from 3-D Secure's page to a bank's.
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "metadata": {
                objects.META_PAYMENT: request.payment_public_id,
                objects.META_OP_KEY: op_key,
            },
        }
        if request.customer_reference:
            params["customer"] = request.customer_reference
        if request.statement_suffix:
            params["statement_descriptor_suffix"] = request.statement_suffix
        return _sent(request, lambda: self._intents.create(params, {"idempotency_key": op_key}))

    def confirm(self, request: ConfirmRequest, *, op_key: str) -> ProviderPayment:
        params: PaymentIntentConfirmParams = {"expand": _EXPAND}
        if request.return_url:
            params["return_url"] = request.return_url
        if request.sca is StrongAuthentication.REQUIRED:
            params["payment_method_options"] = {"card": {"request_three_d_secure": "challenge"}}
        return _sent(
            request,
            lambda: self._intents.confirm(
                request.provider_reference, params, {"idempotency_key": op_key}
            ),
        )

    def capture(self, request: CaptureRequest, *, op_key: str) -> ProviderPayment:
        amount = to_stripe(request.amount_minor, request.currency)
        return _sent(
            request,
            lambda: self._intents.capture(
                request.provider_reference,
                {"amount_to_capture": amount, "expand": _EXPAND},
                {"idempotency_key": op_key},
            ),
        )

    def void(self, request: VoidRequest, *, op_key: str) -> ProviderPayment:
        params: PaymentIntentCancelParams = {
            "cancellation_reason": "abandoned" if request.expired else "requested_by_customer",
            "expand": _EXPAND,
        }
        return _sent(
            request,
            lambda: self._intents.cancel(
                request.provider_reference, params, {"idempotency_key": op_key}
            ),
        )

    def refund(self, request: RefundRequest, *, op_key: str) -> ProviderRefund:
        params: RefundCreateParams = {
            "payment_intent": request.provider_reference,
            "amount": to_stripe(request.amount_minor, request.currency),
            "reason": "fraudulent" if request.fraudulent else "requested_by_customer",
            "metadata": {
                objects.META_REFUND: request.refund_public_id,
                objects.META_OP_KEY: op_key,
            },
        }
        with _asking():
            return _read(
                objects.refund,
                _understood(lambda: self._refunds.create(params, {"idempotency_key": op_key})),
            )

    # --- questions --------------------------------------------------------------------------------

    def find_payment(self, reference: str) -> ProviderPayment:
        with _asking():
            return _payment(
                _understood(lambda: self._intents.retrieve(reference, {"expand": _EXPAND}))
            )

    def find_refund(self, reference: str) -> ProviderRefund:
        with _asking():
            return _read(objects.refund, _understood(lambda: self._refunds.retrieve(reference)))

    def find_refunds(self, payment_reference: str) -> Iterator[ProviderRefund]:
        with _asking():
            found = _understood(lambda: self._refunds_of(payment_reference))
        if len(found) > MAX_REFUNDS:
            raise OutcomeUnknown("too_many_refunds", payment_reference, alert=True)
        return iter([_read(objects.refund, refund) for refund in found])

    def _refunds_of(self, payment_reference: str) -> list[stripe.Refund]:
        page = self._refunds.list({"payment_intent": payment_reference, "limit": PAGE_SIZE})
        return list(islice(page.auto_paging_iter(), MAX_REFUNDS + 1))

    def statement_lines(
        self, *, since: datetime | None = None, payout: str = ""
    ) -> Iterator[StatementLine]:
        """Newest first. Of the lines of a payout the payout's own is one."""
        filters: dict[str, Any] = {"limit": PAGE_SIZE, "expand": ["data.source"]}
        if since is not None:
            filters["created"] = {"gte": int(since.timestamp())}
        if payout:
            filters["payout"] = payout
        with _asking():
            page = self._lines.list(filters)  # type: ignore[arg-type]
            for found in page.auto_paging_iter():
                yield _read(lambda line: objects.line(line, payout), found)

    def parse_event(
        self, raw_body: bytes, headers: Mapping[str, str], *, now: datetime
    ) -> ProviderEvent:
        return events.parse(raw_body, headers, secrets=self._webhook_secrets, now=now)


def _sent(request: Request, send: Callable[[], stripe.PaymentIntent]) -> ProviderPayment:
    """Make a call that changes something, and read its answer or its refusal.

    "Not in this state" is answered by the state: what we asked for may have been done before.
    """
    try:
        return _payment(_understood(send))
    except stripe.StripeError as error:
        payment = _payment_in(error)
        if payment is not None and errors.is_state_conflict(error):
            if judge(request, payment) is None:
                raise Declined("provider_rejected", payment=payment) from error
            return payment
        outcome = errors.translated(error)
        if isinstance(outcome, Declined):
            outcome.payment = payment
        raise outcome from error


@contextmanager
def _asking() -> Iterator[None]:
    """Turn the SDK's exceptions into ours."""
    try:
        yield
    except stripe.StripeError as error:
        raise errors.translated(error) from error


def _understood(ask: Callable[[], T]) -> T:
    """What was answered; an answer that cannot be read may belong to a call that succeeded."""
    try:
        return ask()
    except _UNREADABLE as error:
        raise OutcomeUnknown(
            "malformed_answer", f"{type(error).__name__}: {error}", alert=True
        ) from error


def _payment_in(error: stripe.StripeError) -> ProviderPayment | None:
    """The payment that Stripe sent along with its error, if it can be read."""
    found = errors.intent_of(error)
    try:
        return objects.payment(found) if found else None
    except _UNREADABLE:
        return None


def _payment(found: stripe.PaymentIntent) -> ProviderPayment:
    return _read(objects.payment, found)


def _read(reader: Callable[[dict[str, Any]], T], found: stripe.StripeObject) -> T:
    return _understood(lambda: reader(found.to_dict()))
