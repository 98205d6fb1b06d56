"""Which receipts wait to be booked: a small table to look into, however many there are."""

import django.db.models.deletion
from django.db import migrations, models

# Those that were stored before.
WAITING_BEFORE = """
INSERT INTO payments_receipt_waiting (receipt_id)
SELECT r.id FROM payments_bank_receipt r WHERE NOT EXISTS
    (SELECT 1 FROM payments_receipt_posting p WHERE p.receipt_id = r.id)
"""


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0016_answering_disputes"),
    ]

    operations = [
        migrations.CreateModel(
            name="ReceiptWaiting",
            fields=[
                (
                    "receipt",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        serialize=False,
                        to="payments.bankreceipt",
                    ),
                ),
            ],
            options={
                "db_table": "payments_receipt_waiting",
            },
        ),
        migrations.RunSQL(WAITING_BEFORE, migrations.RunSQL.noop),
    ]
