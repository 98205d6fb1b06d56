"""The lines of a merchant's balance, each with its posting.

A payment waits in `merchant:pending` until its `available_on`; what a refund or a payout takes or
brings, it takes from or brings to `merchant:payable` at once.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from apps.core import db, ids
from apps.merchants import selectors as merchants
from apps.payments.models import Dispute, DisputeLine, DisputeMove, Payment, Payout, Refund, Reserve
from apps.payments.types import BalanceKind

_NOTHING = Decimal(0)

_INSERT = """
INSERT INTO payments_balance_transaction (id, book_id, kind, source_id, payment_id, currency, gross,
    fee, net, available_on, payable_at, release_id, paid_out, created_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, NULL, %s, %s)
"""


def record(
    *,
    book_id: UUID,
    kind: BalanceKind,
    source_id: UUID,
    payment_id: UUID | None,
    currency: str,
    gross: Decimal,
    fee: Decimal = _NOTHING,
    available_on: date,
    payable_at: datetime | None,
    paid_out: Decimal = _NOTHING,
    now: datetime,
) -> None:
    """Write one line; `payable_at` is None for what waits in `merchant:pending`.

    `paid_out` is all of it for the lines that payouts make themselves: no payout takes them again.

    Amounts are in major units of `currency`, signed: positive is the merchant's gain, but for a
    fee, which is positive when it costs.
    Retries: a fact changes the balance once; a second line about it is refused (IntegrityError).
    Transaction: joins the caller's, which posts the same.
    """
    db.write(
        _INSERT,
        (
            *(ids.new_id(), book_id, str(kind), source_id, payment_id, currency, gross),
            *(fee, gross - fee, available_on, payable_at, paid_out, now),
        ),
    )


def available_on(payment: Payment, now: datetime) -> date:
    """From when on a payment captured now may be paid out; a topped-up wallet has it at once."""
    if payment.destination_wallet_id is not None:
        return now.date()
    terms = merchants.payout_terms(payment.book_id)
    return now.date() + timedelta(days=terms.delay_days)


def credited(payment: Payment, *, now: datetime) -> None:
    """What a payment credits, pending; of a top-up the merchant bears the fee alone."""
    _credit(payment, BalanceKind.PAYMENT, 1, now)


def credit_undone(payment: Payment, *, now: datetime) -> None:
    _credit(payment, BalanceKind.PAYMENT_UNDONE, -1, now)


def refunded(refund: Refund, *, now: datetime) -> None:
    """What a refund takes at once, less the part of the fee that comes back."""
    _refund(refund, BalanceKind.REFUND, -refund.bearer_amount, -refund.fee_returned, now)


def refund_failed(refund: Refund, *, now: datetime) -> None:
    """What did not stand of it comes back."""
    _refund(refund, BalanceKind.REFUND_FAILURE, refund.failed_bearer_amount, refund.failed_fee, now)


def refund_to_merchant(refund: Refund, *, now: datetime) -> None:
    """What of a refund had no wallet to go to; of a conversion it may be nothing."""
    if not refund.merchant_amount:
        return
    record(
        book_id=refund.book_id,
        kind=BalanceKind.REFUND_RETURN,
        source_id=refund.id,
        payment_id=refund.payment_id,
        currency=refund.payment.credit_currency,
        gross=refund.merchant_amount,
        available_on=now.date(),
        payable_at=now,
        now=now,
    )


def paid_out(payout: Payout, *, now: datetime) -> None:
    """What a payout takes; which lines it took it from, its items say."""
    _payout(payout, BalanceKind.PAYOUT, -payout.amount, now)


def payout_failed(payout: Payout, *, now: datetime) -> None:
    _payout(payout, BalanceKind.PAYOUT_FAILURE, payout.amount, now)


def payout_returned(payout: Payout, *, now: datetime) -> None:
    _payout(payout, BalanceKind.PAYOUT_RETURN, payout.amount, now)


def payout_to_merchant(payout: Payout, *, now: datetime) -> None:
    """What came back of a withdrawal and had no wallet to go to."""
    _at_once(payout, BalanceKind.WITHDRAWAL_RETURN, payout.amount, now)


def reserve_kept(reserve: Reserve, *, now: datetime) -> None:
    _reserve(reserve, BalanceKind.RESERVE_KEPT, -reserve.amount, now)


def reserve_freed(reserve: Reserve, *, now: datetime) -> None:
    _reserve(reserve, BalanceKind.RESERVE_FREED, reserve.amount, now)


def disputed(dispute: Dispute, move: DisputeMove, *, now: datetime) -> None:
    """What a move takes from the merchant at once, or gives back; a wallet's is not in it."""
    if move.wallet_id is None:
        kinds = (BalanceKind.DISPUTE, BalanceKind.DISPUTE_RETURN)
        _dispute(dispute, move, kinds, move.bearer_amount, now)
    kinds = (BalanceKind.EXCESS_CHARGE, BalanceKind.EXCESS_CHARGE_RETURN)
    _dispute(dispute, move, kinds, move.merchant_charged, now)


