"""Writing disputes: the row, its event and its audit row, in one commit, as in `records`."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from apps.audit import services as audit
from apps.core import db
from apps.core.types import Actor
from apps.payments.models import Dispute, DisputeLine, DisputeMove, ExcessCase
from apps.payments.public import render_dispute
from apps.payments.records import FIXED, Table, tell

STALE_DISPUTE = "payments: the dispute has changed since it was read"
SYSTEM: Actor = "system"

_DISPUTE = Table(Dispute, FIXED | {"payment_id", "provider", "provider_reference", "currency"})
_MOVE = Table(DisputeMove, set())
_LINE = Table(DisputeLine, set())
_CASE = Table(ExcessCase, set())

_ADD = """
UPDATE payments_dispute SET amount_withdrawn = amount_withdrawn + %s,
    amount_returned = amount_returned + %s, provider_fee = provider_fee + %s
WHERE id = %s AND book_id = %s AND version = 0
"""


def insert_dispute(dispute: Dispute) -> None:
    """Note that there is a dispute of this name. Nothing is told: nothing is known of it yet.

    IntegrityError (when sent): somebody else noted it at this moment.
    """
    _DISPUTE.write_new(dispute)


def save_dispute(dispute: Dispute, *, event: str, actor: Actor, now: datetime) -> None:
    """Write what changed about a dispute, under its version.

    :raises db.GuardFailed: (when sent) the dispute has changed since it was read.
    """
    dispute.updated_at = now
    _DISPUTE.write_changes(dispute, stale=STALE_DISPUTE)
    tell(
        dispute,
        event,
        payload=render_dispute(dispute),
        facts={
            "status": str(dispute.status),
            "version": dispute.version,
            "payment": str(dispute.payment_id),
        },
        actor=actor,
        now=now,
        sequence=dispute.version,
    )


def require_unchanged(dispute: Dispute) -> None:
    """Guard the unit with the dispute's version, and keep its row locked until the commit."""
    db.require(
        "EXISTS (SELECT 1 FROM payments_dispute "
        "WHERE id = %s AND book_id = %s AND version = %s FOR UPDATE)",
        (dispute.id, dispute.book_id, dispute.version),
        what=STALE_DISPUTE,
    )


def insert_move(move: DisputeMove) -> None:
    """Note what a look at a dispute has moved; never changed."""
    _MOVE.write_new(move)


def insert_line(line: DisputeLine) -> None:
    """Note that a line of the provider's statement is booked; a second time is refused."""
    _LINE.write_new(line)


def count_line(dispute: Dispute, line: DisputeLine, *, now: datetime) -> None:
    """Add a booked line to what its dispute says of them. The dispute is locked by the caller.

    Of one that nothing is known of yet the numbers alone: its first event will tell them.
    """
    withdrawn, returned = max(-line.gross, Decimal(0)), max(line.gross, Decimal(0))
    if not dispute.is_known:
        values = (withdrawn, returned, line.provider_fee, dispute.id, dispute.book_id)
        db.write(_ADD, values, expect=1, what=STALE_DISPUTE)
        return
    dispute.amount_withdrawn += withdrawn
    dispute.amount_returned += returned
    dispute.provider_fee += line.provider_fee
    event = "dispute.funds_withdrawn" if withdrawn else "dispute.funds_returned"
    save_dispute(dispute, event=event, actor=SYSTEM, now=now)


def note_look(dispute: Dispute, *, now: datetime) -> None:
    """Note when the provider was asked last; nobody is told."""
    sql = "UPDATE payments_dispute SET looked_at = %s WHERE id = %s AND book_id = %s"
    db.write(sql, (now, dispute.id, dispute.book_id))


def note_files_sent(dispute: Dispute, *, now: datetime) -> None:
    """Note that the provider has the answer, and so the files that it names."""
    db.write(
        "UPDATE payments_dispute_file SET sent_at = %s "
        "WHERE book_id = %s AND dispute_id = %s AND purpose <> ''",
        (now, dispute.book_id, dispute.id),
    )


def open_case(case: ExcessCase, *, now: datetime) -> None:
    """Somebody has to look at what went out beyond the budget."""
    _CASE.write_new(case)
    note_of_case(case, "case.opened", actor=SYSTEM, now=now)


def close_case(case: ExcessCase, *, actor: Actor, now: datetime) -> None:
    """Nothing of it is left: it has come back, or somebody has decided about it.

    :raises db.GuardFailed: (when sent) it is closed already.
    """
    db.write(
        "UPDATE payments_excess_case SET closed_at = %s "
        "WHERE id = %s AND book_id = %s AND closed_at IS NULL",
        (now, case.id, case.book_id),
        expect=1,
        what="payments: the case is closed already",
    )
    note_of_case(case, "case.closed", actor=actor, now=now)


def note_of_case(
    case: ExcessCase, action: str, *, actor: Actor, now: datetime, **facts: int | str
) -> None:
    """Write the audit row of what became of a case."""
    audit.record(
        book_id=case.book_id,
        actor=actor,
        action=action,
        subject_id=case.id,
        subject_kind="case",
        facts={"dispute": str(case.dispute_id), **facts},
        now=now,
    )
