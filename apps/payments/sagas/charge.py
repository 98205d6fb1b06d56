"""Charging a customer: reserve, screen, authorize, capture, credit the merchant, confirm.

Read from the table at the end: the table is the flow. A step's decisions are made from the payment
as read and from what the provider told; every write of the payment, and every promise of a call
that moves money, repeats its version, so a decision made on a stale read is never stored.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from apps.core import ids
from apps.core.errors import CardError
from apps.core.money import from_minor, to_minor
from apps.core.types import Actor
from apps.gateways import services as gateways
from apps.gateways.types import (
    CaptureRequest,
    ConfirmRequest,
    CreateRequest,
    PaymentStatus,
    ProviderPayment,
    StrongAuthentication,
    VoidRequest,
)
from apps.idempotency import services as idempotency
from apps.payments import answers, fees, postings, records, selectors
from apps.payments.models import Payment
from apps.payments.sagas import asking, refund
from apps.payments.sagas.refusals import (
    ActionTimedOut,
    AuthorizationExpired,
    AuthorizationLost,
    Rejected,
    Voided,
)
from apps.payments.types import CaptureMethod, Status
from apps.risk import services as risk
from apps.risk.types import Decision as RiskDecision
from apps.sagas.definition import (
    Abort,
    Context,
    Decision,
    Local,
    Outcome,
    Remote,
    Saga,
    Skip,
    Wait,
    nothing,
)
from apps.wallets import services as wallets

# What card networks grant a merchant, where the provider does not say.
AUTHORIZATION_LASTS = timedelta(days=7)
ACTION_TIMEOUT = timedelta(hours=1)
# We void before the provider does, so that the end of an authorization is our own doing.
VOID_BEFORE_EXPIRY = timedelta(hours=1)
SYSTEM: Actor = "system"


# --- reserve, fraud check -------------------------------------------------------------------------


def reserve(_context: Context) -> None:
    """Hold the wallet's part; a card payment has none."""


def fraud_check(context: Context) -> None:
    """Screen the payment.

    :raises Rejected: it is blocked.
    """
    payment: Payment = context.subject
    assessment = risk.screen(
        book_id=payment.book_id,
        payment_id=payment.id,
        amount=payment.money(payment.amount),
        now=context.now,
    )
    if assessment.decision is RiskDecision.BLOCK:
        raise Rejected


# --- authorize ------------------------------------------------------------------------------------


def authorize(context: Context) -> Decision:
    """Make the provider's object, which moves no money; then confirm it by its id."""
    payment: Payment = context.subject
    if payment.void_requested_at is not None:
        raise Voided
    if "create" not in context.results:
        return _create(context)
    if "confirm" not in context.results:
        return _confirm(context)
    told = asking.last_told(context)
    if told.status is PaymentStatus.AUTHORIZED:
        return Skip()
    if not context.answered:  # a nudge, or the time is up: ask what is true
        return asking.inspect(context)
    if told.status in (PaymentStatus.REQUIRES_ACTION, PaymentStatus.PROCESSING):
        return _wait_for_customer(context, told)
    raise CardError(decline_code=told.decline_code or "card_declined")


def authorized(context: Context) -> None:
    """The provider holds the money for us: no posting, since nothing has moved."""
    payment: Payment = context.subject
    told = asking.last_told(context)
    if payment.status == Status.REQUIRES_ACTION:
        payment.mark_action_completed()
        payment.next_action = None
        records.save_payment(
            payment, event="payment.action_completed", actor=SYSTEM, now=context.now
        )
    payment.mark_authorized()
    payment.provider_reference = told.provider_reference
    payment.amount_authorized = payment.amount
    payment.authorized_at = context.now
    payment.capture_before = context.now + AUTHORIZATION_LASTS
    if told.capture_before:
        payment.capture_before = datetime.fromisoformat(told.capture_before)
    if told.card is not None:
        payment.card = _card(told)
        _describe_method(payment, told)
    records.save_payment(payment, event="payment.authorized", actor=SYSTEM, now=context.now)
    # Whoever asked is answered with these bytes, also when somebody else answers.
    idempotency.store_answer(resource_id=payment.id, status=201, content=answers.known(payment))


