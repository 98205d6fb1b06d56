"""A row account may be locked before anything is posted to it, by whoever decides on its balance.

The application's role has no right to lock the table's rows itself: SELECT … FOR UPDATE asks for
the right to update them.
"""

import importlib

from django.db import migrations

before = importlib.import_module("apps.ledger.migrations.0003_posting")

LOCK = f"""
CREATE FUNCTION ledger_lock_balance(p_book uuid, p_code text, p_currency text)
RETURNS numeric {before.SETTINGS} AS $$
DECLARE
    v_balance numeric;
BEGIN
    SELECT a.balance INTO v_balance FROM ledger_account a
    WHERE a.book_id = p_book AND a.code = p_code AND a.currency = p_currency
    FOR NO KEY UPDATE;
    RETURN v_balance;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0005_refusals")]
    operations = [
        migrations.RunSQL(LOCK, "DROP FUNCTION ledger_lock_balance(uuid, text, text)"),
    ]
