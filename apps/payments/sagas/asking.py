"""How a step of the charge asks the provider, and what it was told last."""

from __future__ import annotations

from datetime import datetime, timedelta

from apps.gateways import selectors as gateways
from apps.gateways.types import (
    WHOLE,
    ConfirmRequest,
    CreateRequest,
    InspectRequest,
    InspectVoidRequest,
    ProviderPayment,
    Request,
    VoidRequest,
    drawn,
    freeze,
)
from apps.payments import records, selectors
from apps.payments.models import Payment
from apps.payments.sagas.refusals import AuthorizationExpired
from apps.sagas.definition import Context, Decision, Ready, Wait

SLOT_TAKEN = timedelta(seconds=1)
SPREAD = timedelta(seconds=10)
# An order of the merchant that comes while these are under way is found by the commit after them.
MOVES_NOTHING = (CreateRequest, ConfirmRequest, InspectRequest, InspectVoidRequest)


def ready(context: Context, request: Request) -> Decision:
    """Promise a call, unless the payment's one slot for an open call is taken: then wait for it."""
    payment: Payment = context.subject
    if context.waited_for and selectors.has_open_call(payment):
        return Wait(context.now + SLOT_TAKEN, "another_call")
    waiting = until_it_is_well(request, context.now)
    if waiting is not None:
        return waiting
    if not isinstance(request, MOVES_NOTHING):
        records.require_unchanged(payment)
    return Ready(str(request.operation), freeze(request))


def promise(context: Context, request: Request, *, call: str = "") -> Decision:
    """As `ready`, for a refund or a dispute of a payment that is charged: another may be at it.
    `call` is its name where a step makes several of one operation.

    After an answer the slot was our own, and is let go in this very commit.
    """
    if not context.answered and gateways.find_open_call(
        book_id=context.run.book_id, payment_id=request.payment_id
    ):
        return Wait(context.now + SLOT_TAKEN, "another_call")
    name = call or str(request.operation)
    return until_it_is_well(request, context.now) or Ready(name, freeze(request))


def until_it_is_well(request: Request, now: datetime) -> Wait | None:
    """How long a call is not worth making, since the provider's circuit for it is open.

    The payment stays where it is: it waits. Those that wait for the same come back one by one.
    """
    opens_at = gateways.opens_at(provider=request.provider, operation=request.operation, now=now)
    if opens_at is None:
        return None
    spread = SPREAD * drawn(request.payment_id, request.payment_id) / WHOLE
    return Wait(opens_at + spread, "provider_unavailable")


def inspect(context: Context, reference: str = "") -> Decision:
    payment: Payment = context.subject
    reference = reference or payment.provider_reference
    return ready(
        context,
        InspectRequest(
            provider=payment.provider, payment_id=payment.id, provider_reference=reference
        ),
    )


def last_told(context: Context) -> ProviderPayment:
    """What the provider said last about its object, in this step."""
    for name in ("capture", "inspect", "confirm"):
        if name in context.results and context.results[name].result:
            return ProviderPayment.from_json(context.results[name].result)
    raise RuntimeError("the provider has told nothing yet")


def void_request(context: Context, reference: str) -> VoidRequest:
    """Give the authorization up; the provider is told if nobody captured it in time."""
    payment: Payment = context.subject
    expired = (context.run.abort or {}).get("code") == AuthorizationExpired.code
    return VoidRequest(
        provider=payment.provider,
        payment_id=payment.id,
        provider_reference=reference,
        expired=expired,
    )
