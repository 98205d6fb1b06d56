"""Rows planted behind the code's back: past the triggers that guard how a row may come to be."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django.db import connection, transaction

from apps.core import clock, ids
from apps.payments.models import Payment, Refund
from apps.payments.types import Status

CAPTURED = (
    *(Status.CAPTURED, Status.SETTLED, Status.REFUNDED, Status.DISPUTED),
    Status.CHARGED_BACK,
)


def facts_of(status: str) -> dict[str, Any]:
    """Facts that a payment of this status can have: 100 paid, and what the headline needs."""
    if status not in CAPTURED:
        return {
            "amount_authorized": Decimal(0),
            "amount_captured": Decimal(0),
            "refund_reserved": Decimal(0),
            "amount_refunded": Decimal(0),
            "amount_disputed": Decimal(0),
            "amount_charged_back": Decimal(0),
            "settled_at": None,
        }
    whole, nothing = Decimal(100), Decimal(0)
    refunded = whole if status == Status.REFUNDED else nothing
    return {
        "amount_authorized": whole,
        "amount_captured": whole,
        "refund_reserved": refunded,
        "amount_refunded": refunded,
        "amount_disputed": whole if status == Status.DISPUTED else nothing,
        "amount_charged_back": whole if status == Status.CHARGED_BACK else nothing,
        "settled_at": clock.now() if status == Status.SETTLED else None,
    }


def payment_row(status: str = Status.CREATED, **facts: Any) -> Payment:
    """A payment that was not made but only says so."""
    now = clock.now()
    return Payment(
        **{
            "id": ids.new_id(),
            "book_id": uuid4(),
            "status": str(status),
            "currency": "USD",
            "credit_currency": facts.get("currency", "USD"),
            "amount": Decimal(100),
            "source": "pm_card_visa",
            "destination": "merchant_x",
            "provider": "stripe",
            "provider_token": "pm_card_visa",
            "fee_basis_points": 0,
            "fee_fixed": Decimal(0),
            "fee_returns_percentage": True,
            "fee_returns_fixed": False,
            "created_by": "test",
            "created_at": now,
            "updated_at": now,
            **facts_of(status),
            **facts,
        }
    )


def refund_row(payment: Payment, status: str = "PENDING", **facts: Any) -> Refund:
    now = clock.now()
    return Refund(
        **{
            "book_id": payment.book_id,
            "payment_id": payment.id,
            "status": status,
            "currency": payment.currency,
            "amount": Decimal(100),
            "card_amount": Decimal(100),
            "bearer_amount": Decimal(100),
            "created_by": "test",
            "created_at": now,
            "updated_at": now,
            **facts,
        }
    )


def plant(row: Any) -> Any:
    """Insert a row past the triggers; CHECKs and unique constraints hold for it all the same."""
    with behind_triggers():
        row.save(force_insert=True)
    return row


class behind_triggers:  # noqa: N801  reads as what it is: a context
    """Statements inside are not seen by triggers: what only a superuser of the server can do."""

    def __enter__(self) -> None:
        self._atomic = transaction.atomic()
        self._atomic.__enter__()
        execute("SET LOCAL session_replication_role = replica")

    def __exit__(self, *error: Any) -> None:
        self._atomic.__exit__(*error)


def execute(sql: str, *params: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)


def sqlstate_of(sql: str, *params: Any) -> str:
    """The state with which the database refuses a statement; empty if it takes it."""
    from django.db import Error

    try:
        with transaction.atomic():
            execute(sql, *params)
    except Error as error:
        state: str = getattr(error.__cause__, "sqlstate", "")
        return state
    return ""


def move(payment_id: UUID, status: str) -> str:
    """A raw UPDATE to another status, with facts that suit it; how the database refuses it."""
    facts = facts_of(status)
    sets = ", ".join(f"{name} = %s" for name in facts)
    return sqlstate_of(
        f"UPDATE payments_payment SET status = %s, {sets} WHERE id = %s",
        *(str(status), *facts.values(), payment_id),
    )
