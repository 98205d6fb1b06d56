"""What the database itself refuses: changes, unbalanced entries, accounts that no chart knows.

SQLSTATEs of the books (`services.py` maps them): LG001 unbalanced, LG002 no such account,
LG004 below a floor, LG005 reference reused, LG007 guarded without a row, LG008 nothing to reverse,
LG009 reversed before.
"""

from django.db import migrations

from apps.core.db import append_only_sql

# The twin of chart.CHART; a test holds them against each other. A new account is a new migration.
CHART = r"""
CREATE FUNCTION ledger_chart(p_code text)
RETURNS TABLE (pattern text, account_type text, normal_side smallint, has_row boolean, floor numeric)
LANGUAGE sql IMMUTABLE AS $$
    SELECT c.pattern, c.account_type,
           (CASE WHEN c.account_type IN ('asset', 'expense') THEN 1 ELSE -1 END)::smallint,
           c.has_row, c.floor::numeric
    FROM (VALUES
        ('wallet:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:available', 'liability', true, 0),
        ('wallet:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:held', 'liability', true, 0),
        ('wallet:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:promo', 'liability', true, 0),
        ('payment:unallocated', 'liability', false, NULL),
        ('merchant:pending', 'liability', false, NULL),
        ('merchant:payable', 'liability', true, NULL),
        ('merchant:disputed', 'liability', false, NULL),
        ('merchant:reserve', 'liability', true, 0),
        ('refund:payable', 'liability', false, NULL),
        ('payout:in_transit', 'liability', false, NULL),
        ('provider:[a-z][a-z0-9_]{0,29}:clearing', 'asset', false, NULL),
        ('provider:[a-z][a-z0-9_]{0,29}:disputed', 'asset', false, NULL),
        ('bank:in_transit', 'asset', false, NULL),
        ('platform:bank', 'asset', false, NULL),
        ('platform:excess', 'asset', false, NULL),
        ('provider:[a-z][a-z0-9_]{0,29}:fees', 'expense', false, NULL),
        ('platform:losses', 'expense', false, NULL),
        ('platform:promotions', 'expense', false, NULL),
        ('platform:fees', 'revenue', false, NULL),
        ('platform:fx_revenue', 'revenue', false, NULL),
        ('platform:fx_result', 'revenue', false, NULL),
        ('platform:fx', 'equity', false, NULL),
        ('platform:suspense', 'liability', false, NULL)
    ) c (pattern, account_type, has_row, floor)
    WHERE p_code ~ ('^' || c.pattern || '$')
$$
"""

# An account is what the chart says, and begins empty.
ACCOUNT_OF_CHART = """
CREATE FUNCTION ledger_check_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM ledger_chart(NEW.code) c
    WHERE c.account_type = NEW.account_type AND c.normal_side = NEW.normal_side
      AND c.floor IS NOT DISTINCT FROM NEW.floor
      AND NEW.balance IS NOT DISTINCT FROM CASE WHEN c.has_row THEN 0 END;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING errcode = 'LG002', message = 'not an account of the chart',
            detail = json_build_object('account', NEW.code)::text;
    END IF;
    RETURN NEW;
END $$
"""

# One pass over the new rows in the common case of one currency. `lines 1 to n` and the primary key
# together mean that nothing can be added to a transaction later.
BALANCED = """
CREATE FUNCTION ledger_check_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM fresh f GROUP BY f.transaction_id
        HAVING sum(CASE WHEN f.entry_type = 1 THEN f.amount ELSE -f.amount END) <> 0
            OR count(*) < 2
            OR min(f.line) <> 1 OR max(f.line) <> count(*)
            OR (min(f.currency) <> max(f.currency) AND EXISTS (
                SELECT FROM fresh g WHERE g.transaction_id = f.transaction_id
                GROUP BY g.currency HAVING sum(g.amount * g.entry_type) <> 0))
    ) THEN
        RAISE EXCEPTION USING errcode = 'LG001',
            message = 'entries come in one INSERT as lines 1 to n and balance in every currency';
    END IF;
    RETURN NULL;
END $$
"""


ACCOUNT_TRIGGERS = [
    (
        "CREATE TRIGGER ledger_account_of_chart BEFORE INSERT ON ledger_account "
        "FOR EACH ROW EXECUTE FUNCTION ledger_check_account()",
        "DROP TRIGGER ledger_account_of_chart ON ledger_account",
    ),
    # All but the balance. Named columns, so that moving a balance does not even call it.
    (
        "CREATE TRIGGER ledger_account_fixed BEFORE UPDATE OF id, book_id, code, currency, "
        "account_type, normal_side, floor, created_at OR DELETE ON ledger_account "
        "FOR EACH ROW EXECUTE FUNCTION core_refuse_change()",
        "DROP TRIGGER ledger_account_fixed ON ledger_account",
    ),
    (
        "CREATE TRIGGER ledger_account_no_truncate BEFORE TRUNCATE ON ledger_account "
        "FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change()",
        "DROP TRIGGER ledger_account_no_truncate ON ledger_account",
    ),
]

ENTRY_GUARDS = [
    # Immediate: Django's own foreign keys wait for the commit, which is too late for an error.
    (
        "ALTER TABLE ledger_entry ADD CONSTRAINT ledger_entry_transaction_fk "
        "FOREIGN KEY (transaction_id) REFERENCES ledger_transaction (id)",
        "ALTER TABLE ledger_entry DROP CONSTRAINT ledger_entry_transaction_fk",
    ),
    (BALANCED, "DROP FUNCTION ledger_check_entries()"),
    (
        "CREATE TRIGGER ledger_entry_balanced AFTER INSERT ON ledger_entry "
        "REFERENCING NEW TABLE AS fresh "
        "FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_entries()",
        "DROP TRIGGER ledger_entry_balanced ON ledger_entry",
    ),
]

STORAGE = [
    # Room for balances to move within their page.
    (
        "ALTER TABLE ledger_account SET (fillfactor = 70)",
        "ALTER TABLE ledger_account RESET (fillfactor)",
    ),
]

STATEMENTS = [
    (CHART, "DROP FUNCTION ledger_chart(text)"),
    (ACCOUNT_OF_CHART, "DROP FUNCTION ledger_check_account()"),
    *ACCOUNT_TRIGGERS,
    *ENTRY_GUARDS,
    *append_only_sql("ledger_transaction"),
    *append_only_sql("ledger_entry"),
    *append_only_sql("ledger_checkpoint"),
    *append_only_sql("ledger_closing"),
    *STORAGE,
]


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial"), ("core", "0001_guards")]
    operations = [migrations.RunSQL(sql, reverse) for sql, reverse in STATEMENTS]
