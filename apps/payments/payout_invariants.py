"""What is true of payouts and of the balance they are made from, as queries that find no row."""

from __future__ import annotations

from apps.core.types import Invariant

# An account, by book and currency, is the sum of these rows (book_id, currency, amount).
_ACCOUNT = """
SELECT book_id, currency, l.amount, r.amount FROM
    (SELECT a.book_id, a.currency, sum(-e.entry_type * e.amount) AS amount
     FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id
     WHERE a.code = '{code}' GROUP BY 1, 2) l
FULL JOIN (SELECT book_id, currency, sum(amount) AS amount FROM ({rows}) x GROUP BY 1, 2) r
USING (book_id, currency) WHERE coalesce(l.amount, 0) <> coalesce(r.amount, 0)
"""
# Rows of which some transaction should stand (or should not) and does not (or does): a condition
# of the row, the transaction's kind, and its reference before the row's id.
_POSTED = """
SELECT r.id, '{kind}' AS kind FROM {table} r WHERE ({condition}) <> EXISTS (
    SELECT 1 FROM ledger_transaction t
    JOIN ledger_entry e ON e.transaction_id = t.id AND e.book_id = t.book_id
    WHERE t.book_id = r.book_id AND t.kind = '{kind}' AND t.reverses_id IS NULL
      AND t.reference = '{prefix}' || r.id AND e.amount = abs(r.amount)
      AND NOT EXISTS (SELECT 1 FROM ledger_transaction u
                      WHERE u.book_id = t.book_id AND u.reverses_id = t.id))
"""
# And the other way round: transactions of the kind whose row is missing, or should have none.
_NOTED = """
SELECT t.id, t.reference FROM ledger_transaction t
WHERE t.kind = '{kind}' AND t.reverses_id IS NULL AND NOT EXISTS (
    SELECT 1 FROM {table} r WHERE r.book_id = t.book_id AND t.reference = '{prefix}' || r.id
      AND (({condition}) OR EXISTS (SELECT 1 FROM ledger_transaction u
                                    WHERE u.book_id = t.book_id AND u.reverses_id = t.id)))
"""
# Kind, table, reference before the id, and the rows of which such a transaction stands.
_POSTINGS = (
    ("payout_reserve", "payments_payout", "payout:reserve:", "r.status <> 'FAILED'"),
    ("payout", "payments_payout", "payout:", "r.status IN ('PAID', 'RETURNED')"),
    ("payout_return", "payments_payout", "payout:return:", "r.status = 'RETURNED'"),
    (
        *("payout_to_merchant", "payments_payout", "payout:merchant:"),
        "r.to_merchant_at IS NOT NULL AND r.status IN ('FAILED', 'RETURNED')",
    ),
    ("release", "payments_release", "release:", "r.amount <> 0"),
    ("reserve_keep", "payments_reserve", "reserve:keep:", "true"),
    ("reserve_free", "payments_reserve", "reserve:free:", "r.freed_at IS NOT NULL"),
)


def _account(code: str, rows: str) -> str:
    return _ACCOUNT.format(code=code, rows=rows)


def _of_all(template: str) -> str:
    """The query for every kind of posting."""
    return " UNION ALL ".join(
        template.format(kind=kind, table=table, prefix=prefix, condition=condition)
        for kind, table, prefix, condition in _POSTINGS
    )


