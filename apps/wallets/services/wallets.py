"""Wallets: opened, frozen, closed; and what every movement of their money has to ask first.

Who takes money out guards the commit with `require_active`, who brings money in with
`require_open`: both hold the wallet's row as it is until the commit. A wallet changes only when it
gets that row for itself, so it is never closed over money that is on its way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction

from apps.audit import services as audit
from apps.core import db
from apps.core.errors import Conflict, NotFound, Unprocessable
from apps.core.money import to_minor
from apps.core.types import Actor
from apps.ledger import chart
from apps.ledger import services as ledger
from apps.wallets import selectors
from apps.wallets.models import Wallet
from apps.wallets.services.customers import require_customer
from apps.wallets.types import WalletStatus

NOT_ACTIVE = "wallets: the wallet is not active"
NOT_OPEN = "wallets: the wallet is closed"


class WalletExists(Conflict):
    """A customer has one wallet per currency; `wallet` is the one there is."""

    code = "wallet_exists"
    says = "This customer has a wallet in this currency already."


class WalletFrozen(Conflict):
    """Nothing goes out of a frozen wallet; money still comes in."""

    code = "wallet_frozen"
    says = "This wallet is frozen: nothing goes out of it."


class WalletClosed(Conflict):
    """A closed wallet has ended: nothing goes out of it, and nothing comes in."""

    code = "wallet_closed"
    says = "This wallet is closed."


class WalletNotEmpty(Conflict):
    """Only an empty wallet is closed; `available` and `held` say what it still has."""

    code = "wallet_not_empty"
    says = "This wallet still holds money."


class CurrencyMismatch(Unprocessable):
    """A wallet holds one currency, and this is another."""

    code = "currency_mismatch"


def require_active(*, book_id: UUID, wallet_id: UUID, currency: str) -> None:
    """Guard the caller's commit: the wallet lets money out, and stays so until the commit.

    :raises db.GuardFailed: (when sent) it is frozen, closed, of another currency or nobody's.
    """
    db.require(
        "EXISTS (SELECT 1 FROM wallets_wallet WHERE id = %s AND book_id = %s AND currency = %s"
        " AND status = 'ACTIVE' FOR SHARE)",
        (wallet_id, book_id, currency),
        what=NOT_ACTIVE,
    )


def require_open(*, book_id: UUID, wallet_id: UUID, currency: str) -> None:
    """Guard the caller's commit: the wallet takes money in, and is not closed before the commit.

    :raises db.GuardFailed: (when sent) it is closed, of another currency or nobody's.
    """
    db.require(
        "EXISTS (SELECT 1 FROM wallets_wallet WHERE id = %s AND book_id = %s AND currency = %s"
        " AND status <> 'CLOSED' FOR SHARE)",
        (wallet_id, book_id, currency),
        what=NOT_OPEN,
    )


def require_open_now(*, book_id: UUID, wallet_id: UUID) -> None:
    """As `require_open`, but read first: for a step that must know that the business says no.

    :raises WalletClosed: it is closed.
    :raises db.GuardFailed: (when sent) it was closed since.
    """
    wallet = selectors.get_wallet(book_id=book_id, id=wallet_id)
    refuse_unless_open(wallet)
    require_open(book_id=book_id, wallet_id=wallet_id, currency=wallet.currency)


def is_open_now(*, book_id: UUID, wallet_id: UUID) -> bool:
    """Whether the wallet takes money, for money that comes in any case: another takes it if not.

    A closed wallet stays closed; that an open one does until the caller's commit is guarded.

    :raises db.GuardFailed: (when sent) it was closed since.
    """
    wallet = selectors.get_wallet(book_id=book_id, id=wallet_id)
    if wallet.status == WalletStatus.CLOSED:
        return False
    require_open(book_id=book_id, wallet_id=wallet_id, currency=wallet.currency)
    return True


def refuse_unless_active(wallet: Wallet) -> None:
    """Say why nothing goes out of this wallet, as far as it was read; the guard decides.

    :raises WalletFrozen, WalletClosed: it is.
    """
    if wallet.status == WalletStatus.FROZEN:
        raise WalletFrozen
    refuse_unless_open(wallet)


def refuse_unless_open(wallet: Wallet) -> None:
    """Say why nothing comes into this wallet, as far as it was read; the guard decides.

    :raises WalletClosed: it is.
    """
    if wallet.status == WalletStatus.CLOSED:
        raise WalletClosed


def refuse_other_currency(wallet: Wallet, currency: str) -> None:
    """:raises CurrencyMismatch: the wallet's is another."""
    if wallet.currency != currency:
        raise CurrencyMismatch(
            f"This wallet holds {wallet.currency}, not {currency}.", param="currency"
        )


