"""Of whom a dispute takes, and to whom it gives back: the payment's budget, a wallet, and us.

What exceeds the budget, or what a topped-up wallet does not have, is carried by `platform:excess`
until a person charges it to the merchant or writes it off (`services.excess`), or until it exceeds
no more. Then it comes back in the opposite order: what nobody has covered, what we wrote off, what
the merchant was charged.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from apps.core import ids
from apps.core.money import Money, prorate
from apps.core.types import Actor
from apps.ledger import chart
from apps.ledger import selectors as ledger_selectors
from apps.ledger import services as ledger
from apps.payments import balance, dispute_postings, dispute_records, dispute_selectors, fees
from apps.payments.models import MOVED, Dispute, DisputeMove, ExcessCase, Payment
from apps.wallets import services as wallets

SYSTEM: Actor = "system"
_NOTHING = Decimal(0)
# What is carried by us: the budget's excess, and what a wallet did not have.
CARRIED = ("excess", "shortfall")


def new_move(dispute: Dispute, *, now: datetime) -> DisputeMove:
    """A move of this dispute that moves nothing yet."""
    return DisputeMove(
        id=ids.new_id(),
        book_id=dispute.book_id,
        dispute=dispute,
        **dict.fromkeys(MOVED, _NOTHING),
        created_at=now,
    )


def take(dispute: Dispute, move: DisputeMove, more: Decimal, *, gained: Decimal) -> None:
    """From the budget first, what exceeds it from us; of a top-up what the wallet still has.

    `gained` is what the caller's own postings bring it before, and no balance tells yet.
    """
    move.budget_part = min(more, dispute.payment.disputable)
    move.excess = more - move.budget_part
    if move.budget_part:
        _bear(dispute.payment, move, gained=gained)


def give_back(dispute: Dispute, move: DisputeMove, less: Decimal) -> None:
    """What exceeded the budget comes back first, then what a wallet did not have."""
    payment = dispute.payment
    move.excess = -min(less, dispute.excess)
    move.budget_part = -(less + move.excess)
    if move.budget_part:
        share = dispute.bearer_amount + dispute.shortfall
        kept = prorate(
            payment.credit(share),
            payment.money(dispute.budget_part + move.budget_part),
            payment.money(dispute.budget_part),
        ).amount
        move.shortfall = -min(share - kept, dispute.shortfall)
        move.bearer_amount = -(share - kept + move.shortfall)
        move.wallet_id = wallet_that_takes(payment) if move.bearer_amount else None
    _uncover(dispute, move)


def count(payment: Payment, move: DisputeMove) -> None:
    """Add a move to the payment's counters; whoever calls saves the payment."""
    payment.amount_disputed += move.amount_open
    payment.amount_charged_back += move.amount_lost
    payment.amount_excess += move.excess
    payment.credit_returned += move.bearer_amount + move.shortfall


def claim(
    payment: Payment, *, but: Dispute | None = None, gained: Decimal = _NOTHING, now: datetime
) -> list[DisputeMove]:
    """Let what the budget has again bear what disputes took beyond it, the oldest dispute first.

    Counted into the payment, which the caller saves; then it books the moves (`book_claims`).
    `but` is the dispute that the caller moves itself, `gained` what the caller's own postings
    bring, before, to whom the payment was credited.
    """
    claims: list[DisputeMove] = []
    if not payment.amount_excess or not payment.disputable:
        return claims
    for dispute in _exceeding(payment, but):
        freed = min(dispute.excess, payment.disputable)
        if not freed:
            break
        move = new_move(dispute, now=now)
        move.budget_part, move.excess = freed, -freed
        _bear(payment, move, gained=gained)
        gained -= move.bearer_amount
        _uncover(dispute, move)
        count(payment, move)
        claims.append(move)
    return claims


def book_claims(claims: list[DisputeMove], *, now: datetime) -> None:
    """Book what `claim` has counted, and tell of each dispute that it takes more of its bearer."""
    for move in claims:
        book(move.dispute, move, now=now)
        dispute_records.save_dispute(move.dispute, event="dispute.updated", actor=SYSTEM, now=now)