def _dispute(
    dispute: Dispute,
    move: DisputeMove,
    kinds: tuple[BalanceKind, BalanceKind],
    taken: Decimal,
    now: datetime,
) -> None:
    if not taken:
        return
    record(
        book_id=move.book_id,
        kind=kinds[0] if taken > 0 else kinds[1],
        source_id=move.id,
        payment_id=dispute.payment_id,
        currency=dispute.payment.credit_currency,
        gross=-taken,
        available_on=now.date(),
        payable_at=now,
        now=now,
    )


def dispute_fee(dispute: Dispute, line: DisputeLine, *, now: datetime) -> None:
    """What the provider takes for a dispute, passed on; negative where it returns it."""
    charged = line.charged
    if not charged.amount:
        return
    record(
        book_id=line.book_id,
        kind=BalanceKind.DISPUTE_FEE,
        source_id=line.id,
        payment_id=dispute.payment_id,
        currency=charged.currency.code,
        gross=_NOTHING,
        fee=charged.amount,
        available_on=now.date(),
        payable_at=now,
        now=now,
    )


def _payout(payout: Payout, kind: BalanceKind, gross: Decimal, now: datetime) -> None:
    """A withdrawal is the customer's money, and no line of the merchant's balance."""
    if payout.wallet_id is None:
        _at_once(payout, kind, gross, now, paid_out=gross)


def _reserve(reserve: Reserve, kind: BalanceKind, gross: Decimal, now: datetime) -> None:
    _at_once(reserve, kind, gross, now)


def _at_once(
    row: Payout | Reserve,
    kind: BalanceKind,
    gross: Decimal,
    now: datetime,
    *,
    paid_out: Decimal = _NOTHING,
) -> None:
    record(
        book_id=row.book_id,
        kind=kind,
        source_id=row.id,
        payment_id=None,
        currency=row.currency,
        gross=gross,
        available_on=now.date(),
        payable_at=now,
        paid_out=paid_out,
        now=now,
    )


def _credit(payment: Payment, kind: BalanceKind, sign: int, now: datetime) -> None:
    is_top_up = payment.destination_wallet_id is not None
    gross = _NOTHING if is_top_up else payment.amount_credited
    if not gross and not payment.fee:
        return
    assert payment.available_on is not None
    record(
        book_id=payment.book_id,
        kind=kind,
        source_id=payment.id,
        payment_id=payment.id,
        currency=payment.credit_currency,
        gross=sign * gross,
        fee=sign * payment.fee,
        available_on=payment.available_on,
        payable_at=None,
        now=now,
    )


def _refund(refund: Refund, kind: BalanceKind, gross: Decimal, fee: Decimal, now: datetime) -> None:
    payment = refund.payment
    if payment.destination_wallet_id is not None:
        gross = _NOTHING
    if refund.is_compensation or not (gross or fee):
        return
    record(
        book_id=refund.book_id,
        kind=kind,
        source_id=refund.id,
        payment_id=payment.id,
        currency=payment.credit_currency,
        gross=gross,
        fee=fee,
        available_on=now.date(),
        payable_at=now,
        now=now,
    )
