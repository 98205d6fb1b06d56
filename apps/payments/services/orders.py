"""What a merchant can have done about money: pay, capture, void, refund.

Nothing here calls a provider. A payment is written down together with its run, an order together
with the nudge of the run that will carry it out; the sagas do the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from apps.core import ids
from apps.core.errors import Conflict, NotFound
from apps.core.money import Money, from_minor, to_minor
from apps.core.types import Actor
from apps.gateways.types import require_expressible
from apps.payments import balance, fees, postings, records, selectors
from apps.payments.models import Payment, Payout, Refund
from apps.payments.services import bank_debits, bank_transfers, quotes
from apps.payments.services.refusals import NotSupportedByMethod
from apps.payments.services.tenders import columns_of, receiving_wallet, tenders_of
from apps.payments.types import CaptureMethod, NewPayment, NewRefund, Status, WalletTender
from apps.sagas import services as sagas
from apps.wallets import services as wallets

if TYPE_CHECKING:
    from apps.payments.models import Quote
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


@dataclass(frozen=True)
class Started:
    """A payment, refund or payout just written down, and its run, still leased to us."""

    subject: Payment | Refund | Payout
    run: Run


# --- orders of the merchant -----------------------------------------------------------------------


def create_payment(
    *,
    payment_id: UUID,
    book_id: UUID,
    order: NewPayment,
    held: WalletTender | None = None,
    captured: Money | None = None,
    trusts_wallet: bool = False,
    actor: Actor,
    now: datetime,
) -> Started:
    """Write down a payment and its run; whoever holds the answer drives it (`sagas.drive`).

    A payment that a wallet pays alone, and captures at once, is whole in this very commit.
    `held` is a hold placed before, which pays all of it, and `captured` what is taken of it.
    With `trusts_wallet` the paying wallet is not looked at: the commit's guard decides, and whoever
    it refuses tries again without, to hear what is wrong.

    Units: `order.amount` is whole in its currency's minor unit.
    Retries: the caller's idempotency key; the same `payment_id` twice is refused by the key.
    Transaction: joins the caller's (`db.unit` or `atomic`; for `order.spends_what_there_is`
    `atomic` alone).

    :raises NotFound: source, wallet, quote or destination is nobody's, or another merchant's.
    :raises MethodDetached: the saved method cannot be charged any more.
    :raises WalletFrozen, WalletClosed, CurrencyMismatch: a wallet cannot pay or take this.
    :raises InsufficientFunds: (when sent) the wallet has less than its part.
    :raises AmountTooSmall, AmountNotExpressible: the provider does not charge the card's part.
    :raises NoFeePlan: nobody has agreed what such a payment costs.
    """
    paid = tenders_of(book_id=book_id, order=order, held=held, trusts_wallet=trusts_wallet)
    paid_by = columns_of(paid, order.amount, payment_id=payment_id, book_id=book_id, now=now)
    quote = _quote(book_id, payment_id, order, actor, now)
    credit_currency = quote.to_currency if quote else order.amount.currency.code
    destination, to_wallet_id = _destination(book_id, order, credit_currency)
    payment = Payment(
        id=payment_id,
        book_id=book_id,
        currency=order.amount.currency.code,
        amount=order.amount.amount,
        capture_method=order.capture_method,
        method=paid.method,
        source=order.source,
        destination=destination,
        destination_wallet_id=to_wallet_id,
        reference=order.reference or None,
        description=order.description,
        return_url=order.return_url,
        metadata=order.metadata,
        credit_currency=credit_currency,
        capture_requested_amount=captured.amount if captured else None,
        quote_id=quote.id if quote else None,
        rate_mid=quote.rate_mid if quote else None,
        rate=quote.rate if quote else None,
        created_by=actor,
        created_at=now,
        updated_at=now,
        **paid_by,
    )
    fees.agree(payment, now=now)
    records.insert_payment(payment, actor=actor, now=now)
    run = sagas.start(
        saga="charge", book_id=book_id, subject_id=payment_id, now=now, subject=payment
    )
    return Started(payment, run)


def capture_hold(
    *,
    payment_id: UUID,
    book_id: UUID,
    wallet_id: UUID,
    hold_id: UUID,
    amount_minor: int | None,
    description: str,
    metadata: dict[str, str],
    actor: Actor,
    now: datetime,
) -> Started:
    """Make a payment of a stand-alone hold: it takes the hold over, and releases what it leaves.

    Units: minor units of the wallet's currency; without an amount, all that is held.
    Transaction: the caller's `atomic`.

    :raises NotFound: the wallet has no such hold.
    :raises HoldNotOpen: it was captured, released or has expired.
    :raises CaptureTooLarge: more than is held, which the error names.
    """
    held = wallets.take_over_hold(
        book_id=book_id,
        wallet_id=wallet_id,
        hold_id=hold_id,
        payment_id=payment_id,
        actor=actor,
        now=now,
    )
    wanted = held if amount_minor is None else from_minor(amount_minor, held.currency.code)
    if wanted > held:
        raise CaptureTooLarge("More than is held.", param="amount", remaining=to_minor(held))
    order = NewPayment(
        amount=held,
        source=ids.encode("hold", hold_id),
        capture_method=CaptureMethod.MANUAL,
        description=description,
        metadata=metadata,
    )
    return create_payment(
        payment_id=payment_id,
        book_id=book_id,
        order=order,
        held=WalletTender(wallet_id, held, hold_id),
        captured=wanted,
        actor=actor,
        now=now,
    )


def _quote(
    book_id: UUID, payment_id: UUID, order: NewPayment, actor: Actor, now: datetime
) -> Quote | None:
    if not order.quote:
        return None
    return quotes.use_quote(
        book_id=book_id,
        quote_id=ids.decode("quote", order.quote),
        payment_id=payment_id,
        amount=order.amount,
        actor=actor,
        now=now,
    )


def _destination(book_id: UUID, order: NewPayment, currency: str) -> tuple[str, UUID | None]:
    """The merchant's own public id, or one of its wallets; another merchant's is nobody's."""
    own = ids.encode("merchant", book_id)
    if order.destination in ("", own):
        return own, None
    if not order.destination.startswith("wallet_"):
        raise NotFound(f"No such destination: {order.destination}.", param="destination")
    wallet = receiving_wallet(book_id, order.destination, currency, param="destination")
    if order.wallet or order.source.startswith(("wallet_", "hold_")):
        raise NotSupportedByMethod(
            "Money goes from wallet to wallet by a transfer.", param="destination"
        )
    return order.destination, wallet.id


