"""Following a dispute: what the provider tells of it becomes rows, events and postings.

Nothing here decides or refuses. What the dispute takes is set aside from whom the payment was
credited to, as far as the payment's money-out budget goes, and beyond it from us, with a case; what
comes back goes where it was taken, ours first.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from apps.core.money import from_minor
from apps.core.types import Actor
from apps.gateways import selectors as gateways_selectors
from apps.gateways import services as gateways
from apps.gateways.types import DisputeStage, ProviderDispute
from apps.payments import dispute_records, records, selectors
from apps.payments.models import MOVED, Dispute, DisputeMove, Payment
from apps.payments.sagas import refund as refunds
from apps.payments.services import taking
from apps.payments.types import DisputeStatus
from apps.wallets import services as wallets

SYSTEM: Actor = "system"
CANCELED = "payment_disputed"
_NOTHING = Decimal(0)
_TOLD = (
    *("status", "stage", "reason", "provider_reason", "network_reason_code", "amount", "due_by"),
    "accepted_at",
)
_ENDED = {
    DisputeStatus.WON: "dispute.won",
    DisputeStatus.PART_LOST: "dispute.part_lost",
    DisputeStatus.LOST: "dispute.lost",
}


def follow(dispute: Dispute, told: ProviderDispute, *, now: datetime) -> None:
    """Let the dispute be what the provider says, and move the money that goes with it.

    Retries: what is so already changes nothing but when it was looked at.
    Transaction: the caller's unit; guards it with the dispute's and the payment's version.
    """
    if told.currency != dispute.currency:
        raise RuntimeError("a dispute in another currency than its payment's")
    before, is_new = {**vars(dispute)}, not dispute.is_known
    _describe(dispute, told, now)
    _move(dispute, told, now)
    if is_new:
        dispute_records.save_dispute(dispute, event="dispute.created", actor=SYSTEM, now=now)
    event = _event(dispute, before, is_new=is_new)
    if event:
        dispute_records.save_dispute(dispute, event=event, actor=SYSTEM, now=now)
    if dispute.evidence_sent_at != before["evidence_sent_at"] and dispute.evidence_ordered_at:
        dispute_records.note_files_sent(dispute, now=now)
    dispute_records.note_look(dispute, now=now)


def grows(dispute: Dispute, told: ProviderDispute) -> bool:
    """Whether the provider's word takes more than the dispute has taken."""
    open_, lost = _taken(told, dispute.currency)
    return open_ + lost > dispute.amount_taken


def freeze_wallet(payment: Payment, *, now: datetime) -> bool:
    """Let nothing out of the wallet that a disputed top-up went to; False: nothing does anyway.

    Whoever takes what it still has does so in a later commit, when nothing goes out any more.
    """
    wallet_id = payment.destination_wallet_id
    return wallet_id is not None and wallets.freeze_as_read(
        book_id=payment.book_id, wallet_id=wallet_id, actor=SYSTEM, now=now
    )


def refuse_orders(dispute: Dispute, *, now: datetime) -> None:
    """The provider has not taken what was ordered: the merchant may order something else."""
    is_answer = dispute.accept_ordered_at is None
    dispute.accept_ordered_at = None
    if dispute.evidence_sent_at is None:
        dispute.evidence_ordered_at = None
    event = "dispute.evidence_refused" if is_answer else "dispute.accept_refused"
    dispute_records.save_dispute(dispute, event=event, actor=SYSTEM, now=now)


# --- what is told ---------------------------------------------------------------------------------


def _describe(dispute: Dispute, told: ProviderDispute, now: datetime) -> None:
    was = dispute.status
    lost = from_minor(told.amount_lost_minor, dispute.currency).amount
    amount = from_minor(told.amount_minor, dispute.currency).amount
    dispute.amount = max(amount, lost)
    dispute.status = _status(told, dispute.amount, lost)
    dispute.stage = DisputeStage.RETURN if dispute.payment.is_by_debit else told.stage
    dispute.reason = told.reason
    dispute.provider_reason = told.provider_reason[:100]
    dispute.network_reason_code = told.network_reason_code[:20]
    due_by = datetime.fromisoformat(told.due_by) if told.due_by else None
    if due_by != dispute.due_by:
        dispute.due_by, dispute.reminded_hours = due_by, None
    dispute.opened_at = dispute.opened_at or now
    if told.has_evidence and dispute.evidence_sent_at is None:
        dispute.evidence_sent_at = now
    if dispute.is_open:
        dispute.closed_at = None
    elif dispute.status != was:
        dispute.closed_at = now
    if dispute.status == DisputeStatus.LOST and dispute.accept_ordered_at:
        dispute.accepted_at = dispute.accepted_at or now


