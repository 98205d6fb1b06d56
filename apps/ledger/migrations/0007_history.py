"""An account's history: read from either end, in the order in which it came about.

`ledger_post` used to stamp its entries before it locked its rows. Two postings that met at a row
could then stand there in the other order than the one they were decided in, and a balance computed
along the history could be below a floor that was never broken. Now entries are stamped behind the
locks, so on a row account the order of entries is the order of its locks, and whoever sees one
entry sees all before it (docs/decisions/0015-entries-are-stamped-behind-the-locks.md).
"""

import importlib

from django.db import migrations

posting = importlib.import_module("apps.ledger.migrations.0003_posting")
reading = importlib.import_module("apps.ledger.migrations.0004_reading")
refusals = importlib.import_module("apps.ledger.migrations.0005_refusals")


def _again(function: str) -> str:
    return function.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


# A subquery without a reference to the lines: asked once, so all lines have one stamp.
STAMP = "(SELECT greatest(v_at, clock_timestamp()))"
POST = _again(posting.POST).replace("l.currency, v_at\n", f"l.currency, {STAMP}\n")
POST_MANY = refusals.POST_MANY.replace(
    "p_currencies[l.account], v_at\n", f"p_currencies[l.account], {STAMP}\n"
)
assert POST.count(STAMP) == POST_MANY.count(STAMP) == 1

# A place is a moment and a transaction. What is known later is used where it is near: the next
# checkpoint, or what a row holds now; else what is known earlier, and the walk is a checkpoint's.
NEAR = 1000
BALANCE_BEFORE = f"""
CREATE FUNCTION ledger_balance_before(p_account uuid, p_at timestamptz, p_transaction uuid)
RETURNS numeric {reading.SETTINGS} AS $$
DECLARE
    a record;
    c record;
    t record;
    m record;
BEGIN
    SELECT x.normal_side, x.balance INTO a FROM ledger_account x WHERE x.id = p_account;
    SELECT coalesce(sum(CASE WHEN e.entry_type = 1 THEN e.amount ELSE -e.amount END)
               FILTER (WHERE e.transaction_id < p_transaction), 0) AS earlier,
           coalesce(sum(CASE WHEN e.entry_type = 1 THEN e.amount ELSE -e.amount END)
               FILTER (WHERE e.transaction_id >= p_transaction), 0) AS later
    INTO t FROM ledger_entry e WHERE e.account_id = p_account AND e.created_at = p_at;
    SELECT p.upto, p.balance INTO c FROM ledger_checkpoint p
    WHERE p.account_id = p_account AND p.upto >= p_at ORDER BY p.upto LIMIT 1;
    IF coalesce(c.balance, a.balance) IS NOT NULL THEN
        SELECT count(*) AS lines,
               coalesce(sum(CASE WHEN x.entry_type = 1 THEN x.amount ELSE -x.amount END), 0) AS moved
        INTO m FROM (
            SELECT e.entry_type, e.amount FROM ledger_entry e
            WHERE e.account_id = p_account AND e.created_at > p_at
              AND e.created_at <= coalesce(c.upto, 'infinity')
            ORDER BY e.created_at LIMIT {NEAR + 1}) x;
        IF m.lines <= {NEAR} THEN
            RETURN coalesce(c.balance, a.balance) - a.normal_side * (t.later + m.moved);
        END IF;
    END IF;
    SELECT p.upto, p.balance INTO c FROM ledger_checkpoint p
    WHERE p.account_id = p_account AND p.upto < p_at ORDER BY p.upto DESC LIMIT 1;
    RETURN coalesce(c.balance, 0) + a.normal_side * (t.earlier + coalesce((
        SELECT sum(CASE WHEN e.entry_type = 1 THEN e.amount ELSE -e.amount END)
        FROM ledger_entry e
        WHERE e.account_id = p_account AND e.created_at < p_at
          AND e.created_at > coalesce(c.upto, '-infinity')), 0));
END $$
"""

