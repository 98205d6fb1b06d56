"""Giving money back: the refund saga, its late failure, and the undo of a capture.

A refund is reserved when it is asked for (`services.create_refund`): the payment's money-out budget
and the merchant's money, in one commit. Here it is sent, confirmed, or given back to the merchant.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from apps.core import ids
from apps.core.errors import CardError
from apps.core.money import prorate, to_minor
from apps.core.types import Actor
from apps.gateways import services as gateways
from apps.gateways.types import (
    InspectRefundRequest,
    ProviderRefund,
    RefundRequest,
    RefundStatus,
)
from apps.idempotency import services as idempotency
from apps.payments import balance, fees, postings, records, selectors
from apps.payments.models import Payment, Refund
from apps.payments.sagas import asking
from apps.payments.services import compensations, taking
from apps.payments.types import RefundStatus as Status
from apps.sagas.definition import (
    Abort,
    Context,
    Decision,
    Observation,
    Outcome,
    Remote,
    Saga,
    Skip,
    Wait,
    nothing,
)
from apps.wallets import services as wallets

# A refund the provider took on may still be pending for days; a webhook tells sooner.
PENDING_CHECK = timedelta(hours=6)
PERSON_AFTER = timedelta(hours=24)
SYSTEM: Actor = "system"


class RefundFailed(CardError):
    """The provider could not give the money back."""

    code = "refund_failed"
    says = "The provider could not give the money back."


# --- the refund saga: send it, wait for its end ---------------------------------------------------


def send(context: Context) -> Decision:
    """Send the refund; two refunds of one payment go one after the other.

    The promise is guarded by the payment's version: a dispute cancels what is not promised yet.

    :raises WalletClosed: the wallet that was to take a part of it is closed by now.
    :raises RefundFailed: the provider has refused it, or a dispute has canceled it.
    """
    refund: Refund = context.subject
    if refund.status == Status.FAILED:  # a dispute has canceled it
        raise RefundFailed(decline_code=refund.failure_code)
    if refund.to_wallet_id is not None and "refund" not in context.results:
        wallets.require_open_now(book_id=refund.book_id, wallet_id=refund.to_wallet_id)
    if not refund.card_amount:
        return Skip()
    if "refund" not in context.results:
        records.require_unchanged(refund.payment)
        return asking.promise(context, _request(refund.payment, refund))
    told = _last_told(context)
    if told.status is RefundStatus.SUCCEEDED:
        return Skip()
    if told.status is RefundStatus.FAILED:
        raise RefundFailed(decline_code=told.provider_code or None)
    if context.answered:
        return _wait_for_the_bank(context, refund, told)
    return asking.promise(context, _inspect(refund.payment, told.provider_reference))


def sent(context: Context) -> None:
    refund: Refund = context.subject
    idempotency.let_expire(resource_id=refund.id, now=context.now)
    _confirm(refund.payment, refund, _told_of(context, refund), context.now)


def failed(context: Context, abort: Abort) -> None:
    """The money goes back where it came from, and the budget is free again."""
    refund: Refund = context.subject
    idempotency.let_expire(resource_id=refund.id, now=context.now)
    if refund.status == Status.FAILED:
        return
    fail(refund.payment, refund, abort.decline_code or abort.code, context.now)


# --- news of a refund that had ended: it may fail days later --------------------------------------


def check(context: Context) -> Decision:
    refund: Refund = context.subject
    if "inspect_refund" in context.results:
        return Skip()
    return asking.promise(context, _inspect(refund.payment, refund.provider_reference))


def checked(context: Context) -> None:
    refund: Refund = context.subject
    told = _last_told(context)
    if told.status is RefundStatus.FAILED and refund.status == Status.SUCCEEDED:
        if refund.is_compensation:  # nobody here may keep the money: a person finds another way
            raise RuntimeError("the refund of an undone payment has failed at the bank")
        fail(refund.payment, refund, told.provider_code or "refund_failed", context.now)


# --- the undo of a capture: from unallocated, never from the merchant -----------------------------


def give_back(context: Context) -> Decision:
    """Return everything that was captured; the promise and the intent are one commit."""
    payment: Payment = context.subject
    if not payment.is_captured:
        return Skip()
    refund = selectors.find_compensation(payment)
    if refund is None and payment.is_by_bank_transfer:  # nobody to ask
        raise RuntimeError("what came by bank transfer is given back by a person")
    if refund is None:
        refund = compensations.promise(payment, now=context.now)
    if refund.status == Status.SUCCEEDED or not refund.card_amount:
        return Skip()
    if "refund" not in context.results:
        return asking.promise(context, _request(payment, refund))
    if context.results["refund"].outcome is Outcome.FAILED:
        return _ask_again(context, refund)
    told = _last_told(context)
    if told.status is RefundStatus.FAILED:
        return _ask_again(context, refund)
    if told.status is RefundStatus.SUCCEEDED:
        return Skip()
    if context.answered:
        return _wait_for_the_bank(context, refund, told)
    return asking.promise(context, _inspect(payment, told.provider_reference))


def given_back(context: Context) -> None:
    payment: Payment = context.subject
    refund = selectors.find_compensation(payment)
    if refund is not None and refund.status == Status.PENDING:
        _confirm(payment, refund, _told_of(context, refund), context.now)


def _ask_again(context: Context, refund: Refund) -> Decision:
    """The provider refuses: the money stays promised, parked and balanced in refund:payable.

    After a day of asking a person must find another way, and sees the run that needs one.
    """
    if context.answered:
        return Wait(context.now + PENDING_CHECK, "refund_refused")
    if context.now - refund.created_at > PERSON_AFTER:
        raise RuntimeError("the provider refuses to give a captured payment back")
    return asking.promise(context, _request(context.subject, refund))


# --- what every way has in common -----------------------------------------------------------------


def _wait_for_the_bank(context: Context, refund: Refund, told: ProviderRefund) -> Wait:
    """The provider took it on. From now on news of it finds the refund by the provider's id."""
    if refund.provider_reference != told.provider_reference:
        refund.provider_reference = told.provider_reference
        records.save_refund(refund, event="refund.pending", actor=SYSTEM, now=context.now)
    return Wait(context.now + PENDING_CHECK, "refund_pending")


