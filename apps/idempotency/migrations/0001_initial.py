"""The table of idempotency."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="IdempotencyKey",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("book_id", models.UUIDField()),
                ("scope", models.CharField(max_length=80)),
                ("key", models.CharField(max_length=255)),
                ("fingerprint", models.BinaryField(max_length=32)),
                ("locked_until", models.DateTimeField()),
                ("status_code", models.PositiveSmallIntegerField(null=True)),
                ("body", models.TextField(null=True)),
                ("expires_at", models.DateTimeField(null=True)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
            options={
                "db_table": "idempotency_key",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("book_id", "scope", "key"), name="idempotency_key_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("body", None), ("status_code", None)),
                            models.Q(
                                ("body__isnull", False),
                                ("expires_at__isnull", False),
                                ("status_code__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="idempotency_key_answer_is_whole",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("status_code", None),
                            ("status_code__in", [200, 201, 402, 409]),
                            _connector="OR",
                        ),
                        name="idempotency_key_answer_is_final",
                    ),
                ],
            },
        ),
    ]
