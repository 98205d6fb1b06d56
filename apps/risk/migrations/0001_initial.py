"""The tables of risk."""

import django.contrib.postgres.fields
import django.db.models.functions.datetime
from django.db import migrations, models

import apps.core.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="ScreenedPayment",
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
                ("subject_id", models.UUIDField()),
                ("decision", models.CharField(max_length=16)),
                ("score", models.PositiveSmallIntegerField()),
                (
                    "reasons",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=80), size=None
                    ),
                ),
                ("occurred_at", models.DateTimeField()),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
            options={
                "db_table": "risk_assessment",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("book_id", "subject_id"), name="risk_assessment_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("decision__in", ["ALLOW", "BLOCK", "REVIEW", "TWO_FACTOR"])
                        ),
                        name="risk_assessment_decision",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("score__lte", 100)), name="risk_assessment_score"
                    ),
                ],
            },
        ),
    ]
