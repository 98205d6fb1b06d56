"""Reading a bank statement in CSV: every line is stored once before anything is decided about it.

A file is taken whole or not at all. Of what the payer wrote only our reference is kept: names and
accounts of people stay with the bank, which finds them by its own reference.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from io import StringIO

from django.db import connection, transaction

from apps.audit import services as audit
from apps.core import ids, money
from apps.core.errors import DomainError
from apps.core.money import Money
from apps.core.types import Actor
from apps.ledger.chart import PLATFORM_BOOK
from apps.payments.models import BankReceipt
from apps.payments.services import bank_transfers
from apps.payments.types import BankLine

COLUMNS = ("bank_reference", "booked_on", "amount", "currency", "remittance")
MAX_LINES = 10_000
MAX_SHOWN = 20
MAX_MINOR = 10**12
MAX_TEXT = 1_000

_BANK_REFERENCE = re.compile(r"[!-~]{1,100}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_AMOUNT = re.compile(r"[0-9]{1,15}(?:\.([0-9]{1,4}))?")
_EARLIEST = date(2000, 1, 1)

_INSERT = """
WITH added AS (
    INSERT INTO payments_bank_receipt
        (id, bank_reference, booked_on, currency, amount, reference, created_by, created_at)
    SELECT *
    FROM unnest(%s::uuid[], %s::text[], %s::date[], %s::text[], %s::numeric[], %s::text[]) u
        CROSS JOIN (VALUES (%s, %s::timestamptz)) by_whom
    ON CONFLICT (bank_reference) DO NOTHING RETURNING id)
INSERT INTO payments_receipt_waiting (receipt_id) SELECT id FROM added
"""


class BadStatement(DomainError):
    """The file is no statement: nothing of it was stored. `lines` says what is wrong where."""

    code = "statement_invalid"

    def __init__(self, problems: Sequence[tuple[int, str]]) -> None:
        self.problems = tuple(problems)
        shown = [f"line {number}: {problem}" for number, problem in self.problems[:MAX_SHOWN]]
        if len(self.problems) > MAX_SHOWN:
            shown.append(f"and {len(self.problems) - MAX_SHOWN} more")
        super().__init__("; ".join(shown))


@dataclass(frozen=True)
class Imported:
    """How many lines a file has, and how many of them were new."""

    lines: int
    new: int


def import_statement(*, text: str, actor: Actor, now: datetime) -> Imported:
    """Store the lines of a statement that are not stored yet; `match_undecided` books them.

    Retries: safe; a line is stored once by its bank reference, and a file that was imported before
    changes nothing. Transaction: one for the whole file.

    :raises BadStatement: a line that cannot be read, or says something else than the line of the
        same bank reference that is stored; nothing was.
    """
    lines = _read(text, today=now.date())
    with transaction.atomic():
        new = _store([line for _, line in lines.values()], actor, now)
        _require_same(lines)
        if new:
            audit.record(
                book_id=PLATFORM_BOOK,
                actor=actor,
                action="bank_statement.imported",
                subject_id=ids.new_id(),
                subject_kind="bank_statement",
                facts={"lines": len(lines), "new": new},
                now=now,
            )
    return Imported(len(lines), new)


def _read(text: str, *, today: date) -> dict[str, tuple[int, BankLine]]:
    """The lines by bank reference, each with its number in the file.

    :raises BadStatement: one of them cannot be read, or two say different things.
    """
    rows = csv.reader(StringIO(text, newline=""), strict=True)
    found: dict[str, tuple[int, BankLine]] = {}
    problems: list[tuple[int, str]] = []
    try:
        if tuple(next(rows, ())) != COLUMNS:
            raise BadStatement([(1, f"the columns are {','.join(COLUMNS)}")])
        for row in rows:
            if rows.line_num > MAX_LINES + 1:
                raise BadStatement([(rows.line_num, f"more than {MAX_LINES} lines")])
            if not row:
                continue
            try:
                line = _line(row, today)
            except ValueError as error:
                problems.append((rows.line_num, str(error)))
                continue
            number, first = found.setdefault(line.bank_reference, (rows.line_num, line))
            if first != line:
                problems.append((rows.line_num, f"differs from line {number}"))
    except csv.Error as error:
        problems.append((rows.line_num, str(error)))
    if problems:
        raise BadStatement(problems)
    return found


def _line(row: Sequence[str], today: date) -> BankLine:
    """:raises ValueError: what is wrong with it."""
    if len(row) != len(COLUMNS):
        raise ValueError(f"{len(COLUMNS)} columns, not {len(row)}")
    bank_reference, booked_on, amount, currency, remittance = (cell.strip() for cell in row)
    if not _BANK_REFERENCE.fullmatch(bank_reference):
        raise ValueError("bank_reference: 1 to 100 printable characters without spaces")
    day = _day(booked_on)
    if not _EARLIEST <= day <= today + timedelta(days=1):
        raise ValueError("booked_on: not a day of the past")
    if len(remittance) > MAX_TEXT:
        raise ValueError(f"remittance: at most {MAX_TEXT} characters")
    return BankLine(
        bank_reference=bank_reference,
        booked_on=day,
        amount=_amount(amount, currency),
        reference=bank_transfers.find_reference(remittance),
    )


def _day(text: str) -> date:
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:  # the day of no month
        pass
    raise ValueError("booked_on: a date as YYYY-MM-DD")


def _amount(text: str, currency: str) -> Money:
    """Decimals beyond the currency's are refused, zeros too: some write a thousand as 1.000."""
    if not money.is_currency(currency):
        raise ValueError("currency: no ISO 4217 code of a currency in use")
    found = _AMOUNT.fullmatch(text)
    if found is None:
        raise ValueError("amount: what came in, in major units with a point, as 1234.50")
    if len(found[1] or "") > money.exponent(currency):
        raise ValueError(f"amount: more decimals than {currency} has")
    amount = Money(Decimal(text), currency)
    if not 1 <= money.to_minor(amount) <= MAX_MINOR:
        raise ValueError("amount: more than nothing, and at most 10^12 minor units")
    return amount


def _store(lines: Sequence[BankLine], actor: Actor, now: datetime) -> int:
    """Add the lines that are not there, in the order of their references: two imports at once wait
    for each other and never in a circle. How many were added."""
    in_order = sorted(lines, key=lambda line: line.bank_reference)
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            [
                [ids.new_id() for _ in in_order],
                [line.bank_reference for line in in_order],
                [line.booked_on for line in in_order],
                [line.amount.currency.code for line in in_order],
                [line.amount.amount for line in in_order],
                [line.reference for line in in_order],
                actor,
                now,
            ],
        )
        return int(cursor.rowcount)


def _require_same(lines: dict[str, tuple[int, BankLine]]) -> None:
    """:raises BadStatement: what is stored under a line's bank reference is another line."""
    stored = BankReceipt.objects.filter(bank_reference__in=list(lines))
    problems = []
    for receipt in stored:
        number, line = lines[receipt.bank_reference]
        told = BankLine(receipt.bank_reference, receipt.booked_on, receipt.money, receipt.reference)
        if told != line:
            problems.append((number, "differs from what was imported before"))
    if problems:
        raise BadStatement(sorted(problems))
