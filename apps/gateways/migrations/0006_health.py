"""How well providers do: circuits that have opened, and how the calls of the last minutes ended."""

from django.db import migrations, models

import apps.core.ids


class Migration(migrations.Migration):
    dependencies = [
        ("gateways", "0005_one_live_object"),
    ]

    operations = [
        migrations.CreateModel(
            name="HealthTally",
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
                ("provider", models.CharField(max_length=20)),
                ("operation", models.CharField(max_length=40)),
                ("slot", models.PositiveSmallIntegerField()),
                ("started_at", models.DateTimeField()),
                ("succeeded", models.PositiveIntegerField()),
                ("failed", models.PositiveIntegerField()),
            ],
            options={
                "db_table": "gateways_health_tally",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("provider", "operation", "slot"), name="gateways_health_tally_slot"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ProviderCircuit",
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
                ("provider", models.CharField(max_length=20)),
                ("operation", models.CharField(max_length=40)),
                ("opened_at", models.DateTimeField(null=True)),
                ("retry_at", models.DateTimeField(null=True)),
                ("changed_at", models.DateTimeField()),
                ("succeeded", models.PositiveIntegerField()),
                ("failed", models.PositiveIntegerField()),
            ],
            options={
                "db_table": "gateways_circuit",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("provider", "operation"), name="gateways_circuit_one"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("opened_at", None), ("retry_at", None)),
                            models.Q(
                                ("opened_at__isnull", False),
                                ("retry_at__gt", models.F("opened_at")),
                            ),
                            _connector="OR",
                        ),
                        name="gateways_circuit_open",
                    ),
                ],
            },
        ),
    ]
