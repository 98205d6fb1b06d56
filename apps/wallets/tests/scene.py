"""Customers and methods to test with."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import connection

from apps.core import clock, db
from apps.core.ids import new_id
from apps.merchants.tests.makers import Shop
from apps.wallets import selectors, services
from apps.wallets.types import MethodKind


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
    names = set()
    for invariant in selectors.INVARIANTS:
        with connection.cursor() as cursor:
            cursor.execute(invariant.sql)
            if cursor.fetchall():
                names.add(invariant.name)
    return names


def assert_books_hold() -> None:
    assert violated() == set()
