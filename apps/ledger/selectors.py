"""Everything that reads the books.

`at`, `since` and `until` mean recorded time: when *we* knew. A past moment is answered only once
nothing can be recorded before it any more, so an answer once given does not change. Accounting days
(`booked_on`) are the trial balance's business.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from apps.core.errors import Conflict
from apps.core.money import Money
from apps.ledger import chart
from apps.ledger.invariants import INVARIANTS
from apps.ledger.types import (
    AccountType,
    BookedLine,
    BookedTransaction,
    EntryType,
    Place,
    Statement,
    StatementLine,
    TrialBalanceRow,
)

__all__ = [
    "INVARIANTS",
    "MAX_PAGE",
    "NotSettled",
    "balance",
    "settled_until",
    "statement",
    "transaction_by_reference",
    "trial_balance",
]

MAX_PAGE = 500
_ZERO = Decimal(0)


class NotSettled(Conflict):
    """The moment is so recent that something may still be recorded before it."""

    code = "not_settled"
    retry_after = 60


_NOW = "SELECT ledger_balance(%s::uuid, %s, %s)"
_AT = "SELECT settled, balance FROM ledger_balance_at(%s::uuid, %s, %s, %s::timestamptz)"
_SETTLED = "SELECT ledger_settled_until()"


def balance(*, book_id: UUID, code: str, currency: str, at: datetime | None = None) -> Money:
    """An account's balance on its normal side: positive is what one expects of it.

    Now: of a row account what its row holds, of any other its last checkpoint and the entries after
    it. `at`: with everything recorded up to that moment. An account nobody has posted to is zero.
    No decision to let money out may rest on this: a guarded line decides that.

    :raises NotSettled: `at` is later than `settled_until()`.
    :raises chart.UnknownCode: not a code of the chart.
    """
    chart.rule_of(code)
    with connection.cursor() as cursor:
        if at is None:
            cursor.execute(_NOW, [book_id, code, currency])
            (found,) = cursor.fetchone()
        else:
            cursor.execute(_AT, [book_id, code, currency, at])
            settled, found = cursor.fetchone()
            _require_settled(at, settled)
    return Money(found or _ZERO, currency)


def settled_until() -> datetime | None:
    """The moment up to which nothing can be recorded any more; None before the first horizon."""
    with connection.cursor() as cursor:
        cursor.execute(_SETTLED)
        found: datetime | None = cursor.fetchone()[0]
        return found


def _require_settled(at: datetime, settled: datetime | None) -> None:
    if settled is None or at > settled:
        until = settled.isoformat() if settled else "no moment yet"
        raise NotSettled(f"{at.isoformat()} is too recent; the books are settled until {until}.")


_STATEMENT = """
SELECT e.created_at, e.transaction_id, e.line, t.reference, t.kind, e.entry_type, e.amount,
       t.occurred_at, t.booked_on
FROM ledger_account a
JOIN ledger_entry e ON e.account_id = a.id
JOIN ledger_transaction t ON t.id = e.transaction_id
WHERE a.book_id = %(book)s AND a.code = %(code)s AND a.currency = %(currency)s
  AND e.created_at > %(since)s AND e.created_at <= %(until)s
  AND (e.created_at, e.transaction_id, e.line) > (%(created)s, %(transaction)s, %(line)s)
ORDER BY e.created_at, e.transaction_id, e.line
LIMIT %(limit)s
"""

_MOVED = """
SELECT a.normal_side * sum(e.entry_type * e.amount)
FROM ledger_account a JOIN ledger_entry e ON e.account_id = a.id
WHERE a.book_id = %(book)s AND a.code = %(code)s AND a.currency = %(currency)s
  AND e.created_at > %(since)s
  AND (e.created_at, e.transaction_id, e.line) <= (%(created)s, %(transaction)s, %(line)s)
