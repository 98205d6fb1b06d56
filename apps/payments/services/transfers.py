"""Money from one wallet of a merchant's to another: one commit, and nobody outside."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from apps.core.errors import Unprocessable
from apps.core.money import Money
from apps.core.types import Actor
from apps.payments import postings, records
from apps.payments.models import Transfer
from apps.payments.services.tenders import receiving_wallet, spending_wallet, wallet_id_of
from apps.wallets import services as wallets


class SelfTransfer(Unprocessable):
    """From a wallet to itself."""

    code = "self_transfer"
    says = "A wallet cannot transfer to itself."


def transfer(
    *,
    transfer_id: UUID,
    book_id: UUID,
    from_wallet: str,
    to_wallet: str,
    amount: Money,
    description: str = "",
    metadata: dict[str, str],
    trusts_wallets: bool = False,
    actor: Actor,
    now: datetime,
) -> Transfer:
    """Move `amount` from wallet to wallet, both named by their public ids.

    With `trusts_wallets` neither is looked at: the commit's guards decide, and a caller whose
    guards failed tries again without it, to hear what is wrong.
    Retries: the caller's idempotency key; the same `transfer_id` twice is refused by it.
    Transaction: joins the caller's unit or transaction. Both balances are locked in the order of
    their accounts, so two transfers against each other do not meet in a deadlock.

    :raises NotFound: a wallet is nobody's, or another merchant's.
    :raises SelfTransfer: they are one.
    :raises WalletFrozen, WalletClosed, CurrencyMismatch: one of them cannot take part.
    :raises InsufficientFunds: (when sent) there is less.
    :raises db.GuardFailed: (when sent) one of them changed, or is not what it was trusted to be.
    """
    currency = amount.currency.code
    source_id, target_id = wallet_id_of(from_wallet, "from"), wallet_id_of(to_wallet, "to")
    if not trusts_wallets:
        spending_wallet(book_id, from_wallet, amount, param="from")
        receiving_wallet(book_id, to_wallet, currency, param="to")
    if source_id == target_id:
        raise SelfTransfer(param="to")
    made = Transfer(
        id=transfer_id,
        book_id=book_id,
        from_wallet_id=source_id,
        to_wallet_id=target_id,
        currency=currency,
        amount=amount.amount,
        description=description,
        metadata=metadata,
        created_by=actor,
        created_at=now,
    )
    wallets.require_active(book_id=book_id, wallet_id=source_id, currency=currency)
    wallets.require_open(book_id=book_id, wallet_id=target_id, currency=currency)
    records.insert_transfer(made, actor=actor, now=now)
    postings.transferred(made, occurred_at=now)
    return made
