"""What the database refuses about wallets and holds, whatever the code does."""

from django.db import migrations

WALLET_CHANGE = """
CREATE FUNCTION wallets_check_wallet_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (new.id, new.book_id, new.customer_id, new.currency, new.created_at) IS DISTINCT FROM
       (old.id, old.book_id, old.customer_id, old.currency, old.created_at)
       OR old.status = 'CLOSED' THEN
        RAISE EXCEPTION USING errcode = 'WL001', message = 'a wallet keeps its customer, its '
            'currency and, once closed, its end';
    END IF;
    RETURN new;
END $$
"""

# A hold ends once. An open stand-alone one may be taken over by a payment.
HOLD_CHANGE = """
CREATE FUNCTION wallets_check_hold_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (new.id, new.book_id, new.wallet_id, new.currency, new.amount, new.created_at)
       IS DISTINCT FROM (old.id, old.book_id, old.wallet_id, old.currency, old.amount,
        old.created_at)
       OR old.status <> 'OPEN'
       OR (old.payment_id IS NOT NULL AND new.payment_id IS DISTINCT FROM old.payment_id) THEN
        RAISE EXCEPTION USING errcode = 'WL001', message = 'a hold ends once, and not otherwise';
    END IF;
    RETURN new;
END $$
"""

REFUSE_DELETE = """
CREATE FUNCTION wallets_refuse_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING errcode = 'PS002',
        message = format('%s is never deleted: %s refused', tg_table_name, tg_op);
END $$
"""


def _guards(table: str, function: str) -> list[migrations.RunSQL]:
    return [
        migrations.RunSQL(
            f"CREATE TRIGGER {table}_change BEFORE UPDATE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {function}()",
            f"DROP TRIGGER {table}_change ON {table}",
        ),
        migrations.RunSQL(
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION wallets_refuse_delete()",
            f"DROP TRIGGER {table}_no_delete ON {table}",
        ),
    ]


class Migration(migrations.Migration):
    dependencies = [("wallets", "0002_wallets_and_holds")]
    operations = [
        migrations.RunSQL(WALLET_CHANGE, "DROP FUNCTION wallets_check_wallet_change()"),
        migrations.RunSQL(HOLD_CHANGE, "DROP FUNCTION wallets_check_hold_change()"),
        migrations.RunSQL(REFUSE_DELETE, "DROP FUNCTION wallets_refuse_delete()"),
        *_guards("wallets_wallet", "wallets_check_wallet_change"),
        *_guards("wallets_hold", "wallets_check_hold_change"),
    ]
