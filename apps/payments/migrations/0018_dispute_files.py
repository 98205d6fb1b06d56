"""Files for the answers to disputes: encrypted, and deleted with the customer they are about."""

import django.db.models.deletion
from django.db import migrations, models

import apps.core.ids

PURPOSES = (
    "receipt",
    "customer_communication",
    "customer_signature",
    "shipping_documentation",
    "service_documentation",
    "refund_policy",
    "cancellation_policy",
    "duplicate_charge_documentation",
    "uncategorized_file",
)


class Migration(migrations.Migration):
    dependencies = [("payments", "0017_receipts_that_wait")]

    operations = [
        migrations.CreateModel(
            name="DisputeFile",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("book_id", models.UUIDField()),
                (
                    "purpose",
                    models.CharField(
                        blank=True, choices=[(name, name) for name in PURPOSES], max_length=40
                    ),
                ),
                ("content_type", models.CharField(max_length=40)),
                ("size", models.PositiveIntegerField()),
                ("sha256", models.CharField(max_length=64)),
                ("name_encrypted", models.TextField()),
                ("content_encrypted", models.TextField()),
                ("created_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
                (
                    "dispute",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="files",
                        to="payments.dispute",
                    ),
                ),
            ],
            options={
                "db_table": "payments_dispute_file",
                "indexes": [
                    models.Index(fields=["book_id", "dispute"], name="payments_dispute_files")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("purpose", ""), _negated=True),
                        fields=("book_id", "dispute", "purpose"),
                        name="payments_dispute_file_one_for_a_purpose",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("size__gt", 0)), name="payments_dispute_file_size"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("content_encrypted__startswith", "v1."),
                            ("name_encrypted__startswith", "v1."),
                        ),
                        name="payments_dispute_file_encrypted",
                    ),
                ],
            },
        ),
    ]