def _confirm(payment: Payment, refund: Refund, told: ProviderRefund | None, now: datetime) -> None:
    """The card has its part, so the wallet's stands as well: if it is closed, as the merchant's."""
    refund.mark_succeeded()
    is_to_merchant = refund.to_wallet_id is not None and not wallets.is_open_now(
        book_id=refund.book_id, wallet_id=refund.to_wallet_id
    )
    if is_to_merchant:
        worth = fees.credited_for(payment, refund.money(refund.wallet_amount))
        refund.merchant_amount = worth.credited.amount
    if told is not None:
        refund.provider_reference = told.provider_reference
    refund.succeeded_at = now
    payment.amount_refunded += refund.amount
    records.save_refund(refund, event="refund.succeeded", actor=SYSTEM, now=now)
    records.save_headline(payment, event="payment.refunded", actor=SYSTEM, now=now)
    postings.refund_confirmed(refund, occurred_at=now)
    if is_to_merchant:
        _give_to_merchant(refund, now)


def fail(payment: Payment, refund: Refund, code: str, now: datetime) -> Decimal:
    """All of it did not stand, or, once it was confirmed, the card's part: see `Refund`.

    What comes back of a top-up whose wallet is closed is the merchant's. The budget that is free
    again bears what disputes took beyond it meanwhile; what is left then of what came back, in the
    payment's `credit_currency`, is the answer.
    """
    was_confirmed = refund.status == Status.SUCCEEDED
    refund.mark_failed()
    refund.failure_code, refund.failed_at = code[:60], now
    refund.failed_amount = refund.card_amount if was_confirmed else refund.amount
    part, whole = refund.money(refund.failed_amount), refund.money(refund.amount)
    refund.failed_bearer_amount = prorate(payment.credit(refund.bearer_amount), part, whole).amount
    refund.failed_fee = prorate(payment.credit(refund.fee_returned), part, whole).amount
    payment.refund_reserved -= refund.failed_amount
    payment.card_refund_reserved -= refund.card_amount
    payment.credit_returned -= refund.failed_bearer_amount
    payment.fee_returned -= refund.failed_fee
    if was_confirmed:
        payment.amount_refunded -= refund.failed_amount
    is_to_merchant = (
        payment.destination_wallet_id is not None and taking.wallet_that_takes(payment) is None
    )
    if is_to_merchant:
        refund.merchant_amount = refund.failed_bearer_amount
    claims = taking.claim(payment, gained=refund.failed_bearer_amount, now=now)
    records.save_refund(refund, event="refund.failed", actor=SYSTEM, now=now)
    records.save_headline(payment, event="payment.refund_failed", actor=SYSTEM, now=now)
    postings.refund_failed(refund, was_confirmed=was_confirmed, occurred_at=now)
    balance.refund_failed(refund, now=now)
    if is_to_merchant:
        _give_to_merchant(refund, now)
    taking.book_claims(claims, now=now)
    return refund.failed_bearer_amount - sum((move.bearer_amount for move in claims), Decimal(0))