def order_capture(
    *, book_id: UUID, payment_id: UUID, amount_minor: int | None, actor: Actor, now: datetime
) -> Payment:
    """Order the capture of an authorized payment, in full or in part, once and for all.

    Units: minor units of the payment's currency; without an amount, all that is authorized.
    Transaction: the caller's `atomic`; the payment stays locked until its commit.

    :raises NotFound: no such payment of this merchant.
    :raises NotCapturable: it is not authorized, is captured automatically, or has its order.
    :raises CaptureTooLarge: more than was authorized.
    :raises NotSupportedByMethod: it is paid by bank transfer or debit.
    """
    payment = selectors.lock(book_id, payment_id)
    bank_transfers.refuse(payment)
    bank_debits.refuse(payment)
    if payment.status != Status.AUTHORIZED or payment.capture_method != CaptureMethod.MANUAL:
        raise NotCapturable(f"The payment is {payment.status}.", status=payment.status)
    if payment.capture_requested_amount is not None or payment.void_requested_at is not None:
        raise NotCapturable("A capture or a void of this payment is under way.")
    wanted = _wanted(payment, amount_minor, payment.money(payment.amount_authorized))
    if wanted.amount > payment.amount_authorized:
        remaining = to_minor(payment.money(payment.amount_authorized))
        raise CaptureTooLarge("More than was authorized.", param="amount", remaining=remaining)
    _require_expressible(payment, wanted.amount - payment.wallet_part_of(wanted.amount))
    payment.capture_requested_amount = wanted.amount
    records.save_payment(payment, event="payment.capture_requested", actor=actor, now=now)
    _nudge(payment, now)
    return payment


