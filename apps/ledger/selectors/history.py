"""What happened on an account, line by line: a page of it, or a whole period.

A line is what one transaction did. Of several accounts taken together (a merchant's pending and
payable money, say) a line is what it did to their sum.

On a row account entries stand in the order of its locks, so whoever sees one of them sees all
before it: its history is read up to this moment. Of other accounts something may still appear
before what is there already, until the books are settled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from apps.core.errors import InvalidRequest
from apps.core.money import Money
from apps.ledger import chart
from apps.ledger.selectors.balances import NotSettled, require_settled, settled_until
from apps.ledger.types import History, Place, Statement, StatementLine

MAX_PAGE = 500
FIRST = UUID(int=0)  # no transaction's: the place of a moment before everything in it
BEGINNING = datetime.min.replace(tzinfo=UTC)
END = datetime.max.replace(tzinfo=UTC)
_ZERO = Decimal(0)


class UnknownLine(InvalidRequest):
    """The transaction that a page should go on from has no line on this account."""


class Accounts(NamedTuple):
    """One or several accounts of a book and currency, read as one."""

    book_id: UUID
    codes: Sequence[str]
    currency: str

    are_read_up_to_now: bool  # one row account alone: nobody orders the locks of two


def history(
    *,
    book_id: UUID,
    codes: Sequence[str],
    currency: str,
    since: datetime | None = None,
    until: datetime | None = None,
    older_than: UUID | None = None,
    newer_than: UUID | None = None,
    limit: int = 10,
) -> History:
    """A page of what was recorded from `since` on and before `until`, newest first.

    The newest lines, or those next to a transaction: older than it, or newer. All of the page is of
    one snapshot: the newest page closes with the balance of that moment. Costs the same wherever it
    is and however long the history, but for a walk of a checkpoint's length.

    :raises UnknownLine: the transaction has no line here.
    :raises chart.UnknownCode: not a code of the chart.
    """
    accounts = _known(book_id, codes, currency)
    limit = min(limit, MAX_PAGE)
    first, end = Place(since or BEGINNING, FIRST), Place(until or END, FIRST)
    if newer_than is not None:
        place = max(_place_of(accounts, newer_than).following, first)
        edge, found = _page(accounts, place, end.created_at, limit + 1, is_upward=True)
        lines = _running(accounts, edge, found[:limit])
        opening, closing = edge, (lines[-1].balance.amount if lines else edge)
        lines.reverse()
    else:
        place = end if older_than is None else min(_place_of(accounts, older_than), end)
        edge, found = _page(accounts, place, first.created_at, limit + 1, is_upward=False)
        page = found[:limit][::-1]
        opening, closing = edge - sum((row.moved for row in page), _ZERO), edge
        lines = _running(accounts, opening, page)[::-1]
    return History(
        opening=Money(opening, currency),
        lines=tuple(lines),
        closing=Money(closing, currency),
        more=len(found) > limit,
    )


def statement(
    *,
    book_id: UUID,
    codes: Sequence[str],
    currency: str,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Statement:
    """Everything recorded from `since` on and before `until`, oldest first.

    Its end is fixed when it is called, whatever is posted while the lines are taken: for one row
    account the last line there is, else what is settled. What leaves the sum of several accounts
    as it was is no line. One period's closing is the next one's opening.
    Lines are read as they are taken, outside of any transaction or in the caller's.

    :raises NotSettled: several accounts or one without a row, and `until` is too recent.
    :raises chart.UnknownCode: not a code of the chart.
    """
    accounts = _known(book_id, codes, currency)
    if not accounts.are_read_up_to_now:
        settled = settled_until()
        until = until or settled
        if until is None:
            raise NotSettled("The books are not settled up to any moment yet.")
        require_settled(until, settled)
    first = Place(since or BEGINNING, FIRST)
    end = Place(until or END, FIRST)
    closing, newest = _page(accounts, max(end, first), first.created_at, 1, is_upward=False)
    if not newest:
        return Statement(Money(closing, currency), Money(closing, currency), iter(()))
    opening, rows = _page(accounts, first, end.created_at, MAX_PAGE, is_upward=True)
    return Statement(
        opening=Money(opening, currency),
        closing=Money(closing, currency),
        lines=_through(accounts, rows, newest[0].place, opening=opening, closing=closing),
    )


def _known(book_id: UUID, codes: Sequence[str], currency: str) -> Accounts:
    rules = [chart.rule_of(code) for code in codes]
    return Accounts(book_id, codes, currency, len(rules) == 1 and rules[0].has_row)


class _Row(NamedTuple):
    """A line as the database has it."""

    place: Place
    moved: Decimal
    reference: str
    kind: str
    occurred_at: datetime
    booked_on: Any


def _through(
    accounts: Accounts, rows: list[_Row], last: Place, *, opening: Decimal, closing: Decimal
) -> Iterator[StatementLine]:
    """All lines from the first `rows` to the last place, page by page, with the balance after."""
    running = opening
    while rows:
        wanted = [row for row in rows if row.place <= last]
        for line in _running(accounts, running, wanted):
            running = line.balance.amount
            if line.amount.amount:
                yield line
        if len(wanted) < MAX_PAGE or wanted[-1].place == last:
            break
        place = wanted[-1].place.following
        _, rows = _page(accounts, place, END, MAX_PAGE, is_upward=True, with_balance=False)
    if running != closing:
        # Whoever reads this by now must not take it for whole.
        raise AssertionError(f"a statement that does not add up: {accounts}")


def _running(accounts: Accounts, opening: Decimal, rows: Sequence[_Row]) -> list[StatementLine]:
    """Lines, oldest first, with the balance after each."""
    lines = []
    for row in rows:
        opening += row.moved
        lines.append(
            StatementLine(
                place=row.place,
                reference=row.reference,
                kind=row.kind,
                amount=Money(row.moved, accounts.currency),
                balance=Money(opening, accounts.currency),
                occurred_at=row.occurred_at,
                booked_on=row.booked_on,
            )
        )
    return lines


_PAGE = (
    "SELECT * FROM ledger_page(%s::uuid, %s::text[], %s, %s::timestamptz, %s::uuid,"
    " %s::timestamptz, %s, %s, %s)"
)


def _page(
    accounts: Accounts,
    place: Place,
    end: datetime,
    limit: int,
    *,
    is_upward: bool,
    with_balance: bool = True,
) -> tuple[Decimal, list[_Row]]:
    """The balance before `place`, and the lines next to it: from it on upwards, or below it.

    Upwards they are recorded before `end`, downwards not before it.
    """
    asked: list[Any] = [
        *(accounts.book_id, list(accounts.codes), accounts.currency),
        *(place.created_at, place.transaction_id, end, is_upward, with_balance, limit),
    ]
    with connection.cursor() as cursor:
        cursor.execute(_PAGE, asked)
        rows = cursor.fetchall()
    found = [_Row(Place(row[1], row[2]), *row[3:]) for row in rows if row[1] is not None]
    return rows[0][0] or _ZERO, found


_PLACE = """
SELECT e.created_at FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id
WHERE e.transaction_id = %s AND a.book_id = %s AND a.code = ANY (%s) AND a.currency = %s LIMIT 1
"""


def _place_of(accounts: Accounts, transaction_id: UUID) -> Place:
    with connection.cursor() as cursor:
        cursor.execute(
            _PLACE,
            [transaction_id, accounts.book_id, list(accounts.codes), accounts.currency],
        )
        row = cursor.fetchone()
    if row is None:
        raise UnknownLine("No such line on this account.")
    return Place(row[0], transaction_id)