GROUP BY a.id
"""


def statement(
    *,
    book_id: UUID,
    code: str,
    currency: str,
    since: datetime,
    until: datetime,
    after: Place | None = None,
    limit: int = 100,
) -> Statement:
    """A page of what happened on an account: everything recorded after `since` and up to `until`.

    Oldest first, at most `limit` lines (and `MAX_PAGE`), beginning after the line whose `place` is
    `after`. Opening and closing balance are those of the page, so pages add up.

    :raises NotSettled: `until` is later than `settled_until()`.
    :raises chart.UnknownCode: not a code of the chart.
    """
    side = chart.rule_of(code).normal_side
    limit = min(limit, MAX_PAGE)
    running = balance(book_id=book_id, code=code, currency=currency, at=since).amount
    _require_settled(until, settled_until())
    place = after or Place(since, UUID(int=0), 0)
    asked: dict[str, Any] = {
        "book": book_id,
        "code": code,
        "currency": currency,
        "since": since,
        "until": until,
        "created": place.created_at,
        "transaction": place.transaction_id,
        "line": place.line,
        "limit": limit + 1,
    }
    with connection.cursor() as cursor:
        if after is not None:
            cursor.execute(_MOVED, asked)
            moved = cursor.fetchone()
            running += moved[0] if moved else _ZERO
        cursor.execute(_STATEMENT, asked)
        rows = cursor.fetchall()
    opening = running
    lines: list[StatementLine] = []
    for row in rows[:limit]:
        running += side * row[5] * row[6]
        lines.append(_statement_line(row, currency, running))
    return Statement(
        opening=Money(opening, currency),
        lines=tuple(lines),
        closing=Money(running, currency),
        until=until,
        more=len(rows) > limit,
    )


def _statement_line(row: tuple[Any, ...], currency: str, running: Decimal) -> StatementLine:
    return StatementLine(
        place=Place(*row[:3]),
        reference=row[3],
        kind=row[4],
        side=EntryType(row[5]),
        amount=Money(row[6], currency),
        balance=Money(running, currency),
        occurred_at=row[7],
        booked_on=row[8],
    )


# Closed days are written down; what follows the last of them is added from its entries.
_TRIAL_BALANCE = """
WITH closed AS MATERIALIZED (
    SELECT max(d.day) AS day FROM ledger_day d
    WHERE d.book_id = %(book)s AND d.status = 'CLOSED' AND d.day <= %(day)s
), later AS MATERIALIZED (
    SELECT e.account_id, sum(e.amount * e.entry_type) AS moved
    FROM closed
    JOIN ledger_transaction t ON t.book_id = %(book)s AND t.booked_on <= %(day)s
         AND t.booked_on > coalesce(closed.day, '-infinity')
    JOIN ledger_entry e ON e.transaction_id = t.id
    GROUP BY e.account_id
)
SELECT a.code, a.account_type, a.currency,
       a.normal_side * coalesce(c.balance, 0) + coalesce(l.moved, 0) AS debit
FROM ledger_account a CROSS JOIN closed
LEFT JOIN LATERAL (
    SELECT p.balance FROM ledger_closing p
    WHERE p.account_id = a.id AND p.day <= closed.day ORDER BY p.day DESC LIMIT 1
) c ON true
LEFT JOIN later l ON l.account_id = a.id
WHERE a.book_id = %(book)s
ORDER BY a.currency, a.code
"""


def trial_balance(*, book_id: UUID, day: date) -> list[TrialBalanceRow]:
    """Every account of a book with its total at the end of an accounting day, by `booked_on`.

    In each currency the debit column and the credit column add up to the same. Final once the day
    is closed. Accounts at zero are left out.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TRIAL_BALANCE, {"book": book_id, "day": day})
        rows = cursor.fetchall()
    return [
        TrialBalanceRow(
            code=code,
            account_type=AccountType(account_type),
            currency=currency,
            debit=max(total, _ZERO),
            credit=max(-total, _ZERO),
        )
        for code, account_type, currency, total in rows
        if total
    ]


_BY_REFERENCE = """
SELECT t.id, t.book_id, t.reference, t.kind, t.occurred_at, t.booked_on, t.created_at,
       t.reverses_id, a.code, e.entry_type, e.amount, e.currency
FROM ledger_transaction t
JOIN ledger_entry e ON e.transaction_id = t.id
JOIN ledger_account a ON a.id = e.account_id
WHERE t.book_id = %s AND t.reference = %s
ORDER BY e.line
"""


def transaction_by_reference(*, book_id: UUID, reference: str) -> BookedTransaction | None:
    """What was posted under this reference, or None: how a lost COMMIT is looked up."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_REFERENCE, [book_id, reference])
        rows = cursor.fetchall()
    if not rows:
        return None
    lines = tuple(
        BookedLine(code, EntryType(side), Money(amount, currency))
        for *_, code, side, amount, currency in rows
    )
    first = rows[0]
    return BookedTransaction(
        id=first[0],
        book_id=first[1],
        reference=first[2],
        kind=first[3],
        occurred_at=first[4],
        booked_on=first[5],
        created_at=first[6],
        reverses_id=first[7],
        lines=lines,
    )
