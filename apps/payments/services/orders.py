"""What a merchant can have done about money: pay, capture, void, refund.

Nothing here calls a provider. A payment is written down together with its run, an order together
with the nudge of the run that will carry it out; the sagas do the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings

from apps.core import ids
from apps.core.errors import Conflict, NotFound, Unprocessable
from apps.core.money import Money, from_minor, to_minor
from apps.core.types import Actor
from apps.merchants import selectors as merchants
from apps.payments import fees, postings, records, selectors
from apps.payments.models import Payment, Refund
from apps.payments.types import CaptureMethod, NewPayment, Status, Tender
from apps.sagas import services as sagas
from apps.wallets import selectors as wallets

if TYPE_CHECKING:
    from apps.sagas.models import Run


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
        credit_currency=order.amount.currency.code,
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
        card_amount=wanted.amount,
        bearer_amount=wanted.amount,
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
