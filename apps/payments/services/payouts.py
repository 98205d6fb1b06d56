"""Payouts of a merchant's payable money, withdrawals from a wallet: what may leave, and whereto.

The amount is decided under the lock of the one balance it is drawn on, and taken from it in the
same commit. So two payouts at once, or a payout and a refund, never take the same money.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import connection, transaction

from apps.core import ids
from apps.core.errors import Conflict, DomainError, NotFound, Unprocessable
from apps.core.money import Money, from_minor, to_minor
from apps.core.types import Actor
from apps.gateways.types import payable_part, require_payable
from apps.ledger import chart
from apps.ledger import selectors as ledger_selectors
from apps.ledger import services as ledger
from apps.merchants import selectors as merchants
from apps.payments import payout_selectors, records
from apps.payments.models import Payout
from apps.payments.services.orders import Started
from apps.payments.services.tenders import spending_wallet
from apps.payments.types import NewPayout, PayoutKind
from apps.sagas import services as sagas
from apps.wallets import services as holding

if TYPE_CHECKING:
    from apps.merchants.models import BankAccount

log = structlog.get_logger(__name__)


class NoBankAccount(Unprocessable):
    """There is nowhere to send the money: no account of the owner's in this currency."""

    code = "no_bank_account"
    says = "There is no bank account in this currency. Add one first."


class BankAccountNotUsable(Conflict):
    """The account replaces another and waits, or it was removed."""

    code = "bank_account_not_usable"


class BalanceNegative(Conflict):
    """More was taken back than came in: nothing is paid out until receipts have covered it."""

    code = "balance_negative"


class PayoutTooLarge(Conflict):
    """More than what is payable."""

    code = "payout_exceeds_payable"


class PayoutTooSmall(Unprocessable):
    """Less than the least that was agreed."""

    code = "amount_too_small"


class PaidOutToday(Conflict):
    """The payout that leaves by itself has left today."""

    code = "paid_out_today"


def create_payout(
    *, payout_id: UUID, book_id: UUID, order: NewPayout, actor: Actor, now: datetime
) -> Started:
    """Write down a payout, its reservation and its run; whoever holds the answer drives it.

    Without an amount all that is payable leaves. What is pending and negative lessens it.
    Units: `order.amount_minor` is in minor units of its currency.
    Retries: the caller's idempotency key; the same `payout_id` twice is refused by it.
    Transaction: the caller's `atomic`; `merchant:payable` stays locked until its commit.

    :raises NotFound: the bank account is nobody's, or another owner's.
    :raises NoBankAccount, CurrencyMismatch, BankAccountNotUsable: it cannot go there.
    :raises BalanceNegative, PayoutTooLarge, PayoutTooSmall: it is not there to be paid out.
    :raises AmountNotExpressible: the provider can pay only a part of it.
    """
    account = _account(book_id, None, order, now)
    amount = _payable(book_id, order, now)
    return _start(payout_id, book_id, order, amount, account, actor=actor, now=now)


def create_withdrawal(
    *, payout_id: UUID, book_id: UUID, wallet: str, order: NewPayout, actor: Actor, now: datetime
) -> Started:
    """The same for a wallet's money, which goes to an account of its customer's.

    What cards put in within `PAYSYS_CARD_FUNDS_DELAY_HOURS` stays.
    Units, retries, transaction: as `create_payout`, with the wallet's available balance locked.

    :raises NotFound: wallet or bank account is nobody's, or another owner's.
    :raises WalletFrozen, WalletClosed: nothing leaves it.
    :raises NoBankAccount, CurrencyMismatch, BankAccountNotUsable: it cannot go there.
    :raises InsufficientFunds: there is less that may leave; the error says how much.
    :raises AmountNotExpressible: the provider can pay only a part of it.
    """
    assert order.amount_minor is not None
    amount = from_minor(order.amount_minor, order.currency)
    found = spending_wallet(book_id, wallet, amount, param="id")
    account = _account(book_id, found.customer_id, order, now)
    require_payable(provider=settings.PAYSYS_PROVIDER, amount=amount)
    holding.require_active(book_id=book_id, wallet_id=found.id, currency=order.currency)
    there = ledger.lock_balance(
        book_id=book_id, code=chart.wallet_available(found.id), currency=order.currency
    )
    since = now - timedelta(hours=settings.PAYSYS_CARD_FUNDS_DELAY_HOURS)
    stays = payout_selectors.topped_up_by_card(
        book_id=book_id, wallet_id=found.id, currency=order.currency, since=since
    )
    free = max(there - stays, Money(0, order.currency))
    if amount > free:
        raise ledger.InsufficientFunds(balance=free.amount, currency=order.currency)
    return _start(
        payout_id, book_id, order, amount, account, wallet_id=found.id, actor=actor, now=now
    )


