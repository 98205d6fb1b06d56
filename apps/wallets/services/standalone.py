"""Holds that a merchant places by hand: nobody's until a payment takes one over, and for a time.

A hold past its time is still open until the job has come by: it may be released, and no payment can
take it over any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import structlog
from celery.exceptions import SoftTimeLimitExceeded

from apps.core import db
from apps.core.money import Money
from apps.core.types import Actor
from apps.wallets import selectors
from apps.wallets.models import Hold, Wallet
from apps.wallets.services import holds
from apps.wallets.services.wallets import refuse_other_currency, refuse_unless_active
from apps.wallets.types import HoldStatus

DEFAULT_SECONDS = 7 * 24 * 3600
LONGEST_SECONDS = 30 * 24 * 3600
EXPIRY_BATCH = 100
EXPIRY_BATCHES = 50

log = structlog.get_logger(__name__)


def place_standalone_hold(
    *,
    wallet: Wallet,
    hold_id: UUID,
    amount: Money,
    expires_at: datetime,
    metadata: Mapping[str, str],
    actor: Actor,
    now: datetime,
) -> None:
    """Set `amount` of a wallet aside until `expires_at`.

    Transaction and retries: as `place_hold`.

    :raises WalletFrozen, WalletClosed, CurrencyMismatch: nothing of this goes out of it.
    :raises InsufficientFunds: (when sent) the wallet has less; the error says how much.
    :raises db.GuardFailed: (when sent) the wallet changed at this moment.
    """
    refuse_unless_active(wallet)
    refuse_other_currency(wallet, amount.currency.code)
    holds.place_hold(
        book_id=wallet.book_id,
        wallet_id=wallet.id,
        hold_id=hold_id,
        amount=amount,
        payment_id=None,
        expires_at=expires_at,
        metadata=metadata,
        actor=actor,
        now=now,
    )


def release_standalone_hold(
    *, book_id: UUID, wallet_id: UUID, hold_id: UUID, actor: Actor, now: datetime
) -> None:
    """Let go of a hold that nobody owns: all of it is available again.

    Transaction: joins the caller's unit or transaction.

    :raises NotFound: no such hold on this wallet.
    :raises HoldNotOpen, HoldOfPayment: it has ended, or somebody owns it.
    :raises db.GuardFailed: (when sent) it ended, or was taken over, at this moment.
    """
    hold = selectors.get_hold(book_id=book_id, wallet_id=wallet_id, id=hold_id)
    holds.refuse_unless_standalone(hold)
    _end(hold, "payment_id IS NULL", (), HoldStatus.RELEASED, actor=actor, now=now)


def expire_holds(*, now: datetime) -> int:
    """Let go of the stand-alone holds whose time is over, oldest due first; returns how many.

    At most `EXPIRY_BATCH` × `EXPIRY_BATCHES` of them. One that fails is logged and passed over, so
    that it keeps no other from its end.
    Retries: any number, by any number of workers: of two that end a hold, one finds nothing.
    Transaction: one of its own for each hold.
    """
    expired, last = 0, None
    for _ in range(EXPIRY_BATCHES):
        due = selectors.list_due_holds(now=now, after=last, limit=EXPIRY_BATCH)
        expired += sum(_expire(hold, now) for hold in due)
        if len(due) < EXPIRY_BATCH:
            break
        last = due[-1]
    return expired


def _expire(hold: Hold, now: datetime) -> bool:
    try:
        with db.unit():
            # A payment's hold has no such date.
            _end(hold, "expires_at <= %s", (now,), HoldStatus.EXPIRED, actor="system", now=now)
    except db.GuardFailed:
        return False  # somebody was faster
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        log.exception("wallets.hold_not_expired", hold_id=str(hold.id))
        return False
    return True


def _end(
    hold: Hold,
    condition: str,
    params: tuple[datetime, ...],
    status: HoldStatus,
    *,
    actor: Actor,
    now: datetime,
) -> None:
    """Release a hold, if it still is what the condition says when the unit is sent."""
    db.require(
        f"EXISTS (SELECT 1 FROM wallets_hold WHERE id = %s AND book_id = %s AND {condition}"  # noqa: S608
        " FOR UPDATE)",
        (hold.id, hold.book_id, *params),
        what=holds.NOT_OPEN,
    )
    holds.release_hold(
        book_id=hold.book_id,
        wallet_id=hold.wallet_id,
        hold_id=hold.id,
        held=Money(hold.amount, hold.currency),
        status=status,
        actor=actor,
        now=now,
    )