INVARIANTS = (
    Invariant(
        name="payouts: merchant:pending = what is not payable yet",
        sql=_account(
            "merchant:pending",
            "SELECT book_id, currency, net AS amount FROM payments_balance_transaction "
            "WHERE payable_at IS NULL",
        ),
        says="what is pending is the sum of the lines that are not payable yet",
    ),
    Invariant(
        name="payouts: merchant:payable = what is payable",
        sql=_account(
            "merchant:payable",
            "SELECT book_id, currency, net AS amount FROM payments_balance_transaction "
            "WHERE payable_at IS NOT NULL",
        ),
        says="what is payable is the sum of the lines that are",
    ),
    Invariant(
        name="payouts: what is payable no payout has taken",
        sql="SELECT book_id, currency, sum(paid_out) FROM payments_balance_transaction "
        "GROUP BY 1, 2 HAVING sum(paid_out) <> 0",
        says="what payouts took of the lines is what their own lines took of the balance",
    ),
    Invariant(
        name="payouts: merchant:reserve = reserves not freed",
        sql=_account(
            "merchant:reserve",
            "SELECT book_id, currency, amount FROM payments_reserve WHERE freed_at IS NULL",
        ),
        says="the reserve is what was kept and not freed yet",
    ),
    Invariant(
        name="payouts: payout:in_transit = open payouts",
        sql=_account(
            "payout:in_transit",
            "SELECT book_id, currency, amount FROM payments_payout "
            "WHERE status IN ('PENDING', 'IN_TRANSIT')",
        ),
        says="what is promised to banks is what is still on its way",
    ),
    Invariant(
        name="payouts: a payout is the sum of its items",
        sql="SELECT r.id FROM payments_payout r WHERE (SELECT coalesce(sum(i.amount), 0) "
        "FROM payments_payout_item i WHERE i.book_id = r.book_id AND i.payout_id = r.id) "
        "<> CASE WHEN r.wallet_id IS NULL THEN r.amount ELSE 0 END",
        says="a payout is itemized to the last unit, a withdrawal not at all",
    ),
    Invariant(
        name="payouts: what was paid out of a line = its standing items",
        sql="SELECT b.id FROM payments_balance_transaction b WHERE b.paid_out <> CASE "
        "WHEN b.kind IN ('payout', 'payout_failure', 'payout_return') THEN b.net ELSE "
        "(SELECT coalesce(sum(i.amount), 0) FROM payments_payout_item i JOIN payments_payout p "
        "ON p.id = i.payout_id WHERE i.balance_transaction_id = b.id "
        "AND p.status NOT IN ('FAILED', 'RETURNED')) END",
        says="no line is paid out twice, and what came back can be paid out again",
    ),
    Invariant(
        name="payouts: every payout has its lines of the balance",
        sql="SELECT r.id, r.status FROM (SELECT id, book_id, status, "
        "CASE WHEN wallet_id IS NULL THEN amount ELSE 0 END AS amount FROM payments_payout) r "
        "LEFT JOIN LATERAL (SELECT "
        "coalesce(sum(b.net) FILTER (WHERE b.kind = 'payout'), 0) AS taken, "
        "coalesce(sum(b.net) FILTER (WHERE b.kind = 'payout_failure'), 0) AS failed, "
        "coalesce(sum(b.net) FILTER (WHERE b.kind = 'payout_return'), 0) AS returned "
        "FROM payments_balance_transaction b WHERE b.book_id = r.book_id AND b.source_id = r.id) b "
        "ON true WHERE b.taken <> -r.amount "
        "OR b.failed <> CASE r.status WHEN 'FAILED' THEN r.amount ELSE 0 END "
        "OR b.returned <> CASE r.status WHEN 'RETURNED' THEN r.amount ELSE 0 END",
        says="a payout takes from the balance once, and gives back what did not stand",
    ),
    Invariant(
        name="payouts: what a withdrawal brings the merchant is in its balance",
        sql="SELECT r.id FROM payments_payout r WHERE (SELECT coalesce(sum(b.net), 0) "
        "FROM payments_balance_transaction b WHERE b.book_id = r.book_id AND b.source_id = r.id "
        "AND b.kind = 'withdrawal_return') <> CASE WHEN r.to_merchant_at IS NOT NULL "
        "AND r.status IN ('FAILED', 'RETURNED') THEN r.amount ELSE 0 END",
        says="what has no wallet to go back to is the merchant's if a person says so, and once",
    ),
    Invariant(
        name="payouts: what was paid, returned, released or kept has its posting",
        sql=_of_all(_POSTED),
        says="every fact of a payout, a release or a reserve is in the books, once",
    ),
    Invariant(
        name="payouts: every such posting has its fact",
        sql=_of_all(_NOTED),
        says="the books hold no payout, release or reserve that nobody made",
    ),
    Invariant(
        name="payouts: a release is its lines",
        sql="SELECT r.id FROM payments_release r LEFT JOIN LATERAL (SELECT count(*) AS lines, "
        "coalesce(sum(net), 0) AS amount FROM payments_balance_transaction b "
        "WHERE b.book_id = r.book_id AND b.release_id = r.id) b ON true "
        "WHERE b.lines <> r.lines OR b.amount <> r.amount",
        says="what became payable at once is the sum of its lines",
    ),
    Invariant(
        name="payouts: every change has its event and its audit row",
        sql="SELECT r.id, r.version FROM (SELECT id, book_id, version FROM payments_payout "
        "UNION ALL SELECT id, book_id, 1 FROM payments_release UNION ALL SELECT id, book_id, "
        "CASE WHEN freed_at IS NULL THEN 1 ELSE 2 END FROM payments_reserve) r WHERE r.version <> "
        "(SELECT count(*) FROM notifications_event e WHERE e.book_id = r.book_id "
        "AND e.subject_id = r.id) OR r.version <> (SELECT count(*) FROM audit_entry a "
        "WHERE a.book_id = r.book_id AND a.subject_id = r.id)",
        says="a version is an event and an audit row of the same commit",
    ),
    Invariant(
        name="payouts: an open payout has an open run",
        sql="SELECT r.id, r.status FROM payments_payout r "
        "WHERE r.status IN ('PENDING', 'IN_TRANSIT') AND NOT EXISTS (SELECT 1 FROM sagas_run s "
        "WHERE s.book_id = r.book_id AND s.subject_id = r.id AND s.saga = 'payout' "
        "AND s.status NOT IN ('COMPLETED', 'COMPENSATED'))",
        says="no payout is left half done",
    ),
)
