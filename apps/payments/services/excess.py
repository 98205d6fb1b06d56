"""What a person decides about excess: the merchant is charged for it, or we bear it.

Decided once, by a guarded write under the payment's lock. Whoever decides says at which version of
the dispute they looked: a second click, or somebody who was slower, is told to look again. What
lessens the excess later gives back what was decided about it (`services.taking`).
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from apps.core import ids
from apps.core.errors import Conflict, NotFound, Unprocessable
from apps.core.money import Money, shown, to_minor
from apps.core.types import Actor
from apps.payments import dispute_records, dispute_selectors, selectors
from apps.payments.models import Dispute, DisputeMove, ExcessCase
from apps.payments.services import taking
from apps.payments.services.suspense import CaseNotOpen

REASON_LIMIT = 200  # characters


class CaseChanged(Conflict):
    """Somebody has decided, or something has happened, since this was looked at."""

    code = "case_changed"
    says = "This case has changed since you looked at it: look again."


class MoreThanIsOpen(Conflict):
    """More is to be decided about than the case still has."""

    code = "amount_exceeds_case"


class ReasonMissing(Unprocessable):
    """Whoever decides says why."""

    code = "reason_missing"
    says = "Say why, in at most 200 characters."


def require_reason(reason: str) -> str:
    """:raises ReasonMissing: there is none, or it is too long."""
    reason = reason.strip()
    if not 0 < len(reason) <= REASON_LIMIT:
        raise ReasonMissing(param="reason")
    return reason


def charge(
    *, case_id: UUID, amount: Money, seen: int, reason: str, actor: Actor, now: datetime
) -> Dispute:
    """Let the merchant bear `amount` of a case, out of its payable balance, which may go below
    zero; of a converted payment at the payment's rate. The merchant hears of it.

    `amount` is in a currency that the case carries, `seen` the version of the dispute that was
    looked at.
    Retries: safe; decided once for each `seen`.
    Transaction: the caller's `atomic`; the payment and the dispute stay locked until its commit.

    :raises NotFound: there is no such case.
    :raises CaseNotOpen: it is closed.
    :raises CaseChanged: the dispute has changed since it was seen.
    :raises MoreThanIsOpen: not that much is carried in this currency.
    :raises ReasonMissing: there is none, or it is too long.
    """
    return _decide("charged", case_id, amount, seen=seen, reason=reason, actor=actor, now=now)


def write_off(
    *, case_id: UUID, amount: Money, seen: int, reason: str, actor: Actor, now: datetime
) -> Dispute:
    """Bear `amount` of a case ourselves, as a loss.

    Parameters, retries, transaction and errors: as `charge`.
    """
    return _decide("written_off", case_id, amount, seen=seen, reason=reason, actor=actor, now=now)


def _decide(
    what: str, case_id: UUID, amount: Money, *, seen: int, reason: str, actor: Actor, now: datetime
) -> Dispute:
    reason = require_reason(reason)
    case, dispute = _lock(case_id, seen)
    move = taking.new_move(dispute, now=now)
    _share_out(dispute, move, what, amount)
    move.merchant_charged = (
        taking.charge_for(
            dispute,
            dispute.excess_charged + move.excess_charged,
            dispute.shortfall_charged + move.shortfall_charged,
        )
        - dispute.merchant_charged
    )
    dispute_records.note_of_case(
        case,
        f"case.{what}",
        actor=actor,
        now=now,
        amount=to_minor(amount),
        currency=amount.currency.code,
        reason=reason,
    )
    taking.book(dispute, move, actor=actor, now=now)
    dispute_records.save_dispute(dispute, event=f"dispute.excess_{what}", actor=actor, now=now)
    return dispute


def _lock(case_id: UUID, seen: int) -> tuple[ExcessCase, Dispute]:
    """The case and its dispute, locked behind the payment: whoever moves its money waits there."""
    case = ExcessCase.objects.select_related("dispute").filter(id=case_id).first()
    if case is None:
        raise NotFound(f"No such case: {ids.encode('case', case_id)}.")
    payment = selectors.lock(case.book_id, case.dispute.payment_id)
    dispute = dispute_selectors.lock(case.book_id, case.dispute_id)
    dispute.payment = payment
    if ExcessCase.objects.get(id=case_id).closed_at is not None:
        raise CaseNotOpen("Nothing of this case is left.")
    if dispute.version != seen:
        raise CaseChanged
    return case, dispute


def _share_out(dispute: Dispute, move: DisputeMove, what: str, amount: Money) -> None:
    """Of what exceeded the budget first, then of what a wallet did not have.

    :raises MoreThanIsOpen: not that much is carried in this currency.
    """
    left = amount
    for name in taking.CARRIED:
        there = dispute.carried_of(name)
        if there.currency == left.currency:
            part = min(left, there)
            setattr(move, f"{name}_{what}", part.amount)
            left -= part
    if left.amount or amount.amount <= 0:
        carried = ", ".join(shown(one) for one in dispute.carried)
        raise MoreThanIsOpen(f"Of this case {carried} is left.", param="amount")
