"""Money that comes back and has nowhere to go: a person says where, and the run that waits goes on.

An order is a fact on the row, written once under its lock; the run books it when it goes on.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from apps.core.errors import Conflict
from apps.core.types import Actor
from apps.payments import payout_selectors, records, selectors
from apps.payments.models import Payment, Payout
from apps.payments.services import compensations
from apps.payments.services.excess import require_reason
from apps.sagas import services as sagas
from apps.sagas.types import Status as RunStatus
from apps.wallets import selectors as wallets
from apps.wallets.types import WalletStatus

if TYPE_CHECKING:
    from apps.sagas.models import Run


class NobodyNeeded(Conflict):
    """No run waits for a person here, or somebody has decided already."""

    code = "not_awaiting_decision"
    says = "Nothing waits for a decision here: somebody was first, or nothing has come back."


class WalletOpen(Conflict):
    """The wallet takes the money itself."""

    code = "wallet_open"
    says = "The wallet is open and takes the money: let the run try again."


def note_sent_back(
    *, book_id: UUID, payment_id: UUID, reason: str, actor: Actor, now: datetime
) -> Payment:
    """Note that a captured bank transfer which could not be credited was sent back, all of it.

    A person has done it at the bank. The run goes on and ends.
    Retries: safe; noted once. Transaction: the caller's `atomic`; the payment stays locked.

    :raises ReasonMissing: there is none, or it is too long.
    :raises NobodyNeeded: no transfer waits for that, or somebody was first.
    """
    reason = require_reason(reason)
    payment = selectors.lock(book_id, payment_id)
    run = find_uncredited_run(payment)
    if run is None:
        raise NobodyNeeded
    compensations.sent_back(payment, now=now)
    records.save_payment(payment, event="payment.sent_back", actor=actor, now=now, reason=reason)
    sagas.retry(run_id=run.id, now=now)
    return payment


def find_uncredited_run(payment: Payment) -> Run | None:
    """The run of a bank transfer that came, could not be credited, and waits for a person."""
    if not payment.is_by_bank_transfer or not payment.is_captured:
        return None
    run = selectors.find_charge_run(payment)
    is_stuck = run is not None and run.status == RunStatus.NEEDS_ATTENTION and run.abort is not None
    return run if is_stuck and selectors.find_compensation(payment) is None else None


def find_stuck_run(payout: Payout) -> Run | None:
    """The run of a withdrawal that has come back and waits for somebody to say where it goes."""
    if payout.wallet_id is None or payout.to_merchant_at is not None:
        return None
    runs = (
        payout_selectors.find_check(payout.book_id, payout.id),
        payout_selectors.find_run(payout.book_id, payout.id),
    )
    return next((run for run in runs if run and run.status == RunStatus.NEEDS_ATTENTION), None)


def give_to_merchant(
    *, book_id: UUID, payout_id: UUID, reason: str, actor: Actor, now: datetime
) -> Payout:
    """Let the merchant have what comes back of a withdrawal whose wallet is closed for good.

    A customer has one wallet of a currency, so there is no other; the merchant owes it to them.
    Retries: safe; decided once.
    Transaction: the caller's `atomic`; the payout stays locked until its commit.

    :raises ReasonMissing: there is none, or it is too long.
    :raises NobodyNeeded: nothing has come back, or it is decided.
    :raises WalletOpen: it goes to the wallet.
    """
    reason = require_reason(reason)
    payout = payout_selectors.lock(book_id, payout_id)
    stuck = find_stuck_run(payout)
    if payout.wallet_id is None or stuck is None:
        raise NobodyNeeded
    wallet = wallets.get_wallet(book_id=book_id, id=payout.wallet_id)
    if wallet.status != WalletStatus.CLOSED:
        raise WalletOpen
    payout.to_merchant_at = now
    records.save_payout(payout, event="payout.redirected", actor=actor, now=now, reason=reason)
    sagas.retry(run_id=stuck.id, now=now)
    return payout