def _create(context: Context) -> Decision:
    payment: Payment = context.subject
    return asking.ready(
        context,
        CreateRequest(
            provider=payment.provider,
            payment_id=payment.id,
            amount_minor=to_minor(payment.money(payment.amount)),
            currency=payment.currency,
            token=payment.provider_token,
            payment_public_id=ids.encode("pay", payment.id),
        ),
    )


def _confirm(context: Context) -> Decision:
    payment: Payment = context.subject
    sca = StrongAuthentication.REQUIRED if payment.sca else StrongAuthentication.OPTIONAL
    return asking.ready(
        context,
        ConfirmRequest(
            provider=payment.provider,
            payment_id=payment.id,
            provider_reference=context.results["create"].provider_reference,
            sca=sca,
            return_url=payment.return_url or f"{settings.PAYSYS_PUBLIC_URL}/return",
        ),
    )


def _wait_for_customer(context: Context, told: ProviderPayment) -> Decision:
    payment: Payment = context.subject
    if payment.status == Status.VALIDATED:
        payment.mark_requires_action()
        payment.provider_reference = told.provider_reference
        payment.next_action = {"type": "redirect_to_url", "url": told.next_action_url}
        payment.action_expires_at = context.now + ACTION_TIMEOUT
        records.save_payment(
            payment, event="payment.requires_action", actor=SYSTEM, now=context.now
        )
    assert payment.action_expires_at is not None
    if payment.action_expires_at <= context.now:
        raise ActionTimedOut
    return Wait(payment.action_expires_at, "customer_action")


def _card(told: ProviderPayment) -> dict[str, object]:
    assert told.card is not None
    card = told.card
    return {
        "brand": card.brand,
        "last4": card.last4,
        "exp_month": card.exp_month,
        "exp_year": card.exp_year,
        "funding": card.funding,
        "country": card.country,
    }


def _describe_method(payment: Payment, told: ProviderPayment) -> None:
    """A saved method learns what it is from its first payment."""
    if payment.payment_method_id is None or told.card is None:
        return
    wallets.describe_payment_method(
        book_id=payment.book_id,
        payment_method_id=payment.payment_method_id,
        brand=told.card.brand,
        last4=told.card.last4,
        exp_month=told.card.exp_month,
        exp_year=told.card.exp_year,
        funding=told.card.funding,
        country=told.card.country,
        fingerprint=told.card.fingerprint,
    )


# --- its undo: void -------------------------------------------------------------------------------


def void(context: Context) -> Decision:
    """Cancel the provider's object, if there is one; its status changes once that is known."""
    payment: Payment = context.subject
    created = context.run.results.get("AUTHORIZE", {}).get("create", {})
    reference = created.get("provider_reference")
    if not reference or payment.is_captured:  # what was captured has been given back instead
        return Skip()
    tried = context.results.get("void")
    if tried is None:
        expired = (context.run.abort or {}).get("code") == AuthorizationExpired.code
        return asking.ready(
            context,
            VoidRequest(
                provider=payment.provider,
                payment_id=payment.id,
                provider_reference=reference,
                expired=expired,
            ),
        )
    if tried.outcome is Outcome.SUCCEEDED:
        return Skip()
    if context.answered != "inspect":
        return asking.inspect(context, reference)
    told = asking.last_told(context)
    if told.status in (PaymentStatus.VOIDED, PaymentStatus.FAILED):
        return Skip()
    # Somebody captured behind our back: a person must look, and the run stays until one has.
    raise RuntimeError(f"the provider will not void: it says {told.status}")


# --- capture --------------------------------------------------------------------------------------


def capture(context: Context) -> Decision:
    """Take the money: at once, or when the merchant orders it, or never (expiry voids it)."""
    payment: Payment = context.subject
    if context.results and asking.last_told(context).status is PaymentStatus.CAPTURED:
        return Skip()
    if payment.void_requested_at is not None:
        raise Voided
    if "capture" in context.results:
        raise AuthorizationLost
    ordered = payment.capture_requested_amount
    if payment.capture_method == CaptureMethod.AUTOMATIC:
        ordered = payment.amount_authorized
    if ordered is not None:
        return asking.ready(
            context,
            CaptureRequest(
                provider=payment.provider,
                payment_id=payment.id,
                provider_reference=payment.provider_reference,
                amount_minor=to_minor(payment.money(ordered)),
                currency=payment.currency,
            ),
        )
    return _wait_for_capture(context)