def order_void(*, book_id: UUID, payment_id: UUID, actor: Actor, now: datetime) -> Payment:
    """Give a payment up before it is captured; it is VOIDED once the provider has confirmed.

    Transaction: the caller's `atomic`; the payment stays locked until its commit.

    :raises NotFound: no such payment of this merchant.
    :raises NotVoidable: it is captured, about to be, or has ended.
    :raises NotSupportedByMethod: it is paid by bank transfer or debit.
    """
    payment = selectors.lock(book_id, payment_id)
    bank_transfers.refuse(payment)
    bank_debits.refuse(payment)
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
    order: NewRefund,
    actor: Actor,
    now: datetime,
) -> Started:
    """Reserve a refund: the payment's budget, the bearer's money and the fee, in one commit.

    The card gets back what it paid first, then the wallet; with `order.wallet` that wallet gets
    all of it. The bearer is the merchant, or the wallet that a top-up went to.

    Retries: the caller's idempotency key.
    Transaction: the caller's `atomic`; the payment stays locked until its commit.

    :raises NotFound: no such payment of this merchant, or no such wallet.
    :raises NotRefundable: nothing is captured, or a dispute is open.
    :raises RefundTooLarge: more than is left, which the error names.
    :raises WalletClosed, CurrencyMismatch: the wallet cannot take it.
    :raises NotSupportedByMethod: it was paid by bank transfer, and no wallet is named.
    :raises InsufficientFunds: (when sent) the topped-up wallet has spent it.
    """
    payment = selectors.lock(book_id, payment_id)
    if not payment.is_captured:
        raise NotRefundable(f"The payment is {payment.status}.", status=payment.status)
    if payment.amount_disputed > 0:
        raise NotRefundable("A dispute of this payment is open.", status=payment.status)
    left = payment.money(payment.refundable)
    wanted = _wanted(payment, order.amount_minor, left)
    if wanted > left or not left.amount:
        remaining = to_minor(left)
        raise RefundTooLarge("More than is left.", param="amount", remaining=remaining)
    to_card, to_wallet_id = _refund_parts(payment, wanted, order)
    _require_expressible(payment, to_card)
    taken = fees.borne_by(payment, wanted)
    refund = Refund(
        id=refund_id,
        book_id=book_id,
        payment=payment,
        currency=payment.currency,
        amount=wanted.amount,
        card_amount=to_card,
        to_wallet_id=to_wallet_id,
        bearer_amount=taken.amount,
        fee_returned=fees.returned_by(payment, wanted, taken=taken).amount,
        reason=order.reason,
        metadata=order.metadata,
        created_by=actor,
        created_at=now,
        updated_at=now,
    )
    payment.refund_reserved += refund.amount
    payment.card_refund_reserved += refund.card_amount
    payment.credit_returned += refund.bearer_amount
    payment.fee_returned += refund.fee_returned
    records.save_headline(payment, event="payment.refund_requested", actor=actor, now=now)
    records.insert_refund(refund, actor=actor, now=now)
    postings.refund_reserved(refund, occurred_at=now)
    balance.refunded(refund, now=now)
    run = sagas.start(saga="refund", book_id=book_id, subject_id=refund_id, now=now)
    return Started(refund, run)


def _refund_parts(payment: Payment, wanted: Money, order: NewRefund) -> tuple[Decimal, UUID | None]:
    """What of a refund goes back to the card, and the wallet that takes the rest."""
    if order.wallet:
        wallet = receiving_wallet(payment.book_id, order.wallet, payment.currency, param="wallet")
        return Decimal(0), wallet.id
    bank_transfers.refuse(payment)
    to_card = min(wanted.amount, payment.card_refundable)
    if to_card == wanted.amount:
        return to_card, None
    assert payment.wallet_id is not None, "what no card paid, a wallet did"
    public_id = ids.encode("wallet", payment.wallet_id)
    wallet = receiving_wallet(payment.book_id, public_id, payment.currency, param="payment")
    return to_card, wallet.id


# --- small things ---------------------------------------------------------------------------------


def _nudge(payment: Payment, now: datetime) -> None:
    """The order is in the payment's row; whoever gave it drives the run, or the sweeper does."""
    run = selectors.find_charge_run(payment)
    if run is not None:
        sagas.resume(run_id=run.id, now=now, is_ringing=False)


def _require_expressible(payment: Payment, card_part: Decimal) -> None:
    """:raises AmountNotExpressible: the provider has no way to say this amount."""
    if card_part:
        require_expressible(provider=payment.provider, amount=payment.money(card_part))


def _wanted(payment: Payment, amount_minor: int | None, everything: Money) -> Money:
    return everything if amount_minor is None else from_minor(amount_minor, payment.currency)
