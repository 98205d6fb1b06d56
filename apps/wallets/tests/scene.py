"""Customers, methods, wallets and holds to test with."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from apps.core import clock, db, ids
from apps.core.ids import new_id
from apps.core.money import Money, from_minor, to_minor
from apps.ledger import chart
from apps.ledger import services as ledger
from apps.ledger.types import Line, credit, debit
from apps.merchants.tests.makers import Shop
from apps.wallets import selectors, services
from apps.wallets.types import MethodKind
from paysys.testing import books


def make_customer(shop: Shop, *, name: str | None = None, **more: Any) -> UUID:
    customer_id = new_id()
    with db.unit():
        services.create_customer(
            book_id=shop.book_id,
            customer_id=customer_id,
            name=name,
            email=more.get("email"),
            metadata=more.get("metadata", {}),
            actor="system",
            now=clock.now(),
        )
    return customer_id


def make_method(shop: Shop, customer_id: UUID | None = None, token: str = "pm_card_visa") -> UUID:
    with db.unit():
        stored = services.store_payment_method(
            book_id=shop.book_id,
            payment_method_id=new_id(),
            customer_id=customer_id,
            kind=MethodKind.CARD,
            provider="stripe",
            token=token,
            actor="system",
            now=clock.now(),
        )
    return stored.id


def error_of(answer: Any) -> dict[str, Any]:
    return answer.json()["error"]


def violated() -> set[str]:
    """The invariants that do not hold, of every app but payments: a capture here has no payment."""
    return set(books.violations(but="payments"))


def assert_books_hold() -> None:
    assert violated() == set()


def make_wallet(
    shop: Shop, customer_id: UUID | None = None, *, currency: str = "USD", holding: int = 0
) -> UUID:
    """A customer's wallet, with so many minor units in it."""
    wallet_id = new_id()
    customer_id = customer_id or make_customer(shop)
    with db.unit():
        services.open_wallet(
            book_id=shop.book_id,
            wallet_id=wallet_id,
            customer_id=customer_id,
            currency=currency,
            metadata={},
            actor="system",
            now=clock.now(),
        )
    if holding:
        top_up(shop, wallet_id, from_minor(holding, currency))
    return wallet_id


def usd(minor: int) -> Money:
    return from_minor(minor, "USD")


def top_up(shop: Shop, wallet_id: UUID, amount: Money, *, reference: str = "") -> None:
    """Money comes in, as whoever credits a wallet books it."""
    move(
        shop,
        [
            debit(chart.provider_clearing("stripe"), amount),
            credit(chart.wallet_available(wallet_id), amount),
        ],
        reference=reference,
        guard=services.require_open,
        wallet_id=wallet_id,
    )


def spend(shop: Shop, wallet_id: UUID, amount: Money, *, reference: str = "") -> None:
    """Money goes out, as whoever debits a wallet books it."""
    move(
        shop,
        [
            debit(chart.wallet_available(wallet_id), amount),
            credit(chart.MERCHANT_PENDING, amount),
        ],
        reference=reference,
        guard=services.require_active,
        wallet_id=wallet_id,
    )


def move(
    shop: Shop, lines: list[Line], *, wallet_id: UUID, guard: Any, reference: str = ""
) -> None:
    with db.unit():
        guard(book_id=shop.book_id, wallet_id=wallet_id, currency=lines[0].amount.currency.code)
        ledger.post(
            book_id=shop.book_id,
            reference=reference or f"test:{new_id()}",
            kind="test",
            lines=lines,
            occurred_at=clock.now(),
        )


def make_hold(
    shop: Shop, wallet_id: UUID, amount: int = 100, *, lasts: timedelta = timedelta(days=7)
) -> UUID:
    """A stand-alone hold of so many minor units."""
    hold_id, now = new_id(), clock.now()
    wallet = selectors.get_wallet(book_id=shop.book_id, id=wallet_id)
    with db.unit():
        services.place_standalone_hold(
            wallet=wallet,
            hold_id=hold_id,
            amount=from_minor(amount, wallet.currency),
            expires_at=now + lasts,
            metadata={},
            actor="system",
            now=now,
        )
    return hold_id


def capture(shop: Shop, wallet_id: UUID, hold_id: UUID, amount: Money | None = None) -> None:
    """Take a hold, or a part of it, as a payment that owns it does."""
    hold = selectors.get_hold(book_id=shop.book_id, wallet_id=wallet_id, id=hold_id)
    held = Money(hold.amount, hold.currency)
    with db.unit():
        services.capture_hold(
            book_id=shop.book_id,
            wallet_id=wallet_id,
            hold_id=hold_id,
            held=held,
            amount=held if amount is None else amount,
            into=chart.PAYMENT_UNALLOCATED,
            reference=f"capture:{ids.encode('hold', hold_id)}",
            actor="system",
            now=clock.now(),
        )


def holds_of(shop: Shop, wallet_id: UUID) -> tuple[int, int]:
    """What a wallet has, in minor units: available and held."""
    wallet = selectors.get_wallet(book_id=shop.book_id, id=wallet_id)
    balance = selectors.balance_at(wallet=wallet)
    return to_minor(balance.available), to_minor(balance.held)


def wal(wallet_id: UUID) -> str:
    """The address of a wallet."""
    return f"/v1/wallets/{ids.encode('wallet', wallet_id)}"
