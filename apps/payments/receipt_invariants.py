"""What is true of money that came to the bank, at every moment, as queries that find no row."""

from __future__ import annotations

from apps.core.types import Invariant

# What a receipt was booked as: its transaction in the book it came to, at the bank's side.
_POSTED = """
SELECT r.id, p.reason FROM payments_receipt_posting p
JOIN payments_bank_receipt r ON r.id = p.receipt_id
WHERE (SELECT count(*) FROM ledger_transaction t
       JOIN ledger_entry e ON e.transaction_id = t.id AND e.book_id = t.book_id
       JOIN ledger_account a ON a.id = e.account_id
       WHERE t.book_id = p.book_id AND a.code = 'platform:bank' AND e.entry_type = 1
         AND e.amount = r.amount AND e.currency = r.currency AND t.reference =
             CASE WHEN p.reason = '' THEN 'capture:receipt:' ELSE 'suspense:' END || r.id) <> 1
"""
_RECEIVED = """
SELECT t.id, t.reference FROM ledger_transaction t
WHERE t.reverses_id IS NULL
  AND (t.kind = 'suspense' OR t.kind = 'capture' AND t.reference LIKE 'capture:receipt:%')
  AND NOT EXISTS (SELECT 1 FROM payments_receipt_posting p WHERE p.book_id = t.book_id
                  AND CASE WHEN p.reason = '' THEN 'capture:receipt:' ELSE 'suspense:' END
                      || p.receipt_id = t.reference)
"""
_WAITING = """
SELECT r.id FROM payments_bank_receipt r
FULL JOIN payments_receipt_waiting w ON w.receipt_id = r.id
LEFT JOIN payments_receipt_posting p ON p.receipt_id = r.id
WHERE r.id IS NULL OR (w.receipt_id IS NULL) = (p.receipt_id IS NULL)
"""
_SUSPENSE = """
SELECT book_id, currency, l.amount, c.amount FROM
    (SELECT a.book_id, a.currency, sum(-e.entry_type * e.amount) AS amount
     FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id
     WHERE a.code = 'platform:suspense' GROUP BY 1, 2) l
FULL JOIN (SELECT book_id, currency, sum(amount) AS amount FROM payments_suspense_case
           WHERE status = 'OPEN' GROUP BY 1, 2) c
USING (book_id, currency) WHERE coalesce(l.amount, 0) <> coalesce(c.amount, 0)
"""
_CASES = """
SELECT p.receipt_id, p.reason FROM payments_receipt_posting p
JOIN payments_bank_receipt r ON r.id = p.receipt_id
LEFT JOIN payments_suspense_case c ON c.id = p.receipt_id
WHERE (p.reason <> '') <> (c.id IS NOT NULL)
   OR (c.book_id, c.reason, c.amount, c.currency) <> (p.book_id, p.reason, r.amount, r.currency)
UNION ALL
SELECT c.id, c.reason FROM payments_suspense_case c
WHERE NOT EXISTS (SELECT 1 FROM payments_receipt_posting p WHERE p.receipt_id = c.id)
"""
_RESOLVED = """
SELECT c.id, c.status FROM payments_suspense_case c
CROSS JOIN LATERAL (VALUES ('ALLOCATED', 'undo:suspense:' || c.id),
                           ('RETURNED', 'suspense:return:' || c.id)) how (status, reference)
WHERE (c.status = how.status) <> EXISTS
    (SELECT 1 FROM ledger_transaction t
     JOIN ledger_entry e ON e.transaction_id = t.id AND e.book_id = t.book_id
     WHERE t.book_id = c.book_id AND t.reference = how.reference AND e.amount = c.amount)
"""
# A payment's money is one receipt that matched, or the cases that a person gave it.
_PAID = """
SELECT p.id, p.amount_captured, m.amount FROM payments_payment p
FULL JOIN (
    SELECT payment_id, book_id, sum(amount) AS amount FROM (
        SELECT x.payment_id, x.book_id, r.amount FROM payments_receipt_posting x
        JOIN payments_bank_receipt r ON r.id = x.receipt_id WHERE x.reason = ''
        UNION ALL SELECT c.allocated_to, p.book_id, c.amount FROM payments_suspense_case c
        JOIN payments_payment p ON p.id = c.allocated_to) came
    GROUP BY 1, 2) m ON m.payment_id = p.id AND m.book_id = p.book_id
WHERE p.id IS NULL
   OR coalesce(m.amount, 0) <> CASE p.method WHEN 'bank_transfer' THEN p.amount_captured ELSE 0 END
"""
_REFERENCED = """
SELECT p.id, p.status FROM payments_payment p WHERE p.method = 'bank_transfer'
AND p.authorized_at IS NOT NULL AND (SELECT count(*) FROM payments_virtual_reference v
    WHERE v.payment_id = p.id AND v.book_id = p.book_id) <> 1
"""
_TOLD = """
SELECT c.id, c.status FROM payments_suspense_case c
WHERE 1 + (c.status <> 'OPEN')::int <> (SELECT count(*) FROM audit_entry a
    WHERE a.book_id = c.book_id AND a.subject_id = c.id AND a.subject_kind = 'suspense_case')
"""

INVARIANTS = (
    Invariant(
        name="receipts: every receipt is booked or waits to be",
        sql=_WAITING,
        says="nothing that came to the bank is forgotten",
    ),
    Invariant(
        name="receipts: every receipt that was booked has its posting",
        sql=_POSTED,
        says="what came to the bank is booked once and in full, in the book it came to",
    ),
    Invariant(
        name="receipts: every such posting has its receipt",
        sql=_RECEIVED,
        says="nothing came that no statement tells of",
    ),
    Invariant(
        name="receipts: platform:suspense = open cases",
        sql=_SUSPENSE,
        says="what is not understood is waiting for a person, all of it",
    ),
    Invariant(
        name="receipts: suspense has its case",
        sql=_CASES,
        says="a receipt is its payment's, or has a case that says why not",
    ),
    Invariant(
        name="receipts: a case is booked as it was resolved",
        sql=_RESOLVED,
        says="allocated money has left suspense for its payment, returned money the bank",
    ),
    Invariant(
        name="receipts: a payment's money has come",
        sql=_PAID,
        says="what was captured by bank transfer is what came for it, to the cent",
    ),
    Invariant(
        name="receipts: an awaited payment has its reference",
        sql=_REFERENCED,
        says="whoever was asked to pay was told one reference, which finds the payment",
    ),
    Invariant(
        name="receipts: every change of a case has its audit row",
        sql=_TOLD,
        says="a case is opened once and resolved once, and the trail says by whom",
    ),
)
