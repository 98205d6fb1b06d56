"""The tables of merchants."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import apps.core.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Merchant",
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
                ("name", models.CharField(max_length=200)),
                ("country", models.CharField(max_length=2)),
                ("default_currency", models.CharField(max_length=3)),
                ("time_zone", models.CharField(max_length=64)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("ACTIVE", "Active"),
                            ("SUSPENDED", "Suspended"),
                            ("CLOSED", "Closed"),
                        ],
                        default="ACTIVE",
                        max_length=16,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
            options={
                "db_table": "merchants_merchant",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["ACTIVE", "SUSPENDED", "CLOSED"])),
                        name="merchants_merchant_status",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="FeePlan",
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
                ("method", models.CharField(max_length=20)),
                ("currency", models.CharField(max_length=3)),
                ("basis_points", models.PositiveIntegerField()),
                ("fixed_amount", models.DecimalField(decimal_places=4, max_digits=20)),
                ("returns_percentage", models.BooleanField()),
                ("returns_fixed", models.BooleanField()),
                ("valid_from", models.DateTimeField()),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "book",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="merchants.merchant",
                    ),
                ),
            ],
            options={
                "db_table": "merchants_fee_plan",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("book", "method", "currency", "valid_from"),
                        name="merchants_fee_plan_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("basis_points__lte", 10000)),
                        name="merchants_fee_plan_fraction",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("fixed_amount__gte", 0)),
                        name="merchants_fee_plan_fixed",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("currency", "*"), _negated=True),
                            ("fixed_amount", 0),
                            _connector="OR",
                        ),
                        name="merchants_fee_plan_fixed_has_currency",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "prefix",
                    models.CharField(
                        editable=False, max_length=24, primary_key=True, serialize=False
                    ),
                ),
                ("digest", models.BinaryField(max_length=32)),
                ("name", models.CharField(blank=True, max_length=100)),
                (
                    "mode",
                    models.CharField(choices=[("test", "Test"), ("live", "Live")], max_length=4),
                ),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40), size=None
                    ),
                ),
                ("requests_per_second", models.PositiveIntegerField(null=True)),
                ("last_used_on", models.DateField(null=True)),
                ("expires_at", models.DateTimeField(null=True)),
                ("revoked_at", models.DateTimeField(null=True)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "book",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="merchants.merchant"
                    ),
                ),
            ],
            options={
                "db_table": "merchants_api_key",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("requests_per_second__gte", 1)),
                        name="merchants_api_key_rate",
                    )
                ],
            },
        ),
    ]
