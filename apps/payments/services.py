"""What a merchant can have done about money: pay, capture, void, refund; and what we are told.

Nothing here calls a provider. A payment is written down together with its run, an order together
with the nudge of the run that will carry it out; the sagas do the rest.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from apps.core import db, ids
from apps.core.errors import Conflict, NotFound, Unprocessable
from apps.core.money import Money, from_minor, to_minor
from apps.core.types import Actor
from apps.gateways import inbox, statements
from apps.gateways import selectors as gateways
from apps.gateways.types import LineKind, StatementLine
from apps.merchants import selectors as merchants
from apps.payments import fees, postings, records, selectors
from apps.payments.models import Payment, Refund
from apps.payments.types import CaptureMethod, NewPayment, RefundStatus, Status, Tender
from apps.sagas import services as sagas
from apps.wallets import selectors as wallets

if TYPE_CHECKING:
    from apps.gateways.models import InboundEvent
    from apps.sagas.models import Run

# Events of these objects are news of a payment or of one of its refunds.
_NEWS = ("payment_intent.", "charge.", "refund.")
_REFUND_NEWS = ("refund.", "charge.refund")
_NOT_YET = ("charge.dispute.",)
SETTLED_KINDS = (LineKind.CHARGE, LineKind.REFUND, LineKind.REFUND_FAILURE)
# An object nobody here knows yet may be one whose answer is still on its way.
PARKED_FOR = timedelta(minutes=15)


class ReferenceTaken(Conflict):
    """The merchant has used this reference for another payment."""

    code = "reference_taken"


class NotCapturable(Conflict):
    """The payment is not waiting to be captured."""

    code = "payment_not_capturable"


class NotVoidable(Conflict):
    """There is nothing left to give up: the payment is captured or has ended."""

    code = "payment_not_voidable"


class NotRefundable(Conflict):
    """Nothing was captured, or a dispute is open."""

    code = "payment_not_refundable"


class RefundTooLarge(Conflict):
    """More than what is left of the payment."""

    code = "refund_exceeds_remaining"


class CaptureTooLarge(Conflict):
    """More than what was authorized."""

    code = "capture_exceeds_authorized"


class MethodDetached(Unprocessable):
    """The saved method has no token at any provider we could charge."""

    code = "payment_method_unusable"


@dataclass(frozen=True)
class Started:
    """A payment or refund just written down, and its run, still leased to us."""

    subject: Payment | Refund
    run: Run


# --- orders of the merchant -----------------------------------------------------------------------


def create_payment(
    *, payment_id: UUID, book_id: UUID, order: NewPayment, actor: Actor, now: datetime
) -> Started:
    """Write down a payment and its run; whoever holds the answer drives it (`sagas.drive`).

    Units: `order.amount` is whole in its currency's minor unit.
    Retries: the caller's idempotency key; the same `payment_id` twice is refused by the key.
    Transaction: joins the caller's (`db.unit` or `atomic`).

    :raises NotFound: source or destination is nobody's, or another merchant's.
    :raises MethodDetached: the saved method cannot be charged any more.
    :raises NoFeePlan: nobody has agreed what such a payment costs.
    """
    tender = _tender(book_id, order.source)
    quote = merchants.fee_for(book_id=book_id, method="card", amount=order.amount, now=now)
    payment = Payment(
        id=payment_id,
        book_id=book_id,
        currency=order.amount.currency.code,
        amount=order.amount.amount,
        capture_method=order.capture_method,
        source=order.source,
        payment_method_id=tender.payment_method_id,
        destination=_destination(book_id, order.destination),
        reference=order.reference or None,
        description=order.description,
        return_url=order.return_url,
        metadata=order.metadata,
        provider=tender.provider,
        provider_token=tender.token,
        route={"provider": tender.provider, "reasons": ["the only provider"]},
        created_by=actor,
        created_at=now,
        updated_at=now,
        **fees.freeze(quote),
    )
    records.insert_payment(payment, actor=actor, now=now)
    run = sagas.start(
        saga="charge", book_id=book_id, subject_id=payment_id, now=now, subject=payment
    )
    return Started(payment, run)


def order_capture(
    *, book_id: UUID, payment_id: UUID, amount_minor: int | None, actor: Actor, now: datetime
) -> Payment:
    """Order the capture of an authorized payment, in full or in part, once and for all.

    Units: minor units of the payment's currency; without an amount, all that is authorized.
    Transaction: the caller's `atomic`; the payment stays locked until its commit.

    :raises NotFound: no such payment of this merchant.
    :raises NotCapturable: it is not authorized, is captured automatically, or has its order.
    :raises CaptureTooLarge: more than was authorized.
    """
    payment = selectors.lock(book_id, payment_id)
    if payment.status != Status.AUTHORIZED or payment.capture_method != CaptureMethod.MANUAL:
        raise NotCapturable(f"The payment is {payment.status}.", status=payment.status)
    if payment.capture_requested_amount is not None or payment.void_requested_at is not None:
        raise NotCapturable("A capture or a void of this payment is under way.")
    wanted = _wanted(payment, amount_minor, payment.money(payment.amount_authorized))
    if wanted.amount > payment.amount_authorized:
        remaining = to_minor(payment.money(payment.amount_authorized))
        raise CaptureTooLarge("More than was authorized.", param="amount", remaining=remaining)
    payment.capture_requested_amount = wanted.amount
    records.save_payment(payment, event="payment.capture_requested", actor=actor, now=now)
    _nudge(payment, now)
    return payment


def order_void(*, book_id: UUID, payment_id: UUID, actor: Actor, now: datetime) -> Payment:
    """Give a payment up before it is captured; it is VOIDED once the provider has confirmed.

    Transaction: the caller's `atomic`; the payment stays locked until its commit.

    :raises NotFound: no such payment of this merchant.
    :raises NotVoidable: it is captured, about to be, or has ended.
    """
    payment = selectors.lock(book_id, payment_id)
    open_states = (
        Status.VALIDATED,
        Status.REQUIRES_ACTION,
        Status.IN_REVIEW,
        Status.AUTHORIZED,
    )
    if payment.status not in open_states:
        raise NotVoidable(f"The payment is {payment.status}.", status=payment.status)
    is_automatic = payment.capture_method == CaptureMethod.AUTOMATIC
    if payment.capture_requested_amount is not None or (
        is_automatic and payment.status == Status.AUTHORIZED
    ):
        raise NotVoidable("The payment is being captured; refund it instead.")
    if payment.void_requested_at is None:
        payment.void_requested_at = now
        records.save_payment(payment, event="payment.void_requested", actor=actor, now=now)
        _nudge(payment, now)
    return payment


def create_refund(
    *,
    refund_id: UUID,
    book_id: UUID,
    payment_id: UUID,
    amount_minor: int | None,
    reason: str,
    metadata: dict[str, str],
    actor: Actor,
    now: datetime,
) -> Started:
    """Reserve a refund: the payment's budget, the merchant's money and the fee, in one commit.

    Units: minor units of the payment's currency; without an amount, all that is left.
    Retries: the caller's idempotency key.
    Transaction: the caller's `atomic`; the payment stays locked until its commit.

    :raises NotFound: no such payment of this merchant.
    :raises NotRefundable: nothing is captured, or a dispute is open.
    :raises RefundTooLarge: more than is left, which the error names.
    """
    payment = selectors.lock(book_id, payment_id)
    if not payment.is_captured:
        raise NotRefundable(f"The payment is {payment.status}.", status=payment.status)
    if payment.amount_disputed > 0:
        raise NotRefundable("A dispute of this payment is open.", status=payment.status)
    left = payment.money(payment.refundable)
    wanted = _wanted(payment, amount_minor, left)
    if wanted > left or not left.amount:
        remaining = to_minor(left)
        raise RefundTooLarge("More than is left.", param="amount", remaining=remaining)
    refund = Refund(
        id=refund_id,
        book_id=book_id,
        payment=payment,
        currency=payment.currency,
        amount=wanted.amount,
        fee_returned=fees.returned_by(payment, wanted).amount,
        reason=reason,
        metadata=metadata,
        created_by=actor,
        created_at=now,
        updated_at=now,
    )
    payment.refund_reserved += refund.amount
    payment.fee_returned += refund.fee_returned
    records.save_headline(payment, event="payment.refund_requested", actor=actor, now=now)
    records.insert_refund(refund, actor=actor, now=now)
    postings.refund_reserved(refund, occurred_at=now)
    run = sagas.start(saga="refund", book_id=book_id, subject_id=refund_id, now=now)
    return Started(refund, run)


# --- what providers tell us -----------------------------------------------------------------------


def apply_event(*, event_id: UUID, now: datetime) -> None:
    """Let the run that an event is about ask the provider what is true; payloads are not believed.

    Retries: safe; an event is marked once, a nudge carries nothing. One about an object that we do
    not know yet stays unmarked for a while: the answer that names the object may still be coming.
    Transaction: its own.
    """
    event = gateways.find_event(event_id)
    if event is None or event.processed_at is not None:
        return
    if not event.kind.startswith(_NEWS) or event.kind.startswith(_NOT_YET):
        _mark(event_id, "kept: kind not handled", now)
        return
    reference = event.payment_reference or event.object_reference
    owner = gateways.find_owner(provider=event.provider, reference=reference)
    if owner is None:
        if now - event.received_at > PARKED_FOR:
            _mark(event_id, "kept: unknown object", now)
        return
    # Somebody may start the same look at this moment: then the sweep comes back to this event.
    with suppress(IntegrityError), db.unit():
        note = _nudge_about(owner.book_id, owner.payment_id, event, now)
        inbox.mark_processed(event_id=event_id, note=note, now=now)


def _nudge_about(book_id: UUID, payment_id: UUID, event: InboundEvent, now: datetime) -> str:
    if not event.kind.startswith(_REFUND_NEWS):
        return _nudged(selectors.find_charge_run(selectors.get(book_id, payment_id)), now)
    refund = selectors.find_refund_by_provider(book_id, payment_id, event.object_reference)
    if refund is None:  # the answer that names it may be on its way: it is one of the open ones
        waiting = selectors.list_open_refunds(book_id, payment_id)
        notes = {_nudged(selectors.find_refund_run(each), now) for each in waiting}
        return "nudged" if "nudged" in notes else _nudged(None, now)
    run = selectors.find_refund_run(refund)
    is_over = run is not None and not run.is_open
    return _look_again(refund, now) if is_over else _nudged(run, now)


def _look_again(refund: Refund, now: datetime) -> str:
    """A refund that succeeded may fail days later: ask, unless somebody is asking already."""
    check = selectors.find_refund_check(refund)
    if refund.status != RefundStatus.SUCCEEDED or (check is not None and check.is_open):
        return _nudged(check, now)
    check = sagas.start(saga="refund_check", book_id=refund.book_id, subject_id=refund.id, now=now)
    db.on_commit(partial(sagas.hand_over, check))
    return "asking"


def _nudged(run: Run | None, now: datetime) -> str:
    if run is None or not run.is_open:
        return "known already" if run else "kept: nobody waits for it"
    sagas.resume(run_id=run.id, now=now)
    return "nudged"


def _mark(event_id: UUID, note: str, now: datetime) -> None:
    with db.unit():
        inbox.mark_processed(event_id=event_id, note=note, now=now)


def settle(*, provider: str, since: datetime, now: datetime) -> int:
    """Book every line of every payout that the provider made since; how many were new.

    Retries: safe; a line is booked once. Transaction: one a line; none may be open.

    :raises OutcomeUnknown: the provider could not be asked; what was booked stays booked.
    """
    lines = statements.fetch(provider=provider, since=since)
    payouts = [line.source_reference for line in lines if line.kind is LineKind.PAYOUT]
    return sum(
        apply_settlement(line, now=now)
        for payout in payouts
        for line in statements.fetch(provider=provider, payout=payout)
    )


def apply_settlement(line: StatementLine, *, now: datetime) -> bool:
    """Book one line that the provider has paid out.

    False: it is booked already, is not ours, or is about a payment not captured in our books yet.
    Retries: safe; a line is booked once, under its own reference.
    Transaction: its own; on a stale read the whole is done again.
    """
    owner = gateways.find_owner(provider=line.provider, reference=line.payment_reference)
    if owner is None or line.kind not in SETTLED_KINDS or not line.payout_reference:
        return False
    with transaction.atomic():
        payment = selectors.lock(owner.book_id, owner.payment_id)
        # A capture whose answer we still wait for is settled once it is in the books.
        is_booked = selectors.has_settlement_line(payment, line.provider, line.line_reference)
        if is_booked or not payment.is_captured:
            return False
        _book_line(payment, line, now)
    return True


def _book_line(payment: Payment, line: StatementLine, now: datetime) -> None:
    gross = from_minor(line.gross_minor, line.currency)
    provider_fee = from_minor(line.fee_minor, line.currency)
    records.insert_settlement_line(payment, line, gross, provider_fee, now)
    postings.settled(
        book_id=payment.book_id,
        provider=line.provider,
        line_reference=line.line_reference,
        gross=gross,
        provider_fee=provider_fee,
        occurred_at=line.occurred_at,
    )
    if line.kind is LineKind.CHARGE and payment.settled_at is None:
        payment.settled_at = now
        records.save_headline(payment, event="payment.settled", actor="system", now=now)


# --- small things ---------------------------------------------------------------------------------


def _nudge(payment: Payment, now: datetime) -> None:
    """The order is in the payment's row; whoever gave it drives the run, or the sweeper does."""
    run = selectors.find_charge_run(payment)
    if run is not None:
        sagas.resume(run_id=run.id, now=now, is_ringing=False)


def _tender(book_id: UUID, source: str) -> Tender:
    """The provider's token behind a source: a saved method's, or the token itself."""
    if source.startswith("pm_"):
        return Tender(settings.PAYSYS_PROVIDER, source)
    _, method_id = ids.decode_any(source, ("card", "bank"))
    method = wallets.find_payment_method(book_id=book_id, id=method_id)
    if method is None:
        raise NotFound(f"No such payment method: {source}.", param="source")
    token = wallets.find_token(method, provider=settings.PAYSYS_PROVIDER)
    if token is None:
        raise MethodDetached("The payment method can no longer be charged.", param="source")
    return Tender(settings.PAYSYS_PROVIDER, token, method_id)


def _destination(book_id: UUID, destination: str) -> str:
    """The merchant's own public id: another merchant's is nobody's."""
    own = ids.encode("merchant", book_id)
    if destination not in ("", own):
        raise NotFound(f"No such destination: {destination}.", param="destination")
    return own


def _wanted(payment: Payment, amount_minor: int | None, everything: Money) -> Money:
    return everything if amount_minor is None else from_minor(amount_minor, payment.currency)
