"""Postings: one balanced transaction, a batch of them, and its reversal.

A posting is one call of one function in the database, so that it can travel in one message with the
rest of its step (`core.db.unit`). Accounts need no preparation: the first posting that names a code
of the chart opens it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connection

from apps.core import db
from apps.core.errors import CardError
from apps.core.ids import new_id
from apps.core.money import Money, exponent, to_minor
from apps.ledger import chart
from apps.ledger.types import EntryType, Line, Posting

MAX_LINES = 100
MAX_POSTINGS = 1_000
_ZERO = Decimal(0)


class Misposting(Exception):
    """A bug in whoever posts: nothing was booked, and trying again will not help.

    `facts` holds what is known of it: `reference`, in a batch `position` (from 1), `account`.
    """

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message, facts)
        self.facts = facts


class Unbalanced(Misposting):
    """Debits and credits differ in some currency, or the lines are no transaction at all."""


class UnknownAccount(Misposting):
    """No account of the chart has this code."""


class NotWhole(Misposting):
    """An amount that is not positive, or has more decimals than its currency."""


class ReferenceReused(Misposting):
    """The reference was posted before with other content."""


class NoRow(Misposting):
    """A guarded line on an account that keeps no balance to guard."""


class UnknownTransaction(Misposting):
    """There is nothing to reverse: no transaction of the book has this reference."""


class AlreadyReversed(Misposting):
    """A transaction is reversed once, and this one was, under another reference."""


class InsufficientFunds(CardError):
    """An account would fall below its floor, or a guarded line would take it below zero.

    The answer says what there is: `available` in minor units, and its `currency`. `facts` are for
    us: the account, the reference, in a batch the position.
    """

    code = "insufficient_funds"
    says = "The balance does not cover this amount."

    def __init__(self, message: str = "", **facts: Any) -> None:
        extra = {}
        if "balance" in facts:
            currency = facts["currency"]
            available = to_minor(Money(Decimal(str(facts["balance"])), currency))
            extra = {"available": available, "currency": currency}
        super().__init__(message, **extra)
        self.facts = facts


def _raised_as(kind: type[Misposting]) -> Callable[[str, str], Exception]:
    def build(message: str, detail: str) -> Exception:
        return kind(message, **(json.loads(detail) if detail else {}))

    return build


db.ERRORS.update(
    {
        "LG001": _raised_as(Unbalanced),
        "LG002": _raised_as(UnknownAccount),
        "LG004": lambda _message, detail: InsufficientFunds(
            **json.loads(detail, parse_float=Decimal)
        ),
        "LG005": _raised_as(ReferenceReused),
        "LG007": _raised_as(NoRow),
        "LG008": _raised_as(UnknownTransaction),
        "LG009": _raised_as(AlreadyReversed),
    }
)

# No casts: there is one function of each name, and every cast would be looked up at every call.
_POST = "SELECT ledger_post(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
_POST_MANY = "SELECT ledger_post_many(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
_REVERSE = "SELECT ledger_reverse(%s::uuid, %s::uuid, %s, %s, %s::timestamptz)"


def post(
    *,
    book_id: UUID,
    reference: str,
    kind: str,
    lines: Sequence[Line],
    occurred_at: datetime,
) -> None:
    """Book one balanced transaction and move the row balances it touches.

    Units: every line holds a positive `Money`, already rounded to its currency's minor unit; the
    side carries the direction, the sign never does.
    Retries: `reference` makes it idempotent in its book. The same reference with the same kind and
    lines books nothing again; `occurred_at` is then the first one's.
    Transaction: joins the caller's unit or `atomic()` block. Inside a unit the errors marked * are
    raised when the unit is sent. Row accounts stay locked, in the order of their codes, until the
    commit; other accounts are never locked. Several postings of one transaction lock one after the
    other, so two such transactions can meet in a deadlock (40P01), which is retried as a whole;
    `post_many` locks all rows of a batch at once.

    :raises Unbalanced: debits and credits differ in some currency.
    :raises UnknownAccount: a code that is not of the chart.
    :raises NotWhole: an amount that is not positive or not whole in its minor unit.
    :raises ReferenceReused: * the reference was posted before with other content.
    :raises InsufficientFunds: * an account would fall below its floor.
    :raises NoRow: a guarded line on an account without a row.
    """
    assert db.is_open(), "a posting needs a transaction: db.unit() or atomic()"
    codes, currencies, amounts, guarded = _columns(lines, reference)
    accounts, in_currencies, signed = _array(codes), _array(currencies), _array(amounts)
    db.write(
        _POST,
        (
            str(new_id()),
            str(book_id),
            reference,
            kind,
            occurred_at.isoformat(),
            _fingerprint(kind, accounts, in_currencies, signed),
            accounts,
            in_currencies,
            signed,
            _array(map(str, guarded)) if guarded else None,
        ),
    )


def post_many(*, book_id: UUID, postings: Sequence[Posting]) -> None:
    """Book a batch of one book in one call, all of it or nothing; order matters to floors.

    Floors are checked after every posting, in the order given: a credit earlier in the batch pays
    for a debit later in it. A reference met twice in the batch is a repeat, as it is across calls.
    Units, retries, transaction: as `post`; at most `MAX_POSTINGS`. Three to eight times as many
    postings a second as one by one, and all row accounts of the batch are locked at once.

    :raises Misposting: one of `post`'s; `facts` names the position (from 1) and the reference.
    :raises InsufficientFunds: * with the same facts.
    """
    assert db.is_open(), "a posting needs a transaction: db.unit() or atomic()"
    if len(postings) > MAX_POSTINGS:
        raise ValueError(f"{len(postings)} postings in one batch; {MAX_POSTINGS} are the most")
    if not postings:
        return
    db.write(_POST_MANY, _batch(book_id, postings))


def reverse(
    *, book_id: UUID, reference: str, reversal_reference: str, occurred_at: datetime
) -> None:
    """Book the offsetting transaction of an earlier one: nothing is ever edited or deleted.

    The reversal has the kind of what it reverses and the sides exchanged; it obeys floors.
    Retries: `reversal_reference` makes it idempotent.
    Transaction: as `post`.

    :raises UnknownTransaction: * nothing was posted under `reference`.
    :raises AlreadyReversed: * it was reversed under another reference.
    :raises ReferenceReused: * `reversal_reference` is something else.
    :raises InsufficientFunds: * an account would fall below its floor.
    """
    assert db.is_open(), "a reversal needs a transaction: db.unit() or atomic()"
    db.write(
        _REVERSE,
        (
            str(new_id()),
            str(book_id),
            reference,
            reversal_reference,
            occurred_at.isoformat(),
        ),
    )


def lock_balance(*, book_id: UUID, code: str, currency: str) -> Money:
    """A row account's balance, which nobody else changes until the caller's transaction ends.

    For a decision that a guarded line cannot make: how much of what there is to take. An account
    that nobody has posted to is zero and locks nothing: a posting that takes from it is refused.
    Transaction: the caller's `atomic()`; in the lock order this is a balance row, the last.

    :raises NoRow: the account keeps no balance to lock.
    """
    assert connection.in_atomic_block, "a lock lasts as long as its transaction"
    if not chart.rule_of(code).has_row:
        raise NoRow("only a row account is locked", account=code)
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_lock_balance(%s, %s, %s)", [book_id, code, currency])
        (found,) = cursor.fetchone()
    return Money(found or _ZERO, currency)


def require_balance(*, book_id: UUID, code: str, amount: Money) -> None:
    """Guard the caller's commit: a row account has at least `amount`, and keeps it until then.

    For a decision that takes what there is, made on a balance that was read and not locked.

    :raises db.GuardFailed: (when sent) it has less.
    """
    db.require(
        "coalesce(ledger_lock_balance(%s, %s, %s), 0) >= %s",
        (book_id, code, amount.currency.code, amount.amount),
        what="ledger: the balance has changed since it was read",
    )


@lru_cache(maxsize=256)
def _quantum(currency: str) -> Decimal:
    return Decimal(1).scaleb(-exponent(currency))


def _columns(
    lines: Sequence[Line], reference: str
) -> tuple[list[str], list[str], list[str], list[int]]:
    """Check a posting's lines and turn them into columns: codes, currencies, signed amounts.

    Sorted by account, which is the order in which rows are locked. Of one account what raises it
    comes first and guarded lines last, so that a floor is met by what the whole posting leaves. The
    same lines always make the same columns. The last holds the numbers of guarded lines.
    """
    if not 2 <= len(lines) <= MAX_LINES:
        raise Unbalanced("a transaction has 2 to 100 lines", reference=reference)
    rows: list[tuple[str, str, bool, Decimal, Decimal]] = []
    sums: dict[str, Decimal] = {}
    for code, side, money, guarded in lines:
        amount, currency = money.amount, money.currency.code
        if amount <= 0 or amount != amount.quantize(_quantum(currency)):
            raise NotWhole(f"{amount} {currency}", reference=reference, account=code)
        if side is EntryType.CREDIT:
            amount = -amount
        sums[currency] = sums.get(currency, _ZERO) + amount
        try:
            falls, has_row = _traits(code)
        except chart.UnknownCode:
            raise UnknownAccount("not of the chart", reference=reference, account=code) from None
        fall = falls * amount
        if guarded and not has_row:
            raise NoRow("a guarded line needs a row account", reference=reference, account=code)
        rows.append((code, currency, guarded and fall > 0, fall, amount))
    if any(sums.values()):
        raise Unbalanced("debits and credits differ", reference=reference)
    rows.sort()
    return (
        [row[0] for row in rows],
        [row[1] for row in rows],
        [f"{row[4]:.4f}" for row in rows],
        [number for number, row in enumerate(rows, 1) if row[2]],
    )


@lru_cache(maxsize=65_536)
def _traits(code: str) -> tuple[int, bool]:
    """The factor that turns a signed amount into the account's fall, and whether it has a row."""
    rule = chart.rule_of(code)
    return -rule.normal_side.value, rule.has_row


