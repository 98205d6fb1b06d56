"""What a transaction of the file becomes, when not all of them are card payments.

Its id alone decides, by a hash without a seed: the same file is the same mix, on every machine.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum

from paysys.replay.source import Transaction

NOBODY = 0  # no customer: the merchant itself
# The simulator's: money arrives, and does not.
GOOD_IBAN, _CLOSED_IBAN = "DE89370400440532013000", "DE35370400440532013002"


class Kind(StrEnum):
    """What is asked of the API; the value is how a person calls many of it."""

    CARD = "card payments"
    WALLET = "wallet payments"
    SPLIT = "split tender"
    TOP_UP = "top-ups"
    TRANSFER = "transfers"
    WITHDRAWAL = "withdrawals"
    PAYOUT = "payouts"


# Of a hundred transactions.
SHARES = {
    Kind.CARD: 55,
    Kind.WALLET: 15,
    Kind.SPLIT: 10,
    Kind.TOP_UP: 10,
    Kind.TRANSFER: 5,
    Kind.WITHDRAWAL: 3,
    Kind.PAYOUT: 2,
}
assert sum(SHARES.values()) == 100


def kind_of(transaction: Transaction) -> Kind:
    """What the transaction becomes in a mix."""
    number = _number("kind", transaction)
    for kind, share in SHARES.items():
        number -= share
        if number < 0:
            return kind
    raise AssertionError("the shares are a hundred")


def partner_of(customer: int) -> int:
    """Whom this customer transfers to, and is transferred to by."""
    return customer ^ 1


def wallet_part_of(transaction: Transaction) -> int | None:
    """What the wallet pays of a split, in minor units; None: all there is in it."""
    if _number("part", transaction) < 25:
        return None
    return max(1, transaction.amount_minor // 3)


def is_short(customer: int) -> bool:
    """Whether this customer's wallet is topped up with half of what it will need, as in life."""
    return customer % 50 == 13


def iban_of(customer: int) -> str:
    """Where a customer's withdrawals go; now and then to an account that is no more, as in life."""
    return _CLOSED_IBAN if customer % 20 == 3 else GOOD_IBAN


def _number(question: str, transaction: Transaction) -> int:
    """0 to 99, another for each question."""
    digest = hashlib.sha256(f"{question}:{transaction.id}".encode()).digest()
    return int.from_bytes(digest[:8]) % 100
