"""Getting the card's part authorized, and giving the authorization up again."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings

from apps.core import ids
from apps.core.errors import CardError
from apps.core.money import to_minor
from apps.core.types import Actor
from apps.gateways.types import (
    ConfirmRequest,
    CreateRequest,
    PaymentStatus,
    ProviderPayment,
    StrongAuthentication,
    decline,
)
from apps.idempotency import services as idempotency
from apps.payments import answers, fees, records
from apps.payments.models import Payment
from apps.payments.sagas import asking, capturing, refund, rerouting
from apps.payments.sagas.refusals import ActionTimedOut, ProviderUnavailable, Voided
from apps.payments.services import bank_transfers
from apps.payments.types import Status
from apps.sagas.definition import Context, Decision, Outcome, Skip, Wait
from apps.wallets import services as wallets

# What card networks grant a merchant, where the provider does not say.
AUTHORIZATION_LASTS = timedelta(days=7)
ACTION_TIMEOUT = timedelta(hours=1)
# A debit is agreed when the bank has the order; one looked up late may have been paid by then.
_AGREED = (PaymentStatus.AUTHORIZED,)
_AGREED_BY_DEBIT = (PaymentStatus.WITH_BANK, PaymentStatus.CAPTURED)
DEBIT_LASTS = timedelta(days=7)
SYSTEM: Actor = "system"


def authorize(context: Context) -> Decision:
    """Make the provider's object, which moves no money; then confirm it by its id."""
    payment: Payment = context.subject
    if payment.void_requested_at is not None:
        raise Voided
    if not payment.card_amount or payment.is_by_bank_transfer:  # the wallet's hold stands
        return Skip()
    if "create" not in context.results:
        return _create(context)
    if rerouting.is_leaving(context):
        return rerouting.leave(context) or _create(context)
    if "confirm" not in context.results:
        return _confirm(context)
    told = asking.last_told(context)
    if told.status in (_AGREED_BY_DEBIT if payment.is_by_debit else _AGREED):
        return Skip()
    if not context.answered:  # a nudge, the time is up, or a worker stopped: ask what is true
        return asking.inspect(context, context.results["create"].provider_reference)
    if told.status in (PaymentStatus.REQUIRES_ACTION, PaymentStatus.PROCESSING):
        return _wait_for_customer(context, told)
    declined = decline(told.decline_code)
    raise CardError(declined.message, decline_code=declined.code)


def authorized(context: Context) -> None:
    """The money is held for us: no posting, since nothing has moved."""
    payment: Payment = context.subject
    _agree(payment, context.now)
    payment.capture_before = context.now + AUTHORIZATION_LASTS
    if payment.is_by_bank_transfer:
        bank_transfers.issue(payment, now=context.now)
    elif payment.card_amount:
        _learn(payment, asking.last_told(context))
    if payment.is_by_debit:
        payment.capture_before, payment.expected_by = None, context.now + DEBIT_LASTS
    records.save_payment(payment, event="payment.authorized", actor=SYSTEM, now=context.now)
    if not payment.is_done_at_once:
        # Whoever asked is answered with these bytes, also when somebody else answers.
        store_answer(payment)


def _agree(payment: Payment, now: datetime) -> None:
    """The payer has agreed, also where they were asked to act; whoever calls saves the payment."""
    if payment.status == Status.REQUIRES_ACTION:
        payment.mark_action_completed()
        payment.next_action = None
        records.save_payment(payment, event="payment.action_completed", actor=SYSTEM, now=now)
    payment.mark_authorized()
    payment.amount_authorized = payment.amount
    payment.authorized_at = now


def _learn(payment: Payment, told: ProviderPayment) -> None:
    """What the provider told of its object and of the card, which may have a fee of its own."""
    payment.provider_reference = told.provider_reference
    if told.capture_before:
        payment.capture_before = datetime.fromisoformat(told.capture_before)
    if told.card is not None:
        payment.card = _card(told)
        _describe_method(payment, told)
        fees.agree(
            payment,
            country=told.card.country,
            funding=told.card.funding,
            now=payment.created_at,
        )


def store_answer(payment: Payment) -> None:
    """The payment as it stands now is the answer, for whoever asked and asks again."""
    idempotency.store_answer(resource_id=payment.id, status=201, content=answers.known(payment))


def _create(context: Context) -> Decision:
    """:raises ProviderUnavailable: nobody could be reached for too long, so nobody is asked."""
    payment: Payment = context.subject
    if rerouting.is_given_up(context):
        raise ProviderUnavailable
    decision = asking.ready(
        context,
        CreateRequest(
            provider=payment.provider,
            payment_id=payment.id,
            amount_minor=to_minor(payment.money(payment.card_amount)),
            currency=payment.currency,
            token=payment.provider_token,
            payment_public_id=ids.encode("pay", payment.id),
            is_debit=payment.is_by_debit,
        ),
    )
    gives_up_at = rerouting.gives_up_at(payment)
    if isinstance(decision, Wait) and context.now < gives_up_at < decision.until:
        return Wait(gives_up_at, decision.reason)
    return decision


def _confirm(context: Context) -> Decision:
    payment: Payment = context.subject
    sca = StrongAuthentication.REQUIRED if payment.sca else StrongAuthentication.OPTIONAL
    return asking.ready(
        context,
        ConfirmRequest(
            provider=payment.provider,
            payment_id=payment.id,
            provider_reference=context.results["create"].provider_reference,
            token=payment.provider_token,
            sca=sca,
            return_url=payment.return_url or f"{settings.PAYSYS_PUBLIC_URL}/return",
            mandate_at=payment.created_at.isoformat() if payment.is_by_debit else "",
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
    """Cancel the provider's object, if there is one; its status changes once that is known.

    A void that finds the money taken, behind our back, books what was taken and gives it back;
    what was taken was authorized before, whether we had heard of it or not.
    """
    payment: Payment = context.subject
    created = context.run.results.get("AUTHORIZE", {}).get("create", {})
    reference = created.get("provider_reference")
    if payment.is_captured:
        return refund.give_back(context)
    if not reference:
        return Skip()
    tried = context.results.get("void")
    if tried is None:
        return asking.ready(context, asking.void_request(context, reference))
    if tried.outcome is Outcome.SUCCEEDED:
        return Skip()
    if context.answered != "inspect":
        return asking.inspect(context, reference)
    told = asking.last_told(context)
    if told.status in (PaymentStatus.VOIDED, PaymentStatus.FAILED):
        return Skip()
    if told.status is not PaymentStatus.CAPTURED:
        raise RuntimeError(f"the provider will not void: it says {told.status}")
    if payment.status != Status.AUTHORIZED:
        _agree(payment, context.now)
        payment.provider_reference = reference
        records.save_payment(payment, event="payment.authorized", actor=SYSTEM, now=context.now)
    capturing.take(payment, told, wallet_part=Decimal(0), now=context.now)
    return refund.give_back(context)
