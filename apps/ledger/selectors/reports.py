"""What a whole book says on a day, and what was posted under a reference."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from uuid import UUID

from django.db import connection

from apps.core.money import Money
from apps.ledger import chart
from apps.ledger.types import (
    AccountType,
    BookedLine,
    BookedTransaction,
    EntryType,
    TrialBalanceRow,
)

_ZERO = Decimal(0)

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


# From now back to the day: what is booked later is short, what came before is a checkpoint. Both
# are seen by one snapshot, because `ledger_balance` is STABLE.
_BOOKED_BALANCES = """
SELECT a.currency, ledger_balance(a.book_id, a.code, a.currency) - a.normal_side * coalesce((
    SELECT sum(e.entry_type * e.amount)
    FROM ledger_transaction t JOIN ledger_entry e ON e.transaction_id = t.id
    WHERE t.book_id = a.book_id AND t.booked_on > %(day)s AND e.account_id = a.id), 0)
FROM ledger_account a
WHERE a.book_id = %(book)s AND a.code = %(code)s
ORDER BY a.currency
"""


def booked_balances(*, book_id: UUID, code: str, day: date) -> list[Money]:
    """An account's balance at the end of an accounting day, by `booked_on`, in every currency.

    On its normal side, in the order of the currencies' codes, without those at zero. Final once
    the day is closed.

    :raises chart.UnknownCode: not a code of the chart.
    """
    chart.rule_of(code)
    with connection.cursor() as cursor:
        cursor.execute(_BOOKED_BALANCES, {"book": book_id, "code": code, "day": day})
        return [Money(total, currency) for currency, total in cursor.fetchall() if total]


def list_books_with(*, code: str) -> list[UUID]:
    """The books that have an account of this code, in any currency."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT b.id FROM ledger_book b WHERE EXISTS (SELECT FROM ledger_account a"
            " WHERE a.book_id = b.id AND a.code = %s) ORDER BY b.id",
            [code],
        )
        return [book_id for (book_id,) in cursor.fetchall()]


def list_currencies(*, book_id: UUID, codes: Sequence[str]) -> list[str]:
    """The currencies in which a book has an account of one of these codes, in their order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT currency FROM ledger_account WHERE book_id = %s AND code = ANY (%s)"
            " ORDER BY currency",
            [book_id, list(codes)],
        )
        return [currency for (currency,) in cursor.fetchall()]


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