def _status(told: ProviderDispute, amount: Decimal, lost: Decimal) -> DisputeStatus:
    """Who won says what was lost: the provider's word for a part may be either."""
    if not told.status.is_over:
        return DisputeStatus(str(told.status).upper())
    if not lost:
        return DisputeStatus.WON
    return DisputeStatus.LOST if lost >= amount else DisputeStatus.PART_LOST


def _taken(told: ProviderDispute, currency: str) -> tuple[Decimal, Decimal]:
    """What is set aside, and what is lost. A question takes nothing."""
    if told.status.is_over:
        return _NOTHING, from_minor(told.amount_lost_minor, currency).amount
    if told.stage is DisputeStage.INQUIRY:
        return _NOTHING, _NOTHING
    return from_minor(told.amount_minor, currency).amount, _NOTHING


def _event(dispute: Dispute, before: dict[str, Any], *, is_new: bool) -> str:
    """What there is to tell; nothing if all is as it was."""
    if dispute.closed_at is not None and (is_new or before["status"] != dispute.status):
        is_reversed = not is_new and before["amount_lost"] > dispute.amount_lost
        return "dispute.reversed" if is_reversed else _ENDED[DisputeStatus(dispute.status)]
    if is_new:
        return ""
    if before["closed_at"] and dispute.closed_at is None:
        return "dispute.reopened"
    if before["stage"] == DisputeStage.INQUIRY and not dispute.is_inquiry:
        return "dispute.escalated"
    if dispute.evidence_sent_at != before["evidence_sent_at"]:
        return "dispute.evidence_received"
    is_same = all(getattr(dispute, name) == before[name] for name in (*MOVED, *_TOLD))
    return "" if is_same else "dispute.updated"


# --- what moves -----------------------------------------------------------------------------------


def _move(dispute: Dispute, told: ProviderDispute, now: datetime) -> None:
    """Take, or give back, the difference between what is told and what was moved so far.

    What it gives back of the budget may bear what another dispute took beyond it.
    """
    payment = dispute.payment
    open_, lost = _taken(told, dispute.currency)
    if (open_, lost) == (dispute.amount_open, dispute.amount_lost):
        return
    more = open_ + lost - dispute.amount_taken
    came_back = _cancel_unsent_refunds(payment, now) if more > 0 else _NOTHING
    move = taking.new_move(dispute, now=now)
    move.amount_open, move.amount_lost = open_ - dispute.amount_open, lost - dispute.amount_lost
    if more > 0:
        taking.take(dispute, move, more, gained=came_back)
    elif more < 0:
        taking.give_back(dispute, move, -more)
    taking.count(payment, move)
    gained = max(-move.bearer_amount, _NOTHING)
    claims = taking.claim(payment, but=dispute, gained=gained, now=now)
    _save_payment(payment, move, now)
    taking.book(dispute, move, now=now)
    taking.book_claims(claims, now=now)


def _save_payment(payment: Payment, move: DisputeMove, now: datetime) -> None:
    if move.amount_open > 0:
        event = "payment.disputed"
    elif move.amount_lost > 0:
        event = "payment.charged_back"
    else:
        event = "payment.dispute_won"
    if payment.is_captured:
        records.save_headline(payment, event=event, actor=SYSTEM, now=now)
    else:  # money that nobody here has taken: all of it exceeds
        records.save_payment(payment, event=event, actor=SYSTEM, now=now)


def _cancel_unsent_refunds(payment: Payment, now: datetime) -> Decimal:
    """A refund whose call was not promised is canceled; one that was goes on, within the budget.

    What comes back by it, to whom it was taken from, is the answer.
    The guard stands behind the payment's update, which waits for a promise that is being made.
    """
    came_back = _NOTHING
    for refund in selectors.list_open_refunds(payment.book_id, payment.id):
        if refund.is_compensation or gateways_selectors.list_calls(
            book_id=payment.book_id, subject_ids=[refund.id]
        ):
            continue
        refund.payment = payment  # one payment, not a second copy of it
        came_back += refunds.fail(payment, refund, CANCELED, now)
        gateways.require_uncalled(book_id=payment.book_id, subject_id=refund.id)
    return came_back