def book(dispute: Dispute, move: DisputeMove, *, actor: Actor = SYSTEM, now: datetime) -> None:
    """Write a move with its posting and its lines of the balance; the caller saves the dispute.

    Transaction: the caller's, which saves the dispute under its version and, before, the payment
    under its own where the move changes its counters.
    """
    payment = dispute.payment
    for name in MOVED:
        setattr(dispute, name, getattr(dispute, name) + getattr(move, name))
    dispute_records.insert_move(move)
    if move.wallet_id is not None and move.bearer_amount > 0:
        ledger.require_balance(
            book_id=move.book_id,
            code=chart.wallet_available(move.wallet_id),
            amount=payment.credit(move.bearer_amount),
        )
    dispute_postings.dispute_moved(dispute, move, occurred_at=now)
    balance.disputed(dispute, move, now=now)
    _mind_the_case(dispute, actor, now)


def wallet_that_takes(payment: Payment) -> UUID | None:
    """The topped-up wallet; none if it was closed meanwhile: then the merchant has it.

    :raises db.GuardFailed: (when sent) it was closed since.
    """
    wallet_id = payment.destination_wallet_id
    if wallet_id is None:
        return None
    is_open = wallets.is_open_now(book_id=payment.book_id, wallet_id=wallet_id)
    return wallet_id if is_open else None


def charge_for(dispute: Dispute, excess_charged: Decimal, shortfall_charged: Decimal) -> Decimal:
    """What so much of the excess and of the shortfall is to the merchant, in what it is paid in.

    A converted payment's excess is charged at the payment's own rate, of the running total.
    """
    payment = dispute.payment
    worth = fees.credited_for(payment, payment.money(excess_charged)).credited
    return worth.amount + shortfall_charged


def _exceeding(payment: Payment, but: Dispute | None) -> Iterator[Dispute]:
    for dispute in dispute_selectors.list_exceeding(payment):
        if but is None or dispute.id != but.id:
            dispute.payment = payment  # one payment, not a second copy of it
            yield dispute


def _bear(payment: Payment, move: DisputeMove, *, gained: Decimal) -> None:
    """Who bears the move's part of the budget: of a top-up whoever has the money, as far as they
    have it.
    """
    share = fees.borne_by(payment, payment.money(move.budget_part))
    taken, move.wallet_id = share, wallet_that_takes(payment)
    if payment.destination_wallet_id is not None:
        taken = min(share, _there(payment, move.wallet_id) + payment.credit(gained))
    move.bearer_amount, move.shortfall = taken.amount, (share - taken).amount


def _there(payment: Payment, wallet_id: UUID | None) -> Money:
    """What a topped-up wallet has, or the merchant has in its place since it is closed."""
    if wallet_id is None:
        return payment.credit(dispute_selectors.given_to_merchant(payment))
    return ledger_selectors.balance(
        book_id=payment.book_id,
        code=chart.wallet_available(wallet_id),
        currency=payment.credit_currency,
    )


def _uncover(dispute: Dispute, move: DisputeMove) -> None:
    """What was written off or charged of what exceeds no more comes back: what is ours first."""
    for name in CARRIED:
        charged = getattr(dispute, f"{name}_charged")
        written_off = getattr(dispute, f"{name}_written_off")
        left = getattr(dispute, name) + getattr(move, name)
        back = max(charged + written_off - left, _NOTHING)
        ours = min(back, written_off)
        setattr(move, f"{name}_written_off", -ours)
        setattr(move, f"{name}_charged", -(back - ours))
    move.merchant_charged = (
        charge_for(
            dispute,
            dispute.excess_charged + move.excess_charged,
            dispute.shortfall_charged + move.shortfall_charged,
        )
        - dispute.merchant_charged
    )


def _mind_the_case(dispute: Dispute, actor: Actor, now: datetime) -> None:
    """Whatever exceeds and nobody has covered has an open case, and nothing else has."""
    case = dispute_selectors.find_open_case(dispute)
    is_carried = any(dispute.carried)
    if is_carried and case is None:
        opened = ExcessCase(
            id=ids.new_id(), book_id=dispute.book_id, dispute=dispute, opened_at=now
        )
        dispute_records.open_case(opened, now=now)
    elif case is not None and not is_carried:
        dispute_records.close_case(case, actor=actor, now=now)
