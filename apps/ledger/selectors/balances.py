"""Balances: of now, and of any moment that is settled."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection

from apps.core.errors import Conflict
from apps.core.money import Money
from apps.ledger import chart

_ZERO = Decimal(0)


class NotSettled(Conflict):
    """The moment is so recent that something may still be recorded before it."""

    code = "not_settled"
    retry_after = 60


_NOW = """
SELECT ledger_balance(%s::uuid, u.code, u.currency)
FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY u (code, currency, number) ORDER BY u.number
"""
_AT = """
SELECT x.balance, x.settled
FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY u (code, currency, number)
CROSS JOIN LATERAL ledger_balance_at(%s::uuid, u.code, u.currency, %s::timestamptz) x
ORDER BY u.number
"""
_SETTLED = "SELECT ledger_settled_until()"


def balance(*, book_id: UUID, code: str, currency: str, at: datetime | None = None) -> Money:
    """An account's balance on its normal side: positive is what one expects of it.

    Now: of a row account what its row holds, of any other its last checkpoint and the entries after
    it. `at`: with everything recorded up to that moment. An account nobody has posted to is zero.
    No decision to let money out may rest on this: a guarded line decides that.

    :raises NotSettled: `at` is later than `settled_until()`.
    :raises chart.UnknownCode: not a code of the chart.
    """
    (found,) = balances(book_id=book_id, accounts=[(code, currency)], at=at)
    return found


def balances(
    *, book_id: UUID, accounts: Sequence[tuple[str, str]], at: datetime | None = None
) -> list[Money]:
    """The balances of several accounts, given as code and currency, in one snapshot.

    What was moved from one to the other is in exactly one of them. For the rest as `balance`.

    :raises NotSettled: `at` is later than `settled_until()`.
    :raises chart.UnknownCode: not a code of the chart.
    """
    for code, _ in accounts:
        chart.rule_of(code)
    codes = [code for code, _ in accounts]
    currencies = [currency for _, currency in accounts]
    with connection.cursor() as cursor:
        if at is None:
            cursor.execute(_NOW, [book_id, codes, currencies])
        else:
            cursor.execute(_AT, [codes, currencies, book_id, at])
        rows = cursor.fetchall()
    if at is not None and rows:
        require_settled(at, rows[0][1])
    return [
        Money(row[0] or _ZERO, currency) for row, currency in zip(rows, currencies, strict=True)
    ]


def settled_until() -> datetime | None:
    """The moment up to which nothing can be recorded any more; None before the first horizon."""
    with connection.cursor() as cursor:
        cursor.execute(_SETTLED)
        found: datetime | None = cursor.fetchone()[0]
        return found


def require_settled(at: datetime, settled: datetime | None) -> None:
    """Refuse a moment that is later than the one up to which the books are settled.

    :raises NotSettled: it is.
    """
    if settled is None or at > settled:
        until = settled.isoformat() if settled else "no moment yet"
        raise NotSettled(f"{at.isoformat()} is too recent; the books are settled until {until}.")
