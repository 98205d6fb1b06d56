"""The file of transactions, and how each becomes a merchant's payment."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path

CURRENCY = "EUR"

# Which card a customer carries, by the customer's number: mostly good ones of every brand, and now
# and then one that a bank refuses, as in life.
GOOD_CARD = "pm_card_visa"
_GOOD = (GOOD_CARD, "pm_card_mastercard", "pm_card_visa_debit", "pm_card_amex")
_EMPTY = "pm_card_visa_chargeDeclinedInsufficientFunds"
_REFUSED = "pm_card_visa_chargeDeclined"


@dataclass(frozen=True, slots=True)
class Transaction:
    """One row. `amount_minor` is in cents of a euro."""

    id: str
    occurred_at: str
    customer: int
    terminal: int
    amount_minor: int


def card_of(customer: int) -> str:
    """The provider's test token of the card that a customer carries."""
    if customer % 50 == 7:
        return _EMPTY
    if customer % 97 == 11:
        return _REFUSED
    return _GOOD[customer % len(_GOOD)]


class Unreadable(Exception):
    """The file is not one of transactions; the message says what is wrong with it."""


def read(path: Path, *, limit: int) -> list[Transaction]:
    """The first `limit` transactions that have an amount.

    :raises Unreadable: no such file, or without the columns we need.
    """
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as text:
            return list(islice(_transactions(csv.DictReader(text)), limit))
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror or error}") from error
    except (KeyError, ValueError, ArithmeticError) as error:
        raise Unreadable(
            f"{path}: every row needs transaction_id, occurred_at, customer_id, terminal_id and "
            f"amount; this one has not ({error})"
        ) from error


def _transactions(rows: csv.DictReader[str]) -> Iterator[Transaction]:
    for row in rows:
        amount_minor = int(Decimal(row["amount"]) * 100)
        if amount_minor > 0:
            yield Transaction(
                id=row["transaction_id"],
                occurred_at=row["occurred_at"],
                customer=int(row["customer_id"]),
                terminal=int(row["terminal_id"]),
                amount_minor=amount_minor,
            )
