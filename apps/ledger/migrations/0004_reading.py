"""The functions that read a balance. STABLE: every query in them sees the caller's one snapshot, so
checkpoint and tail always fit together. Generic plans: planning would cost more than the walk.
CASE instead of a product: multiplying decimals is a quarter of a long walk.
"""

from django.db import migrations

SETTINGS = (
    "LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off"
)

SETTLED_UNTIL = f"""
CREATE FUNCTION ledger_settled_until() RETURNS timestamptz {SETTINGS} AS $$
BEGIN
    RETURN (
        SELECT max(h.taken_at) FROM ledger_horizon h
        WHERE h.xid <= pg_snapshot_xmin(pg_current_snapshot())::text::bigint);
END $$
"""

BALANCE = f"""
CREATE FUNCTION ledger_balance(p_book uuid, p_code text, p_currency text)
RETURNS numeric {SETTINGS} AS $$
DECLARE
    a record;
    c record;
BEGIN
    SELECT x.id, x.normal_side, x.balance INTO a FROM ledger_account x
    WHERE x.book_id = p_book AND x.code = p_code AND x.currency = p_currency;
    IF a.balance IS NOT NULL OR a.id IS NULL THEN
        RETURN coalesce(a.balance, 0);
    END IF;
    SELECT p.upto, p.balance INTO c FROM ledger_checkpoint p
    WHERE p.account_id = a.id ORDER BY p.upto DESC LIMIT 1;
    RETURN coalesce(c.balance, 0) + a.normal_side * coalesce((
        SELECT sum(CASE WHEN e.entry_type = 1 THEN e.amount ELSE -e.amount END)
        FROM ledger_entry e
        WHERE e.account_id = a.id AND e.created_at > coalesce(c.upto, '-infinity')), 0);
END $$
"""

BALANCE_AT = f"""
CREATE FUNCTION ledger_balance_at(
    p_book uuid, p_code text, p_currency text, p_at timestamptz,
    OUT settled timestamptz, OUT balance numeric) {SETTINGS} AS $$
DECLARE
    a record;
    c record;
BEGIN
    settled := ledger_settled_until();
    SELECT x.id, x.normal_side INTO a FROM ledger_account x
    WHERE x.book_id = p_book AND x.code = p_code AND x.currency = p_currency;
    SELECT p.upto, p.balance INTO c FROM ledger_checkpoint p
    WHERE p.account_id = a.id AND p.upto <= p_at ORDER BY p.upto DESC LIMIT 1;
    balance := coalesce(c.balance, 0) + a.normal_side * coalesce((
        SELECT sum(CASE WHEN e.entry_type = 1 THEN e.amount ELSE -e.amount END)
        FROM ledger_entry e
        WHERE e.account_id = a.id AND e.created_at <= p_at
          AND e.created_at > coalesce(c.upto, '-infinity')), 0);
END $$
"""

STATEMENTS = [
    (SETTLED_UNTIL, "DROP FUNCTION ledger_settled_until()"),
    (BALANCE, "DROP FUNCTION ledger_balance(uuid, text, text)"),
    (BALANCE_AT, "DROP FUNCTION ledger_balance_at(uuid, text, text, timestamptz)"),
]


class Migration(migrations.Migration):
    dependencies = [("ledger", "0003_posting")]
    operations = [migrations.RunSQL(sql, reverse) for sql, reverse in STATEMENTS]