def open_wallet(
    *,
    book_id: UUID,
    wallet_id: UUID,
    customer_id: UUID,
    currency: str,
    metadata: Mapping[str, str],
    actor: Actor,
    now: datetime,
) -> None:
    """Open a customer's wallet in a currency. Its accounts are opened by their first postings.

    Retries: the same `wallet_id` twice is refused by the database.
    Transaction: joins the caller's unit or transaction.

    :raises NotFound: no such customer, or another merchant's.
    :raises CustomerErased: there was one.
    :raises IntegrityError: (when sent) the customer has one in this currency: `WalletExists`.
    :raises db.GuardFailed: (when sent) the customer was erased at this moment.
    """
    require_customer(book_id=book_id, customer_id=customer_id)
    db.write(
        "INSERT INTO wallets_wallet"
        " (id, book_id, customer_id, currency, status, metadata, version)"
        " VALUES (%s, %s, %s, %s, 'ACTIVE', %s::jsonb, 1)",
        (wallet_id, book_id, customer_id, currency, json.dumps(dict(metadata))),
    )
    made = Wallet(id=wallet_id, book_id=book_id, currency=currency)
    _record(made, "wallet.opened", actor, now)


def freeze_wallet(*, book_id: UUID, wallet_id: UUID, actor: Actor, now: datetime) -> None:
    """Let nothing out of the wallet until it is unfrozen. What was promised before is kept.

    Open holds are captured, released and expire as ever, and money comes in.
    Retries: freezing again changes nothing.
    Transaction: its own, or a part of the caller's.

    :raises NotFound: no such wallet, or another merchant's.
    :raises WalletClosed: it has ended.
    """
    with transaction.atomic():
        wallet = _locked(book_id, wallet_id)
        refuse_unless_open(wallet)
        _move(wallet, WalletStatus.FROZEN, "wallet.frozen", actor, now)


def freeze_as_read(*, book_id: UUID, wallet_id: UUID, actor: Actor, now: datetime) -> bool:
    """As `freeze_wallet`, inside the caller's unit; False if nothing goes out of it as it is.

    :raises NotFound: no such wallet, or another merchant's.
    :raises db.GuardFailed: (when sent) it was frozen or closed since.
    """
    wallet = selectors.get_wallet(book_id=book_id, id=wallet_id)
    if wallet.status != WalletStatus.ACTIVE:
        return False
    db.write(
        "UPDATE wallets_wallet SET status = 'FROZEN', version = version + 1"
        " WHERE id = %s AND book_id = %s AND status = 'ACTIVE'",
        (wallet_id, book_id),
        expect=1,
        what=NOT_ACTIVE,
    )
    _record(wallet, "wallet.frozen", actor, now)
    return True


def unfreeze_wallet(*, book_id: UUID, wallet_id: UUID, actor: Actor, now: datetime) -> None:
    """Let money out of the wallet again.

    Retries, transaction, errors: as `freeze_wallet`.
    """
    with transaction.atomic():
        wallet = _locked(book_id, wallet_id)
        refuse_unless_open(wallet)
        _move(wallet, WalletStatus.ACTIVE, "wallet.unfrozen", actor, now)


def close_wallet(*, book_id: UUID, wallet_id: UUID, actor: Actor, now: datetime) -> None:
    """End an empty wallet for good: nothing available, nothing held, nothing on its way in.

    Retries: closing again changes nothing.
    Transaction: its own, or a part of the caller's; locks the wallet, then its two balances.

    :raises NotFound: no such wallet, or another merchant's.
    :raises WalletNotEmpty: there is money in it; the error says how much.
    """
    with transaction.atomic():
        wallet = _locked(book_id, wallet_id)
        available, held = (
            ledger.lock_balance(book_id=book_id, code=code, currency=wallet.currency)
            for code in (chart.wallet_available(wallet_id), chart.wallet_held(wallet_id))
        )
        if available.amount or held.amount:
            raise WalletNotEmpty(
                available=to_minor(available), held=to_minor(held), currency=wallet.currency
            )
        _move(wallet, WalletStatus.CLOSED, "wallet.closed", actor, now)


def _locked(book_id: UUID, wallet_id: UUID) -> Wallet:
    rows = Wallet.objects.select_for_update(no_key=True)
    wallet = rows.filter(book_id=book_id, id=wallet_id).first()
    if wallet is None:
        raise NotFound("No such wallet.")
    return wallet


def _move(wallet: Wallet, to: WalletStatus, action: str, actor: Actor, now: datetime) -> None:
    """Give a locked wallet another state, if it is not in it."""
    if wallet.status == to:
        return
    wallet.status = to
    wallet.closed_at = now if to is WalletStatus.CLOSED else None
    wallet.version += 1
    wallet.save(update_fields=["status", "closed_at", "version"])
    _record(wallet, action, actor, now)


def _record(wallet: Wallet, action: str, actor: Actor, now: datetime) -> None:
    audit.record(
        book_id=wallet.book_id,
        actor=actor,
        action=action,
        subject_id=wallet.id,
        subject_kind="wallet",
        facts={"currency": wallet.currency},
        now=now,
    )
