"""What is true of the books at every moment. `manage.py check_books` runs each of these.

A query returns the rows that break its rule. Each is proven by a test that plants a violation.
Sums are per currency, always.
"""

from __future__ import annotations

from apps.core.types import Invariant

_BALANCED_TRANSACTION = """
SELECT transaction_id, currency, sum(entry_type * amount) AS off
FROM ledger_entry GROUP BY transaction_id, currency
HAVING sum(entry_type * amount) <> 0
"""

_BALANCED_BOOK = """
SELECT book_id, currency, sum(entry_type * amount) AS off
FROM ledger_entry GROUP BY book_id, currency
HAVING sum(entry_type * amount) <> 0
"""

_WHOLE_TRANSACTION = """
SELECT t.id, t.book_id, t.reference, count(e.line) AS entries
FROM ledger_transaction t LEFT JOIN ledger_entry e ON e.transaction_id = t.id
GROUP BY t.id
HAVING count(e.line) < 2 OR min(e.line) <> 1 OR max(e.line) <> count(e.line)
"""

_ENTRY_AT_HOME = """
SELECT e.transaction_id, e.line, e.book_id, e.account_id, e.currency
FROM ledger_entry e
LEFT JOIN ledger_transaction t ON t.id = e.transaction_id
LEFT JOIN ledger_account a ON a.id = e.account_id
WHERE t.id IS NULL OR a.id IS NULL OR t.book_id <> e.book_id OR a.book_id <> e.book_id
   OR a.currency <> e.currency OR e.created_at < t.created_at
"""

_ENTRY_POSITIVE = """
SELECT transaction_id, line, entry_type, amount FROM ledger_entry
WHERE NOT (amount > 0 AND entry_type IN (1, -1))
"""

_ROW_BALANCE = """
SELECT a.book_id, a.code, a.currency, a.balance, a.normal_side * coalesce(s.moved, 0) AS entries
FROM ledger_account a
LEFT JOIN (
    SELECT account_id, sum(entry_type * amount) AS moved FROM ledger_entry GROUP BY account_id
) s ON s.account_id = a.id
WHERE a.balance IS NOT NULL AND a.balance <> a.normal_side * coalesce(s.moved, 0)
"""

_FLOOR = """
SELECT book_id, code, currency, balance, floor FROM ledger_account
WHERE floor IS NOT NULL AND (balance < floor OR balance IS NULL)
"""

_OF_CHART = """
SELECT a.book_id, a.code, a.currency, a.account_type, a.normal_side, a.floor
FROM ledger_account a
WHERE NOT EXISTS (
    SELECT FROM ledger_chart(a.code) c
    WHERE c.account_type = a.account_type AND c.normal_side = a.normal_side
      AND c.floor IS NOT DISTINCT FROM a.floor AND c.has_row = (a.balance IS NOT NULL))
"""

# Every checkpoint, not the newest alone: `balance(at=…)` reads the older ones. A checkpoint that
# holds all entries up to it plus the entries after it is the full sum, by arithmetic.
_CHECKPOINT = """
SELECT c.account_id, c.upto, c.balance, c.expected FROM (
    SELECT p.account_id, p.upto, p.balance,
           a.normal_side * sum(p.moved) OVER (PARTITION BY p.account_id ORDER BY p.upto) AS expected
    FROM (
        SELECT k.account_id, k.upto, k.balance, coalesce((
            SELECT sum(e.entry_type * e.amount) FROM ledger_entry e
            WHERE e.account_id = k.account_id AND e.created_at <= k.upto
              AND e.created_at > coalesce(k.earlier, '-infinity')), 0) AS moved
        FROM (
            SELECT account_id, upto, balance,
                   lag(upto) OVER (PARTITION BY account_id ORDER BY upto) AS earlier
            FROM ledger_checkpoint
        ) k
    ) p LEFT JOIN ledger_account a ON a.id = p.account_id
) c WHERE c.balance IS DISTINCT FROM c.expected
"""

_REVERSAL = """
SELECT r.id, r.book_id, r.reference, r.reverses_id
FROM ledger_transaction r LEFT JOIN ledger_transaction t ON t.id = r.reverses_id
WHERE r.reverses_id IS NOT NULL AND (t.book_id IS DISTINCT FROM r.book_id OR EXISTS (
    SELECT account_id, sum(entry_type * amount) FROM ledger_entry
    WHERE transaction_id IN (r.id, t.id) GROUP BY account_id
    HAVING sum(entry_type * amount) <> 0))
"""

# One walk over each account's days, in which the written balances stand among the movements.
_CLOSING = """
SELECT w.account_id, w.day, w.balance, a.normal_side * w.moved AS expected FROM (
    SELECT s.account_id, s.day, s.balance,
           sum(s.moved) OVER (PARTITION BY s.account_id ORDER BY s.day) AS moved
    FROM (
        SELECT e.account_id, t.booked_on AS day, sum(e.entry_type * e.amount) AS moved,
               NULL::numeric AS balance
        FROM ledger_entry e JOIN ledger_transaction t ON t.id = e.transaction_id
        GROUP BY e.account_id, t.booked_on
        UNION ALL
        SELECT account_id, day, 0, balance FROM ledger_closing
    ) s
) w LEFT JOIN ledger_account a ON a.id = w.account_id
WHERE w.balance IS NOT NULL AND w.balance IS DISTINCT FROM a.normal_side * w.moved
"""

_CLOSED_DAY = """
SELECT t.book_id, t.reference, t.booked_on, t.created_at
FROM (
    SELECT book_id, max(day) AS day FROM ledger_day WHERE status = 'CLOSED' GROUP BY book_id
) d
JOIN ledger_transaction t ON t.book_id = d.book_id AND t.booked_on <= d.day
WHERE EXISTS (
    SELECT FROM ledger_entry e WHERE e.transaction_id = t.id AND NOT EXISTS (
        SELECT FROM ledger_closing c
        WHERE c.account_id = e.account_id AND c.day BETWEEN t.booked_on AND d.day))
"""

INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        "ledger.balanced_transaction",
        _BALANCED_TRANSACTION,
        "debits equal credits in every transaction and currency",
    ),
    Invariant(
        "ledger.balanced_book",
        _BALANCED_BOOK,
        "debits equal credits in every book and currency",
    ),
    Invariant(
        "ledger.whole_transaction",
        _WHOLE_TRANSACTION,
        "a transaction has two or more entries, numbered from 1",
    ),
    Invariant(
        "ledger.entry_at_home",
        _ENTRY_AT_HOME,
        "an entry is of its transaction's book, its account's currency, and not older than it",
    ),
    Invariant(
        "ledger.entry_positive",
        _ENTRY_POSITIVE,
        "an entry is a positive amount on one side",
    ),
    Invariant(
        "ledger.row_balance",
        _ROW_BALANCE,
        "a row account's balance is the sum of its entries",
    ),
    Invariant("ledger.floor", _FLOOR, "no balance is below its floor"),
    Invariant("ledger.of_chart", _OF_CHART, "every account is what the chart says"),
    Invariant(
        "ledger.checkpoint",
        _CHECKPOINT,
        "a checkpoint is the sum of all entries up to it",
    ),
    Invariant(
        "ledger.reversal",
        _REVERSAL,
        "a reversal and what it reverses cancel out in every account",
    ),
    Invariant(
        "ledger.closing_balance",
        _CLOSING,
        "a closing balance is the sum of what is booked up to its day",
    ),
    Invariant(
        "ledger.closed_day",
        _CLOSED_DAY,
        "nothing is booked on a closed day that its closing balances do not know",
    ),
)