BALANCE_AT = f"""
CREATE OR REPLACE FUNCTION ledger_balance_at(
    p_book uuid, p_code text, p_currency text, p_at timestamptz,
    OUT settled timestamptz, OUT balance numeric) {reading.SETTINGS} AS $$
BEGIN
    settled := ledger_settled_until();
    balance := coalesce((
        SELECT ledger_balance_before(x.id, p_at + interval '1 microsecond',
            '00000000-0000-0000-0000-000000000000')
        FROM ledger_account x
        WHERE x.book_id = p_book AND x.code = p_code AND x.currency = p_currency), 0);
END $$
"""


def _page(order: str, beyond: str, within: str) -> str:
    """The lines beyond a place, nearest first, each transaction once; and the balance there.

    Each account gives as many as are asked for, so the nearest of all of them are among these.
    """
    return f"""
    RETURN QUERY
    WITH accounts AS MATERIALIZED (
        SELECT x.id, x.normal_side FROM ledger_account x
        WHERE x.book_id = p_book AND x.code = ANY (p_codes) AND x.currency = p_currency
    )
    SELECT b.edge, l.created_at, l.transaction_id, l.moved,
           t.reference::text, t.kind::text, t.occurred_at, t.booked_on
    FROM (
        SELECT CASE WHEN p_with_balance THEN coalesce((
            SELECT sum(ledger_balance_before(x.id, p_at, p_transaction)) FROM accounts x), 0)
        END AS edge
    ) b
    LEFT JOIN (
        SELECT y.created_at, y.transaction_id, sum(y.moved) AS moved
        FROM accounts x CROSS JOIN LATERAL (
            SELECT e.created_at, e.transaction_id,
                   x.normal_side * sum(CASE WHEN e.entry_type = 1 THEN e.amount
                       ELSE -e.amount END) AS moved
            FROM ledger_entry e
            WHERE e.account_id = x.id AND {within} AND {beyond}
            GROUP BY e.created_at, e.transaction_id
            ORDER BY e.created_at {order}, e.transaction_id {order} LIMIT p_limit
        ) y
        GROUP BY y.created_at, y.transaction_id
        ORDER BY y.created_at {order}, y.transaction_id {order} LIMIT p_limit
    ) l ON true
    LEFT JOIN ledger_transaction t ON t.id = l.transaction_id
    ORDER BY l.created_at {order}, l.transaction_id {order};
    """


# Walks of an index's end: no other plan is wanted, whatever the statistics of the moment say.
PAGE = f"""
CREATE FUNCTION ledger_page(
    p_book uuid, p_codes text[], p_currency text, p_at timestamptz, p_transaction uuid,
    p_end timestamptz, p_is_upward boolean, p_with_balance boolean, p_limit int)
RETURNS TABLE (
    edge numeric, created_at timestamptz, transaction_id uuid, moved numeric, reference text,
    kind text, occurred_at timestamptz, booked_on date)
{reading.SETTINGS} SET enable_hashagg = off SET enable_bitmapscan = off AS $$
#variable_conflict use_column
BEGIN
    IF p_is_upward THEN
    {
    _page(
        "ASC",
        "(e.created_at > p_at OR e.transaction_id >= p_transaction)",
        "e.created_at >= p_at AND e.created_at < p_end",
    )
}
    ELSE
    {
    _page(
        "DESC",
        "(e.created_at < p_at OR e.transaction_id < p_transaction)",
        "e.created_at <= p_at AND e.created_at >= p_end",
    )
}
    END IF;
END $$
"""

STATEMENTS = [
    (POST, _again(posting.POST)),
    (POST_MANY, refusals.POST_MANY),
    (BALANCE_BEFORE, "DROP FUNCTION ledger_balance_before(uuid, timestamptz, uuid)"),
    (BALANCE_AT, _again(reading.BALANCE_AT)),
    (
        PAGE,
        "DROP FUNCTION ledger_page(uuid, text[], text, timestamptz, uuid, timestamptz, boolean, "
        "boolean, int)",
    ),
]


class Migration(migrations.Migration):
    dependencies = [("ledger", "0006_locking")]
    operations = [migrations.RunSQL(sql, reverse) for sql, reverse in STATEMENTS]
