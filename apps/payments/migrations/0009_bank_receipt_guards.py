"""What the database refuses about bank transfers, whatever the code does."""

import importlib

from django.db import migrations

from apps.core.db import append_only_sql

before = importlib.import_module("apps.payments.migrations.0007_whole_at_once")
first = importlib.import_module("apps.payments.migrations.0002_guards")

# A payment by bank transfer has its reference, and is AUTHORIZED, in the commit that creates it.
PAYMENT_MOVE = before.PAYMENT_MOVE.replace(
    "OR new.wallet_amount <> new.amount) THEN",
    """OR new.wallet_amount <> new.amount)
           AND (new.status <> 'AUTHORIZED' OR new.method <> 'bank_transfer') THEN""",
)
assert PAYMENT_MOVE != before.PAYMENT_MOVE

# A case is resolved once, and nothing else about it changes.
CASE_CHANGE = """
CREATE FUNCTION payments_check_suspense_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF tg_op = 'INSERT' THEN
        IF new.status <> 'OPEN' THEN
            RAISE EXCEPTION USING errcode = 'PY001', message = 'a case begins as OPEN';
        END IF;
        RETURN new;
    END IF;
    IF old.status <> 'OPEN'
       OR (to_jsonb(new) - '{status,allocated_to,resolved_by,resolved_at}'::text[])
          <> (to_jsonb(old) - '{status,allocated_to,resolved_by,resolved_at}'::text[]) THEN
        RAISE EXCEPTION USING errcode = 'PY002', message = 'a case is resolved once';
    END IF;
    RETURN new;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0008_bank_receipts")]
    operations = [
        migrations.RunSQL(PAYMENT_MOVE, before.PAYMENT_MOVE),
        migrations.RunSQL(CASE_CHANGE, "DROP FUNCTION payments_check_suspense_change()"),
        migrations.RunSQL(
            "CREATE TRIGGER payments_suspense_case_change BEFORE INSERT OR UPDATE "
            "ON payments_suspense_case "
            "FOR EACH ROW EXECUTE FUNCTION payments_check_suspense_change()",
            "DROP TRIGGER payments_suspense_case_change ON payments_suspense_case",
        ),
        *first._no_delete("payments_suspense_case"),
        *(
            migrations.RunSQL(sql, reverse)
            for table in ("virtual_reference", "bank_receipt", "receipt_posting")
            for sql, reverse in append_only_sql(f"payments_{table}")
        ),
    ]