def _wait_for_capture(context: Context) -> Decision:
    """Until the merchant decides. A nudge without an order means that the provider has news."""
    payment: Payment = context.subject
    if context.answered == "inspect":
        if asking.last_told(context).status is not PaymentStatus.AUTHORIZED:
            raise AuthorizationLost
    elif context.waited_for and not _is_expired(payment, context.now):
        return asking.inspect(context)
    if _is_expired(payment, context.now):
        raise AuthorizationExpired
    return Wait(_expiry(payment), "capture")


def captured(context: Context) -> None:
    """The point of no return: the money is with the provider, and in our books."""
    payment: Payment = context.subject
    told = asking.last_told(context)
    payment.mark_captured()
    payment.charge_reference = told.capture_reference
    payment.amount_captured = from_minor(told.amount_captured_minor, payment.currency).amount
    payment.captured_at = context.now
    fees.charge(payment)
    records.save_payment(payment, event="payment.captured", actor=SYSTEM, now=context.now)
    postings.captured(payment, occurred_at=context.now)


# --- credit and confirm ---------------------------------------------------------------------------


def credit_merchant(context: Context) -> None:
    """Hand the money over to the merchant, less the fee. Refuses nothing: see `captured`."""
    postings.credited(context.subject, occurred_at=context.now)


def debit_merchant(context: Context) -> None:
    """Take the credit back; reached by a person's compensation or a planted failure alone."""
    postings.credit_undone(context.subject, occurred_at=context.now)


def confirm(context: Context) -> None:
    """Tell everybody: the payment is whole, its money is where it belongs."""
    payment: Payment = context.subject
    idempotency.let_expire(resource_id=payment.id, now=context.now)
    records.save_payment(payment, event="payment.succeeded", actor=SYSTEM, now=context.now)


def close(context: Context, abort: Abort) -> None:
    """Everything is undone: say how the payment ended."""
    payment: Payment = context.subject
    idempotency.let_expire(resource_id=payment.id, now=context.now)
    if payment.is_captured:  # the compensation's refund has made the headline already
        return
    payment.next_action = None
    if abort.code in (Voided.code, AuthorizationExpired.code, AuthorizationLost.code):
        payment.mark_voided()
        event = "payment.voided"
    elif abort.code == Rejected.code:
        payment.mark_rejected()
        event = "payment.rejected"
    else:
        payment.mark_failed()
        event = "payment.failed"
    code = abort.decline_code or abort.code
    payment.failure_code = "" if abort.code == Voided.code else code[:60]
    payment.failure_message = abort.message[:300] if payment.failure_code else ""
    records.save_payment(payment, event=event, actor=SYSTEM, now=context.now)


# --- small things ---------------------------------------------------------------------------------


def _expiry(payment: Payment) -> datetime:
    assert payment.capture_before is not None
    return payment.capture_before - VOID_BEFORE_EXPIRY


def _is_expired(payment: Payment, now: datetime) -> bool:
    return payment.capture_before is not None and _expiry(payment) <= now


CHARGE = Saga(
    "charge",
    steps=(
        Local(reserve, undo=nothing),
        Local(fraud_check, undo=nothing),
        Remote(
            authorize,
            calls=(gateways.CREATE, gateways.CONFIRM, gateways.INSPECT),
            then=authorized,
            undo=Remote(void, calls=(gateways.VOID, gateways.INSPECT), then=nothing, undo=nothing),
        ),
        Remote(
            capture,
            calls=(gateways.CAPTURE, gateways.INSPECT),
            then=captured,
            undo=refund.GIVE_BACK,
        ),
        Local(credit_merchant, undo=debit_merchant),
        Local(confirm, undo=nothing),
    ),
    journal=gateways.journal,
    load=selectors.get,
    on_abort=close,
    answer_after=frozenset({"AUTHORIZE"}),
)
