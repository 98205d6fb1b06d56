"""What the database refuses about disputes, whatever the code does.

Which state follows which is for the provider to say, and nothing it says is refused; but what is
known of a dispute is never unknown again, and what it is about never changes.
"""

import importlib

from django.db import migrations

from apps.core.db import append_only_sql

before = importlib.import_module("apps.payments.migrations.0002_guards")

DISPUTE_CHANGE = """
CREATE FUNCTION payments_check_dispute_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.status = 'REPORTED' AND old.status <> 'REPORTED' THEN
        RAISE EXCEPTION USING errcode = 'PY001',
            message = format('a dispute does not go from %s to %s', old.status, new.status);
    END IF;
    IF (new.id, new.book_id, new.payment_id, new.provider, new.provider_reference, new.currency,
        new.created_at) IS DISTINCT FROM (old.id, old.book_id, old.payment_id, old.provider,
        old.provider_reference, old.currency, old.created_at)
       OR new.version < old.version THEN
        RAISE EXCEPTION USING errcode = 'PY002', message = 'what a dispute is about never changes';
    END IF;
    RETURN new;
END $$
"""

CASE_CHANGE = """
CREATE FUNCTION payments_check_case_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF old.closed_at IS NOT NULL
       OR (to_jsonb(new) - 'closed_at') <> (to_jsonb(old) - 'closed_at') THEN
        RAISE EXCEPTION USING errcode = 'PY002', message = 'a case is closed once';
    END IF;
    RETURN new;
END $$
"""


def _guarded(table: str, function: str, sql: str) -> list[migrations.RunSQL]:
    return [
        migrations.RunSQL(sql, f"DROP FUNCTION {function}()"),
        migrations.RunSQL(
            f"CREATE TRIGGER {table}_change BEFORE UPDATE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {function}()",
            f"DROP TRIGGER {table}_change ON {table}",
        ),
        *before._no_delete(table),
    ]


class Migration(migrations.Migration):
    dependencies = [("payments", "0010_dispute_tables")]
    operations = [
        *_guarded("payments_dispute", "payments_check_dispute_change", DISPUTE_CHANGE),
        *_guarded("payments_excess_case", "payments_check_case_change", CASE_CHANGE),
        *(
            migrations.RunSQL(sql, reverse)
            for table in ("dispute_move", "dispute_line")
            for sql, reverse in append_only_sql(f"payments_{table}")
        ),
    ]
