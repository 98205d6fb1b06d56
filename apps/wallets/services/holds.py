"""Money of a wallet set aside, taken, or let go.

A hold is ended once, by whoever owns it; every statement repeats what it assumes of the hold and of
the wallet, so that of two who end it one finds nothing (`db.GuardFailed`) and books nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from apps.audit import services as audit
from apps.core import db, ids
from apps.core.errors import Conflict
from apps.core.money import Money, to_minor
from apps.core.rows import Rows
from apps.core.types import Actor
from apps.ledger import chart
from apps.ledger import services as ledger
from apps.ledger.types import Line, credit, debit
from apps.wallets import selectors
from apps.wallets.models import Hold
from apps.wallets.services.wallets import require_active
from apps.wallets.types import HoldStatus

NOT_OPEN = "wallets: the hold is not open"
_HOLDS = Rows("wallets_hold", marks={"metadata": "%s::jsonb"})


class HoldNotOpen(Conflict):
    """A hold ends once; `status` says how this one did."""

    code = "hold_not_open"
    says = "This hold has ended."


class HoldOfPayment(Conflict):
    """A payment's hold is ended by the payment alone; `payment` says which."""

    code = "hold_of_payment"
    says = "This hold belongs to a payment: capture or void that."


def place_hold(
    *,
    book_id: UUID,
    wallet_id: UUID,
    hold_id: UUID,
    amount: Money,
    payment_id: UUID | None,
    expires_at: datetime | None = None,
    metadata: Mapping[str, str] | None = None,
    actor: Actor,
    now: datetime,
) -> None:
    """Set `amount` aside: for a payment, whose run ends it, or alone, until `expires_at`.

    Transaction: joins the caller's unit or transaction.
    Retries: the same `hold_id` twice is refused by the database.

    :raises InsufficientFunds: (when sent) the wallet has less; the error says how much.
    :raises db.GuardFailed: (when sent) the wallet is not active.
    """
    require_active(book_id=book_id, wallet_id=wallet_id, currency=amount.currency.code)
    db.insert(
        _HOLDS,
        {
            "id": hold_id,
            "book_id": book_id,
            "wallet_id": wallet_id,
            "currency": amount.currency.code,
            "amount": amount.amount,
            "captured": 0,
            "status": HoldStatus.OPEN.value,
            "payment_id": payment_id,
            "expires_at": expires_at,
            "metadata": json.dumps(dict(metadata or {})),
            "created_at": now,
        },
    )
    _post(
        book_id,
        f"hold:place:{ids.encode('hold', hold_id)}",
        [
            debit(chart.wallet_available(wallet_id), amount),
            credit(chart.wallet_held(wallet_id), amount),
        ],
        now,
    )
    _record(
        book_id=book_id, action="hold.placed", hold_id=hold_id, amount=amount, actor=actor, now=now
    )


def take_over_hold(
    *,
    book_id: UUID,
    wallet_id: UUID,
    hold_id: UUID,
    payment_id: UUID,
    actor: Actor,
    now: datetime,
) -> Money:
    """Give a stand-alone hold to a payment, whose run ends it from now on; what it holds.

    Transaction: joins the caller's unit or transaction.

    :raises NotFound: the wallet has no such hold.
    :raises HoldNotOpen: it has ended, or its time is over.
    :raises HoldOfPayment: a payment has it.
    :raises db.GuardFailed: (when sent) the same, in a race that was lost.
    """
    hold = selectors.get_hold(book_id=book_id, wallet_id=wallet_id, id=hold_id)
    refuse_unless_standalone(hold)
    if hold.expires_at is not None and hold.expires_at <= now:  # the job is still to come
        raise HoldNotOpen(status=HoldStatus.EXPIRED.value)
    db.write(
        "UPDATE wallets_hold SET payment_id = %s, expires_at = NULL WHERE id = %s AND book_id = %s"
        " AND status = 'OPEN' AND payment_id IS NULL",
        (payment_id, hold_id, book_id),
        expect=1,
        what=NOT_OPEN,
    )
    held = Money(hold.amount, hold.currency)
    _record(
        book_id=book_id,
        action="hold.taken_over",
        hold_id=hold_id,
        amount=held,
        actor=actor,
        now=now,
    )
    return held