def pay_out_daily(*, now: datetime) -> int:
    """Pay out what is payable to every merchant whose terms say daily; how many payouts it made.

    Retries: safe at any time, and rung for every hour: at most one such payout is made a day (UTC)
    and currency, whatever becomes of it.
    Transaction: one a payout. A merchant that cannot be paid keeps no other from it.
    """
    return sum(
        _paid_by_itself(book_id, currency, now)
        for book_id in merchants.list_paid_daily()
        for currency in ledger_selectors.list_currencies(
            book_id=book_id, codes=[chart.MERCHANT_PAYABLE]
        )
    )


def _paid_by_itself(book_id: UUID, currency: str, now: datetime) -> bool:
    if payout_selectors.has_automatic_payout(book_id=book_id, currency=currency, now=now):
        return False  # most of the day; whoever has to decide it asks again, under the lock
    order = NewPayout(currency=currency, kind=PayoutKind.AUTOMATIC)
    try:
        with transaction.atomic():
            started = create_payout(
                payout_id=ids.new_id(), book_id=book_id, order=order, actor="system", now=now
            )
        sagas.hand_over(started.run)
    except DomainError as refusal:
        facts = {"book_id": str(book_id), "currency": currency, "code": refusal.code}
        log.info("payments.not_paid_out", **facts)
        return False
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        log.exception("payments.payout_not_made", book_id=str(book_id), currency=currency)
        connection.close()  # the next merchant gets one that works
        return False
    return True


# --- small things ---------------------------------------------------------------------------------


def _payable(book_id: UUID, order: NewPayout, now: datetime) -> Money:
    """How much leaves, decided under the lock of the balance that it leaves."""
    assert connection.in_atomic_block, "what there is, is locked until it is taken"
    currency, provider = order.currency, settings.PAYSYS_PROVIDER
    if order.amount_minor is not None:
        require_payable(provider=provider, amount=from_minor(order.amount_minor, currency))
    there = ledger.lock_balance(book_id=book_id, code=chart.MERCHANT_PAYABLE, currency=currency)
    if order.kind is PayoutKind.AUTOMATIC and payout_selectors.has_automatic_payout(
        book_id=book_id, currency=currency, now=now
    ):
        raise PaidOutToday
    # Not locked, and never a reason to pay more: what is pending can only lessen what may leave.
    total = there + ledger_selectors.balance(
        book_id=book_id, code=chart.MERCHANT_PENDING, currency=currency
    )
    if total.amount < 0:
        raise BalanceNegative("The balance is negative.", balance=to_minor(total))
    free = max(min(there, total), Money(0, currency))
    amount = payable_part(provider=provider, amount=free)
    if order.amount_minor is not None:
        amount = from_minor(order.amount_minor, currency)
    if amount > free or not amount.amount:
        message = "More than what is payable." if amount.amount else "Nothing is payable."
        raise PayoutTooLarge(message, param="amount", remaining=to_minor(free))
    least = merchants.payout_terms(book_id).minimum(currency)
    if amount < least:
        raise PayoutTooSmall(
            "Less than the least that is paid out.", param="amount", smallest=to_minor(least)
        )
    return amount


def _account(
    book_id: UUID, customer_id: UUID | None, order: NewPayout, now: datetime
) -> BankAccount:
    """The account that was named, or the owner's own for this currency."""
    if order.bank_account_id is None:
        account = merchants.find_default_bank_account(
            book_id=book_id, customer_id=customer_id, currency=order.currency, now=now
        )
        if account is None:
            raise NoBankAccount(param="bank_account")
    else:
        account = merchants.get_bank_account(book_id=book_id, id=order.bank_account_id)
        if account.customer_id != customer_id:
            raise NotFound("The bank account is somebody else's.", param="bank_account")
    if account.currency != order.currency:
        raise holding.CurrencyMismatch(
            f"The bank account is in {account.currency}, not {order.currency}.",
            param="bank_account",
            currency=account.currency,
        )
    if account.removed_at is not None:
        raise BankAccountNotUsable("The bank account was removed.", param="bank_account")
    if account.usable_from > now:
        raise BankAccountNotUsable(
            "The bank account is new and cannot be paid to yet.",
            param="bank_account",
            usable_from=account.usable_from.isoformat().replace("+00:00", "Z"),
        )
    return account


def _start(
    payout_id: UUID,
    book_id: UUID,
    order: NewPayout,
    amount: Money,
    account: BankAccount,
    *,
    wallet_id: UUID | None = None,
    actor: Actor,
    now: datetime,
) -> Started:
    payout = Payout(
        id=payout_id,
        book_id=book_id,
        kind=order.kind if wallet_id is None else PayoutKind.WITHDRAWAL,
        currency=order.currency,
        amount=amount.amount,
        wallet_id=wallet_id,
        bank_account_id=account.id,
        provider=settings.PAYSYS_PROVIDER,
        description=order.description,
        metadata=order.metadata,
        created_by=actor,
        created_at=now,
        updated_at=now,
    )
    records.insert_payout(payout, actor=actor, now=now)
    run = sagas.start(saga="payout", book_id=book_id, subject_id=payout_id, now=now, subject=payout)
    return Started(payout, run)