def _give_to_merchant(refund: Refund, now: datetime) -> None:
    postings.refund_to_merchant(refund, occurred_at=now)
    balance.refund_to_merchant(refund, now=now)


def _request(payment: Payment, refund: Refund) -> RefundRequest:
    return RefundRequest(
        provider=payment.provider,
        payment_id=payment.id,
        provider_reference=payment.provider_reference,
        amount_minor=to_minor(refund.money(refund.card_amount)),
        currency=refund.currency,
        refund_public_id=ids.encode("re", refund.id),
    )


def _inspect(payment: Payment, provider_reference: str) -> InspectRefundRequest:
    return InspectRefundRequest(
        provider=payment.provider, payment_id=payment.id, provider_reference=provider_reference
    )


def _told_of(context: Context, refund: Refund) -> ProviderRefund | None:
    """What the provider said of it; of one that goes to a wallet alone nothing."""
    return _last_told(context) if refund.card_amount else None


def _last_told(context: Context) -> ProviderRefund:
    """What the provider said last about the refund that was sent last."""
    sent, seen = (context.results.get(name) for name in ("refund", "inspect_refund"))
    if seen is not None and seen.result and (sent is None or _is_about(seen, sent)):
        return ProviderRefund.from_json(seen.result)
    if sent is not None and sent.result:
        return ProviderRefund.from_json(sent.result)
    raise RuntimeError("the provider has told nothing yet")


def _is_about(seen: Observation, sent: Observation) -> bool:
    return seen.provider_reference == sent.provider_reference


def _load(book_id: UUID, refund_id: UUID) -> Refund:
    return selectors.get_refund(book_id, refund_id)


GIVE_BACK = Remote(
    give_back,
    calls=(gateways.REFUND, gateways.INSPECT_REFUND),
    then=given_back,
    undo=nothing,
)

REFUND = Saga(
    "refund",
    steps=(
        Remote(send, calls=(gateways.REFUND, gateways.INSPECT_REFUND), then=sent, undo=nothing),
    ),
    journal=gateways.journal,
    load=_load,
    on_abort=failed,
)

REFUND_CHECK = Saga(
    "refund_check",
    steps=(Remote(check, calls=(gateways.INSPECT_REFUND,), then=checked, undo=nothing),),
    journal=gateways.journal,
    load=_load,
    on_abort=lambda _context, _abort: None,
)