def refuse_unless_standalone(hold: Hold) -> None:
    """Say why this hold is not to be had, as far as it was read; the guards decide.

    :raises HoldNotOpen, HoldOfPayment: it has ended, or somebody owns it.
    """
    if hold.status != HoldStatus.OPEN:
        raise HoldNotOpen(status=hold.status)
    if hold.payment_id is not None:
        raise HoldOfPayment(payment=ids.encode("pay", hold.payment_id))


def capture_hold(
    *,
    book_id: UUID,
    wallet_id: UUID,
    hold_id: UUID,
    held: Money,
    amount: Money,
    into: str,
    reference: str,
    actor: Actor,
    now: datetime,
) -> None:
    """Take `amount` of a hold of `held` into the account `into`; the rest is released with it.

    `reference` names the posting in its book. A frozen wallet's hold is captured all the same: it
    was promised before.
    Transaction: joins the caller's unit or transaction.

    :raises db.GuardFailed: (when sent) the hold is not open, or not of `held`.
    """
    _end(
        book_id=book_id,
        hold_id=hold_id,
        status=HoldStatus.CAPTURED,
        held=held,
        captured=amount,
        now=now,
    )
    lines = [debit(chart.wallet_held(wallet_id), held), credit(into, amount)]
    if held > amount:
        lines.append(credit(chart.wallet_available(wallet_id), held - amount))
    ledger.post(book_id=book_id, reference=reference, kind="capture", lines=lines, occurred_at=now)
    _record(
        book_id=book_id,
        action="hold.captured",
        hold_id=hold_id,
        amount=amount,
        actor=actor,
        now=now,
    )


def release_hold(
    *,
    book_id: UUID,
    wallet_id: UUID,
    hold_id: UUID,
    held: Money,
    status: HoldStatus = HoldStatus.RELEASED,
    actor: Actor,
    now: datetime,
) -> None:
    """Let go of a hold: all of it is available again. `status` says whether it expired.

    Transaction: joins the caller's unit or transaction.

    :raises db.GuardFailed: (when sent) the hold is not open, or not of `held`.
    """
    _end(book_id=book_id, hold_id=hold_id, status=status, held=held, captured=held * 0, now=now)
    _post(
        book_id,
        f"hold:release:{ids.encode('hold', hold_id)}",
        [
            debit(chart.wallet_held(wallet_id), held),
            credit(chart.wallet_available(wallet_id), held),
        ],
        now,
    )
    _record(
        book_id=book_id,
        action=f"hold.{status.lower()}",
        hold_id=hold_id,
        amount=held,
        actor=actor,
        now=now,
    )


def _end(
    *, book_id: UUID, hold_id: UUID, status: HoldStatus, held: Money, captured: Money, now: datetime
) -> None:
    db.change(
        _HOLDS,
        hold_id,
        {"status": status.value, "captured": captured.amount, "ended_at": now},
        expects={"book_id": book_id, "status": HoldStatus.OPEN.value, "amount": held.amount},
        sql="UPDATE wallets_hold SET status = %s, captured = %s, ended_at = %s"
        " WHERE id = %s AND book_id = %s AND status = 'OPEN' AND amount = %s",
        params=(status.value, captured.amount, now, hold_id, book_id, held.amount),
        expect=1,
        what=NOT_OPEN,
    )


def _post(book_id: UUID, reference: str, lines: list[Line], now: datetime) -> None:
    ledger.post(book_id=book_id, reference=reference, kind="hold", lines=lines, occurred_at=now)


def _record(
    *, book_id: UUID, action: str, hold_id: UUID, amount: Money, actor: Actor, now: datetime
) -> None:
    audit.record(
        book_id=book_id,
        actor=actor,
        action=action,
        subject_id=hold_id,
        subject_kind="hold",
        facts={"amount": to_minor(amount), "currency": amount.currency.code},
        now=now,
    )
