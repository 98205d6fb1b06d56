"""Wallets with money in them, and what is in them."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import transaction

from apps.core import clock, ids
from apps.core.money import Money, from_minor, to_minor
from apps.ledger import chart
from apps.ledger import services as ledger
from apps.ledger.types import credit, debit
from apps.payments.tests.conftest import Merchant
from apps.payments.tests.rows import execute
from apps.wallets import services as wallets


def wallet(merchant: Merchant, minor: int = 0, currency: str = "USD") -> str:
    """A new customer's wallet that holds so much, paid into our bank account; its public id."""
    customer_id, wallet_id, now = ids.new_id(), ids.new_id(), clock.now()
    with transaction.atomic():
        wallets.create_customer(
            book_id=merchant.book_id,
            customer_id=customer_id,
            name=None,
            email=None,
            metadata={},
            actor="system",
            now=now,
        )
        wallets.open_wallet(
            book_id=merchant.book_id,
            wallet_id=wallet_id,
            customer_id=customer_id,
            currency=currency,
            metadata={},
            actor="system",
            now=now,
        )
    if minor:
        fund(merchant, wallet_id, from_minor(minor, currency))
    return ids.encode("wallet", wallet_id)


def fund(merchant: Merchant, wallet_id: UUID, amount: Money) -> None:
    with transaction.atomic():
        ledger.post(
            book_id=merchant.book_id,
            reference=f"cash:{ids.new_id()}",
            kind="cash",
            lines=[
                debit(chart.PLATFORM_BANK, amount),
                credit(chart.wallet_available(wallet_id), amount),
            ],
            occurred_at=clock.now(),
        )


def take(merchant: Merchant, public_id: str, amount: Money) -> None:
    """Some of it leaves by our bank account, whatever the state of the wallet."""
    wallet_id = ids.decode("wallet", public_id)
    with transaction.atomic():
        ledger.post(
            book_id=merchant.book_id,
            reference=f"cash:{ids.new_id()}",
            kind="cash",
            lines=[
                debit(chart.wallet_available(wallet_id), amount),
                credit(chart.PLATFORM_BANK, amount),
            ],
            occurred_at=clock.now(),
        )


def held(merchant: Merchant, public_id: str, minor: int) -> str:
    """A stand-alone hold on a wallet in dollars, for a day; its public id."""
    hold_id, now = ids.new_id(), clock.now()
    with transaction.atomic():
        wallets.place_hold(
            book_id=merchant.book_id,
            wallet_id=ids.decode("wallet", public_id),
            hold_id=hold_id,
            amount=from_minor(minor, "USD"),
            payment_id=None,
            expires_at=now + timedelta(days=1),
            actor="system",
            now=now,
        )
    return ids.encode("hold", hold_id)


def inside(merchant: Merchant, public_id: str, currency: str = "USD") -> tuple[int, int]:
    """What is available and what is held, in minor units."""
    wallet_id = ids.decode("wallet", public_id)
    codes = (chart.wallet_available(wallet_id), chart.wallet_held(wallet_id))
    available, held = (to_minor(merchant.balance(code, currency)) for code in codes)
    return available, held


def set_status(public_id: str, status: str) -> None:
    """Frozen or closed, as staff would do it."""
    closed = "now()" if status == "CLOSED" else "NULL"
    execute(
        f"UPDATE wallets_wallet SET status = %s, closed_at = {closed} WHERE id = %s",
        status,
        ids.decode("wallet", public_id),
    )
