"""Taking the money: the wallet's part out of its hold, the rest from the card."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from apps.core.money import from_minor, to_minor
from apps.core.types import Actor
from apps.gateways.types import CaptureRequest, PaymentStatus, ProviderPayment
from apps.ledger import chart
from apps.payments import postings, records
from apps.payments.models import Payment
from apps.payments.sagas import asking
from apps.payments.sagas.refusals import (
    AuthorizationExpired,
    AuthorizationLost,
    TransferNotReceived,
    Voided,
)
from apps.payments.services import captures
from apps.payments.types import Status
from apps.sagas.definition import Context, Decision, Skip, Wait
from apps.wallets import services as wallets

# We void before the provider does, so that the end of an authorization is our own doing.
VOID_BEFORE_EXPIRY = timedelta(hours=1)
BANK_CHECK = timedelta(hours=6)
SYSTEM: Actor = "system"


def capture(context: Context) -> Decision:
    """Take the money: at once, or when the merchant orders it, or never (expiry voids it).

    The wallet pays first. If nothing is left for the card, its authorization is given up.
    """
    payment: Payment = context.subject
    if payment.is_by_bank_transfer:
        return _wait_for_transfer(context)
    if _is_taken(context):
        return Skip()
    if payment.is_by_debit:
        return _wait_for_bank(context)
    if payment.void_requested_at is not None:
        raise Voided
    if "capture" in context.results:
        raise AuthorizationLost
    ordered = payment.amount_ordered
    if ordered is None:
        return _wait_for_capture(context)
    if not payment.card_amount:
        return Skip()
    card_part = ordered - payment.wallet_part_of(ordered)
    if not card_part:
        return _give_up_the_card(context)
    return asking.ready(
        context,
        CaptureRequest(
            provider=payment.provider,
            payment_id=payment.id,
            provider_reference=payment.provider_reference,
            amount_minor=to_minor(payment.money(card_part)),
            currency=payment.currency,
        ),
    )


def _is_taken(context: Context) -> bool:
    """Whether the provider has said that it has taken the card's part."""
    told = {"capture", "inspect"} & set(context.results)
    return bool(told) and asking.last_told(context).status is PaymentStatus.CAPTURED


def _give_up_the_card(context: Context) -> Decision:
    if "void" in context.results:
        return Skip()
    payment: Payment = context.subject
    return asking.ready(context, asking.void_request(context, payment.provider_reference))


def _wait_for_capture(context: Context) -> Decision:
    """Until the merchant decides. A nudge without an order means that the provider has news."""
    payment: Payment = context.subject
    if context.answered == "inspect":
        if asking.last_told(context).status is not PaymentStatus.AUTHORIZED:
            raise AuthorizationLost
    elif context.waited_for and payment.card_amount and not _is_expired(payment, context.now):
        return asking.inspect(context)
    if _is_expired(payment, context.now):
        raise AuthorizationExpired
    return Wait(_expiry(payment), "capture")


def _wait_for_bank(context: Context) -> Decision:
    """Until the bank has paid; that it has not, days later, is heard as the refusal of a question.

    News of the provider's makes us ask; without any we ask by ourselves.
    """
    if context.answered == "inspect":
        if asking.last_told(context).status is not PaymentStatus.WITH_BANK:
            raise AuthorizationLost
    elif context.waited_for:
        return asking.inspect(context)
    return Wait(context.now + BANK_CHECK, "bank_debit")


def _wait_for_transfer(context: Context) -> Decision:
    """Until the money has come and is booked, or its time is over: then nothing is taken any more.

    The end is written before the run turns round, under the payment's version: money that comes at
    this moment is either booked, and the run goes on, or finds a payment that has failed.
    """
    payment: Payment = context.subject
    assert payment.expected_by is not None
    if payment.is_captured:
        return Skip()
    if payment.status == Status.FAILED:
        raise TransferNotReceived
    if payment.expected_by > context.now:
        return Wait(payment.expected_by, "bank_transfer")
    payment.mark_failed()
    payment.next_action = None
    payment.failure_code = TransferNotReceived.code
    payment.failure_message = TransferNotReceived.says
    records.save_payment(payment, event="payment.failed", actor=SYSTEM, now=context.now)
    return Wait(context.now, "transfer_expired")


def captured(context: Context) -> None:
    """The point of no return: the money is with us or the provider, and in our books."""
    payment: Payment = context.subject
    if payment.is_by_bank_transfer:  # whoever saw the money come has booked it
        return
    told = asking.last_told(context) if _is_taken(context) else None
    ordered = payment.amount_ordered
    wallet_part = payment.wallet_part_of(ordered) if ordered is not None else Decimal(0)
    take(payment, told, wallet_part=wallet_part, now=context.now)


def take(
    payment: Payment, told: ProviderPayment | None, *, wallet_part: Decimal, now: datetime
) -> None:
    """Book what the provider has taken, and take the wallet's part out of its hold."""
    card_part = Decimal(0)
    if told is not None:
        payment.charge_reference = told.capture_reference
        card_part = from_minor(told.amount_captured_minor, payment.currency).amount
    captures.note(payment, wallet_part=wallet_part, rest=card_part, actor=SYSTEM, now=now)
    if told is not None:
        postings.card_captured(payment, occurred_at=now)
    if wallet_part and payment.wallet_id is not None and payment.hold_id is not None:
        wallets.capture_hold(
            book_id=payment.book_id,
            wallet_id=payment.wallet_id,
            hold_id=payment.hold_id,
            held=payment.money(payment.wallet_amount),
            amount=payment.money(wallet_part),
            into=chart.PAYMENT_UNALLOCATED,
            reference=postings.wallet_capture_reference(payment),
            actor=SYSTEM,
            now=now,
        )
    else:
        release(payment, now)


def release(payment: Payment, now: datetime) -> None:
    """Let go of the wallet's hold, if there is one."""
    if payment.wallet_id is not None and payment.hold_id is not None:
        wallets.release_hold(
            book_id=payment.book_id,
            wallet_id=payment.wallet_id,
            hold_id=payment.hold_id,
            held=payment.money(payment.wallet_amount),
            actor=SYSTEM,
            now=now,
        )


def _expiry(payment: Payment) -> datetime:
    assert payment.capture_before is not None
    return payment.capture_before - VOID_BEFORE_EXPIRY


def _is_expired(payment: Payment, now: datetime) -> bool:
    return payment.capture_before is not None and _expiry(payment) <= now