def _fingerprint(kind: str, codes: str, currencies: str, amounts: str) -> str:
    """What must be equal for a repeated reference to be a repeat, as a `bytea` literal."""
    content = f"{kind}\n{codes}\n{currencies}\n{amounts}"
    return "\\x" + hashlib.sha256(content.encode()).hexdigest()


def _batch(book_id: UUID, postings: Sequence[Posting]) -> tuple[Any, ...]:
    """The parameters of `ledger_post_many`: each account once, lines pointing at it by number.

    Arrays are written as literals here: the driver takes three times as long for a list.
    """
    accounts: dict[tuple[str, str], int] = {}
    fingerprints: list[str] = []
    positions: list[int] = []
    numbers: list[int] = []
    of_account: list[int] = []
    amounts: list[str] = []
    guarded: list[int] = []
    for position, posting in enumerate(postings, 1):
        try:
            codes, currencies, signed, guards = _columns(posting.lines, posting.reference)
        except Misposting as error:
            error.facts["position"] = position
            raise
        fingerprints.append(
            _fingerprint(posting.kind, _array(codes), _array(currencies), _array(signed))
        )
        guarded.extend(len(positions) + number for number in guards)
        positions.extend([position] * len(codes))
        numbers.extend(range(1, len(codes) + 1))
        for account in zip(codes, currencies, strict=True):
            of_account.append(accounts.setdefault(account, len(accounts) + 1))
        amounts.extend(signed)
    return (
        str(book_id),
        _array([str(new_id()) for _ in postings]),
        _array([_quoted(posting.reference) for posting in postings]),
        _array([_quoted(posting.kind) for posting in postings]),
        _array([posting.occurred_at.isoformat() for posting in postings]),
        _array([_quoted(fingerprint) for fingerprint in fingerprints]),
        _array([code for code, _ in accounts]),
        _array([currency for _, currency in accounts]),
        _array(map(str, positions)),
        _array(map(str, numbers)),
        _array(map(str, of_account)),
        _array(amounts),
        _array(map(str, guarded)) if guarded else None,
    )


def _array(items: Iterable[str]) -> str:
    """A PostgreSQL array literal of items that need no quotes: codes, numbers, ids, times."""
    return "{" + ",".join(items) + "}"


def _quoted(item: str) -> str:
    """An item of an array literal that may hold anything."""
    return '"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"'
