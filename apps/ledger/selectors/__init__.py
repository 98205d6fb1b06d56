"""Everything that reads the books.

`at`, `since` and `until` mean recorded time: when *we* knew. A past moment is answered only once
nothing can be recorded before it any more, so an answer once given does not change. Accounting days
(`booked_on`) are the trial balance's business.
"""

from apps.ledger.invariants import INVARIANTS
from apps.ledger.selectors.balances import NotSettled, balance, balances, settled_until
from apps.ledger.selectors.history import MAX_PAGE, UnknownLine, history, statement
from apps.ledger.selectors.lines import described, line_of
from apps.ledger.selectors.reports import (
    booked_balances,
    list_books_with,
    list_currencies,
    transaction_by_reference,
    trial_balance,
)

__all__ = [
    "INVARIANTS",
    "MAX_PAGE",
    "NotSettled",
    "UnknownLine",
    "balance",
    "balances",
    "booked_balances",
    "described",
    "history",
    "line_of",
    "list_books_with",
    "list_currencies",
    "settled_until",
    "statement",
    "transaction_by_reference",
    "trial_balance",
]
