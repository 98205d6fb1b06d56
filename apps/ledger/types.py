"""The words of the books: sides, lines, postings, and what a reader of the books gets back."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from apps.core.money import Money


class EntryType(enum.IntEnum):
    """The side of an entry. The number is what the tables store: it makes a balance one `sum`."""

    DEBIT = 1
    CREDIT = -1


class AccountType(enum.StrEnum):
    ASSET = "asset"
    LIABILITY = "liability"
    EQUITY = "equity"
    REVENUE = "revenue"
    EXPENSE = "expense"


class Line(NamedTuple):
    """One line of a posting: so much on this side of that account.

    `amount` is positive and whole in its currency's minor unit; the side carries the direction.
    `guarded` refuses the posting if it takes from an account that is then below zero, whatever
    its floor. It is how a payout leaves `merchant:payable`, which refunds and outside facts may
    overdraw.
    A named tuple: a frozen dataclass costs three times as much to make, eight times a payment.
    """

    code: str
    side: EntryType
    amount: Money
    guarded: bool = False


def debit(code: str, amount: Money, *, guarded: bool = False) -> Line:
    return Line(code, EntryType.DEBIT, amount, guarded)


def credit(code: str, amount: Money, *, guarded: bool = False) -> Line:
    return Line(code, EntryType.CREDIT, amount, guarded)


@dataclass(frozen=True, slots=True)
class Posting:
    """One balanced transaction to be booked; `reference` is unique in its book."""

    reference: str
    kind: str
    lines: Sequence[Line]
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class BookedLine:
    """An entry as it stands in the books."""

    code: str
    side: EntryType
    amount: Money


@dataclass(frozen=True, slots=True)
class BookedTransaction:
    """A transaction as it stands in the books, its lines in the order of their numbers."""

    id: UUID
    book_id: UUID
    reference: str
    kind: str
    occurred_at: datetime
    booked_on: date
    created_at: datetime
    reverses_id: UUID | None
    lines: tuple[BookedLine, ...]


class Place(NamedTuple):
    """Where a transaction stands in an account's order: by when it was recorded, then by key."""

    created_at: datetime
    transaction_id: UUID

    @property
    def following(self) -> Place:
        """The place right after it, where no other can stand between."""
        return Place(self.created_at, UUID(int=self.transaction_id.int + 1))


@dataclass(frozen=True, slots=True)
class StatementLine:
    """What one transaction did to an account, or to several taken together.

    `amount` is signed: positive is what makes the account grow on its normal side; `balance` is the
    account's after it.
    """

    place: Place
    reference: str
    kind: str
    amount: Money
    balance: Money
    occurred_at: datetime
    booked_on: date


@dataclass(frozen=True, slots=True)
class History:
    """A page of what happened, newest first: opening + lines = closing.

    `more` says that there are further lines in the direction in which the page was turned.
    """

    opening: Money
    lines: tuple[StatementLine, ...]
    closing: Money
    more: bool


@dataclass(frozen=True, slots=True)
class Statement:
    """What happened in a period, oldest first: opening + lines = closing.

    `lines` may be gone through once. They are read as they are taken, some hundred at a time.
    """

    opening: Money
    closing: Money
    lines: Iterator[StatementLine]


@dataclass(frozen=True, slots=True)
class TrialBalanceRow:
    """An account's total at the end of an accounting day, in the column of its side."""

    code: str
    account_type: AccountType
    currency: str
    debit: Decimal
    credit: Decimal
