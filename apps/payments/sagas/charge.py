"""Charging a customer: reserve, screen, authorize, capture, credit the merchant, confirm.

Read from the table at the end: the table is the flow. A step's decisions are made from the payment
as read and from what the provider told; every write of the payment, and every promise of a call
that moves money, repeats its version, so a decision made on a stale read is never stored.
"""

from __future__ import annotations

from apps.core.types import Actor
from apps.gateways import services as gateways
from apps.idempotency import services as idempotency
from apps.payments import balance, postings, records, selectors
from apps.payments.models import Payment
from apps.payments.sagas import authorization, capturing, refund, rerouting
from apps.payments.sagas.refusals import (
    AuthorizationExpired,
    AuthorizationLost,
    Rejected,
    Voided,
)
from apps.payments.types import Status
from apps.risk import services as risk
from apps.risk.types import Decision as RiskDecision
from apps.sagas.definition import (
    Abort,
    Context,
    Local,
    Remote,
    Saga,
    nothing,
)
from apps.wallets import services as wallets

SYSTEM: Actor = "system"


# --- reserve, fraud check -------------------------------------------------------------------------


def reserve(context: Context) -> None:
    """Hold the wallet's part, if there is one and it is not held already.

    :raises InsufficientFunds: (when sent) the wallet has less.
    """
    payment: Payment = context.subject
    if payment.wallet_id is None or payment.hold_id is None or payment.is_held_before:
        return
    wallets.place_hold(
        book_id=payment.book_id,
        wallet_id=payment.wallet_id,
        hold_id=payment.hold_id,
        amount=payment.money(payment.wallet_amount),
        payment_id=payment.id,
        actor=SYSTEM,
        now=context.now,
    )


def release(context: Context) -> None:
    """Let go of the wallet's part; what was captured of it has been given back instead."""
    payment: Payment = context.subject
    if not payment.is_captured:
        capturing.release(payment, context.now)


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


# --- credit and confirm ---------------------------------------------------------------------------


def credit_merchant(context: Context) -> None:
    """Hand the money over to the merchant or the wallet, less the fee.

    Refuses nothing (see `captured`) but a wallet that was closed meanwhile: the customer gets the
    money back. What no provider pays out is settled here.

    :raises WalletClosed: the wallet that was to be topped up is closed.
    """
    payment: Payment = context.subject
    if payment.destination_wallet_id is not None:
        wallets.require_open_now(book_id=payment.book_id, wallet_id=payment.destination_wallet_id)
    postings.credited(payment, occurred_at=context.now)
    balance.credited(payment, now=context.now)
    if not payment.card_captured or payment.is_by_bank_transfer:
        payment.settled_at = context.now
        records.save_headline(payment, event="payment.settled", actor=SYSTEM, now=context.now)


def debit_merchant(context: Context) -> None:
    """Take the credit back; reached by a person's compensation or a planted failure alone."""
    payment: Payment = context.subject
    postings.credit_undone(payment, occurred_at=context.now)
    balance.credit_undone(payment, now=context.now)


def confirm(context: Context) -> None:
    """Tell everybody: the payment is whole, its money is where it belongs."""
    payment: Payment = context.subject
    records.save_payment(payment, event="payment.succeeded", actor=SYSTEM, now=context.now)
    if payment.is_done_at_once:
        authorization.store_answer(payment)
    idempotency.let_expire(resource_id=payment.id, now=context.now)


def close(context: Context, abort: Abort) -> None:
    """Everything is undone: say how the payment ended."""
    payment: Payment = context.subject
    idempotency.let_expire(resource_id=payment.id, now=context.now)
    # A compensation's refund has made the headline already, and a late transfer has failed.
    if payment.is_captured or payment.status == Status.FAILED:
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


CHARGE = Saga(
    "charge",
    steps=(
        Local(reserve, undo=release),
        Local(fraud_check, undo=nothing),
        Remote(
            authorization.authorize,
            calls=(
                *(gateways.CREATE, gateways.CONFIRM, gateways.INSPECT),
                *(gateways.VOID, gateways.INSPECT_VOID),
            ),
            then=authorization.authorized,
            otherwise=rerouting.reroute,
            undo=Remote(
                authorization.void,
                calls=(gateways.VOID, gateways.INSPECT, gateways.REFUND, gateways.INSPECT_REFUND),
                then=refund.given_back,
                undo=nothing,
            ),
        ),
        Remote(
            capturing.capture,
            calls=(gateways.CAPTURE, gateways.VOID, gateways.INSPECT),
            then=capturing.captured,
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
