"""Everything that writes the books: postings, checkpoints, and the close of a day."""

from apps.ledger.services.checkpoints import SIEVES, Sieve, take_checkpoints, take_horizon
from apps.ledger.services.days import (
    DayNotOver,
    DayStillClosing,
    begin_close_day,
    finish_close_day,
    open_book,
)
from apps.ledger.services.posting import (
    MAX_LINES,
    MAX_POSTINGS,
    AlreadyReversed,
    InsufficientFunds,
    Misposting,
    NoRow,
    NotWhole,
    ReferenceReused,
    Unbalanced,
    UnknownAccount,
    UnknownTransaction,
    lock_balance,
    post,
    post_many,
    reverse,
)

__all__ = [
    "MAX_LINES",
    "MAX_POSTINGS",
    "SIEVES",
    "AlreadyReversed",
    "DayNotOver",
    "DayStillClosing",
    "InsufficientFunds",
    "Misposting",
    "NoRow",
    "NotWhole",
    "ReferenceReused",
    "Sieve",
    "Unbalanced",
    "UnknownAccount",
    "UnknownTransaction",
    "begin_close_day",
    "finish_close_day",
    "lock_balance",
    "open_book",
    "post",
    "post_many",
    "reverse",
    "take_checkpoints",
    "take_horizon",
]
