"""What the database refuses about payments, whatever the code does.

The literals of `LEGAL` are the table in `states.py`; a test holds the two against each other.
"""

from django.db import migrations

from apps.core.db import append_only_sql

LEGAL = """
    ('CREATED', 'VALIDATED'),
    ('VALIDATED', 'REQUIRES_ACTION'), ('VALIDATED', 'IN_REVIEW'), ('VALIDATED', 'AUTHORIZED'),
    ('VALIDATED', 'REJECTED'), ('VALIDATED', 'FAILED'), ('VALIDATED', 'VOIDED'),
    ('REQUIRES_ACTION', 'VALIDATED'), ('REQUIRES_ACTION', 'REJECTED'),
    ('REQUIRES_ACTION', 'FAILED'), ('REQUIRES_ACTION', 'VOIDED'),
    ('IN_REVIEW', 'VALIDATED'), ('IN_REVIEW', 'REJECTED'), ('IN_REVIEW', 'VOIDED'),
    ('AUTHORIZED', 'CAPTURED'), ('AUTHORIZED', 'VOIDED'), ('AUTHORIZED', 'FAILED'),
    ('CAPTURED', 'SETTLED'), ('CAPTURED', 'REFUNDED'), ('CAPTURED', 'DISPUTED'),
    ('CAPTURED', 'CHARGED_BACK'),
    ('SETTLED', 'CAPTURED'), ('SETTLED', 'REFUNDED'), ('SETTLED', 'DISPUTED'),
    ('SETTLED', 'CHARGED_BACK'),
    ('REFUNDED', 'CAPTURED'), ('REFUNDED', 'SETTLED'), ('REFUNDED', 'DISPUTED'),
    ('DISPUTED', 'CAPTURED'), ('DISPUTED', 'SETTLED'), ('DISPUTED', 'REFUNDED'),
    ('DISPUTED', 'CHARGED_BACK'),
    ('CHARGED_BACK', 'CAPTURED'), ('CHARGED_BACK', 'SETTLED'), ('CHARGED_BACK', 'REFUNDED'),
    ('CHARGED_BACK', 'DISPUTED')
"""

PAYMENT_MOVE = f"""
CREATE FUNCTION payments_check_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF tg_op = 'INSERT' THEN
        -- Created and, in the same commit, validated.
        IF new.status NOT IN ('CREATED', 'VALIDATED') THEN
            RAISE EXCEPTION USING errcode = 'PY001',
                message = format('a payment begins as CREATED, not as %s', new.status);
        END IF;
        RETURN new;
    END IF;
    IF new.status <> old.status AND (old.status, new.status) NOT IN ({LEGAL}) THEN
        RAISE EXCEPTION USING errcode = 'PY001',
            message = format('a payment does not go from %s to %s', old.status, new.status);
    END IF;
    IF (new.id, new.book_id, new.amount, new.currency, new.source, new.destination,
        new.created_at) IS DISTINCT FROM (old.id, old.book_id, old.amount, old.currency,
        old.source, old.destination, old.created_at)
       OR (old.amount_captured > 0 AND new.amount_captured <> old.amount_captured) THEN
        RAISE EXCEPTION USING errcode = 'PY002', message = 'what a payment is about never changes';
    END IF;
    RETURN new;
END $$
"""

REFUND_MOVE = """
CREATE FUNCTION payments_check_refund_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF tg_op = 'INSERT' THEN
        IF new.status <> 'PENDING' THEN
            RAISE EXCEPTION USING errcode = 'PY001',
                message = format('a refund begins as PENDING, not as %s', new.status);
        END IF;
        RETURN new;
    END IF;
    IF new.status <> old.status AND (old.status, new.status) NOT IN (('PENDING', 'SUCCEEDED'),
        ('PENDING', 'FAILED'), ('SUCCEEDED', 'FAILED')) THEN
        RAISE EXCEPTION USING errcode = 'PY001',
            message = format('a refund does not go from %s to %s', old.status, new.status);
    END IF;
    IF (new.id, new.book_id, new.payment_id, new.amount, new.currency, new.fee_returned,
        new.created_at) IS DISTINCT FROM (old.id, old.book_id, old.payment_id, old.amount,
        old.currency, old.fee_returned, old.created_at) THEN
        RAISE EXCEPTION USING errcode = 'PY002', message = 'what a refund is about never changes';
    END IF;
    RETURN new;
END $$
"""

HEADLINE = """
ALTER TABLE payments_payment ADD CONSTRAINT payments_payment_headline CHECK (
    status NOT IN ('CAPTURED', 'SETTLED', 'REFUNDED', 'DISPUTED', 'CHARGED_BACK')
    OR status = CASE
        WHEN amount_disputed > 0 THEN 'DISPUTED'
        WHEN amount_charged_back > 0
             AND amount_refunded + amount_charged_back >= amount_captured THEN 'CHARGED_BACK'
        WHEN amount_refunded >= amount_captured THEN 'REFUNDED'
        WHEN settled_at IS NOT NULL THEN 'SETTLED'
        ELSE 'CAPTURED' END)
"""

# A captured payment has captured something, and one that is not has not.
CAPTURED = """
ALTER TABLE payments_payment ADD CONSTRAINT payments_payment_captured_iff_status CHECK (
    (status IN ('CAPTURED', 'SETTLED', 'REFUNDED', 'DISPUTED', 'CHARGED_BACK'))
    = (amount_captured > 0))
"""


def _trigger(name: str, table: str, function: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"CREATE TRIGGER {name} BEFORE INSERT OR UPDATE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {function}()",
        f"DROP TRIGGER {name} ON {table}",
    )


REFUSE_DELETE = """
CREATE FUNCTION payments_refuse_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING errcode = 'PS002',
        message = format('%s is never deleted: %s refused', tg_table_name, tg_op);
END $$
"""


def _no_delete(table: str) -> list[migrations.RunSQL]:
    """Payments and refunds change, and are never deleted."""
    return [
        migrations.RunSQL(
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION payments_refuse_delete()",
            f"DROP TRIGGER {table}_no_delete ON {table}",
        ),
    ]


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_tables"), ("core", "0001_guards")]
    operations = [
        migrations.RunSQL(PAYMENT_MOVE, "DROP FUNCTION payments_check_move()"),
        _trigger("payments_payment_move", "payments_payment", "payments_check_move"),
        migrations.RunSQL(REFUND_MOVE, "DROP FUNCTION payments_check_refund_move()"),
        _trigger("payments_refund_move", "payments_refund", "payments_check_refund_move"),
        migrations.RunSQL(
            HEADLINE, "ALTER TABLE payments_payment DROP CONSTRAINT payments_payment_headline"
        ),
        migrations.RunSQL(
            CAPTURED,
            "ALTER TABLE payments_payment DROP CONSTRAINT payments_payment_captured_iff_status",
        ),
        migrations.RunSQL(REFUSE_DELETE, "DROP FUNCTION payments_refuse_delete()"),
        *_no_delete("payments_payment"),
        *_no_delete("payments_refund"),
        *(
            migrations.RunSQL(sql, reverse)
            for sql, reverse in append_only_sql("payments_settlement_line")
        ),
    ]
