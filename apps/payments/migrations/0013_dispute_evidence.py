"""What is answered to a dispute: it may be about people, and is deleted when they are erased."""

import django.db.models.deletion
from django.db import migrations, models

import apps.core.ids


class Migration(migrations.Migration):
    dependencies = [("payments", "0012_notes")]

    operations = [
        migrations.CreateModel(
            name="DisputeEvidence",
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
                ("texts_encrypted", models.TextField()),
                ("updated_at", models.DateTimeField()),
                (
                    "dispute",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="evidence",
                        to="payments.dispute",
                    ),
                ),
            ],
            options={
                "db_table": "payments_dispute_evidence",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("book_id", "dispute"), name="payments_dispute_evidence_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("texts_encrypted__startswith", "v1.")),
                        name="payments_dispute_evidence_encrypted",
                    ),
                ],
            },
        ),
    ]
