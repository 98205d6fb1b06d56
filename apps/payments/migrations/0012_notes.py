"""What a merchant wrote can be emptied, on a transfer too, and is found by whose it is."""

import importlib

from django.db import migrations, models
from django.db.models import Q

from apps.core.db import append_only_sql

rules = importlib.import_module("apps.payments.migrations.0006_guards")

TRANSFER_CHANGE = """
CREATE FUNCTION payments_check_transfer_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    old.description := '';
    old.metadata := '{}';
    IF new IS DISTINCT FROM old THEN
        RAISE EXCEPTION USING errcode = 'PY002',
            message = 'of a transfer only its notes change, and they are emptied';
    END IF;
    RETURN new;
END $$
"""

DESCRIBED = ~Q(description="") | ~Q(metadata={})
INDEXES = (
    ("payment", "wallet_id", "wallet", DESCRIBED),
    ("payment", "payment_method_id", "method", DESCRIBED),
    ("refund", "payment", "", ~Q(reason="") | ~Q(metadata={})),
    ("payout", "wallet_id", "", DESCRIBED),
    ("transfer", "from_wallet_id", "from", DESCRIBED),
    ("transfer", "to_wallet_id", "to", DESCRIBED),
)


class Migration(migrations.Migration):
    dependencies = [("payments", "0011_dispute_guards")]
    operations = [
        *(migrations.RunSQL(reverse, sql) for sql, reverse in append_only_sql("payments_transfer")),
        migrations.RunSQL(TRANSFER_CHANGE, "DROP FUNCTION payments_check_transfer_change()"),
        *rules._trigger("payments_transfer", "payments_check_transfer_change"),
        *(
            migrations.AddIndex(
                table,
                models.Index(
                    fields=["book_id", column],
                    name="_".join(filter(None, ("payments", table, "noted", short))),
                    condition=condition,
                ),
            )
            for table, column, short, condition in INDEXES
        ),
    ]
