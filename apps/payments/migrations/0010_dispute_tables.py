"""Disputes: what providers tell of them, what they moved, and the lines of their statements."""

from decimal import Decimal

import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models

import apps.core.ids


def _pairs(*words: str) -> list[tuple[str, str]]:
    return [(word, word) for word in words]


BALANCE_KINDS = _pairs(
    "payment",
    "payment_undone",
    "refund",
    "refund_failure",
    "reserve_kept",
    "reserve_freed",
    "payout",
    "payout_failure",
    "payout_return",
    "dispute",
    "dispute_return",
    "dispute_fee",
)
STATUSES = _pairs(
    "REPORTED",
    "NEEDS_RESPONSE",
    "UNDER_REVIEW",
    "WON",
    "PART_LOST",
    "LOST",
)
STAGES = _pairs(
    "inquiry",
    "chargeback",
)
REASONS = _pairs(
    "fraudulent",
    "not_received",
    "not_as_described",
    "credit_not_processed",
    "duplicate",
    "subscription_canceled",
    "general",
)


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0009_bank_receipt_guards"),
    ]

    operations = [
        migrations.AlterField(
            model_name="balancetransaction",
            name="kind",
            field=models.CharField(
                choices=BALANCE_KINDS,
                max_length=24,
            ),
        ),
        migrations.CreateModel(
            name="Dispute",
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
                ("provider", models.CharField(max_length=30)),
                ("provider_reference", models.CharField(max_length=255)),
                (
                    "status",
                    models.CharField(
                        choices=STATUSES,
                        default="REPORTED",
                        max_length=16,
                    ),
                ),
                (
                    "stage",
                    models.CharField(
                        blank=True,
                        choices=STAGES,
                        max_length=10,
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        choices=REASONS,
                        max_length=24,
                    ),
                ),
                ("provider_reason", models.CharField(blank=True, max_length=100)),
                ("network_reason_code", models.CharField(blank=True, max_length=20)),
                ("currency", models.CharField(max_length=3)),
                (
                    "amount",
                    models.DecimalField(decimal_places=4, default=Decimal("0"), max_digits=20),
                ),
                (
                    "amount_open",
                    models.DecimalField(decimal_places=4, default=Decimal("0"), max_digits=20),
                ),
                (
                    "amount_lost",
                    models.DecimalField(decimal_places=4, default=Decimal("0"), max_digits=20),
                ),
                (
                    "budget_part",
                    models.DecimalField(decimal_places=4, default=Decimal("0"), max_digits=20),
                ),
                (
                    "excess",
                    models.DecimalField(decimal_places=4, default=Decimal("0"), max_digits=20),
                ),
                (
                    "bearer_amount",
                    models.DecimalField(decimal_places=4, default=Decimal("0"), max_digits=20),
                ),
                (
                    "shortfall",
                    models.DecimalField(decimal_places=4, default=Decimal("0"), max_digits=20),
                ),
                (
                    "amount_withdrawn",
                    models.DecimalField(decimal_places=4, default=Decimal("0"), max_digits=20),
                ),
                (
                    "amount_returned",
                    models.DecimalField(decimal_places=4, default=Decimal("0"), max_digits=20),
                ),
                (
                    "provider_fee",
                    models.DecimalField(decimal_places=4, default=Decimal("0"), max_digits=20),
                ),
                ("due_by", models.DateTimeField(null=True)),
                ("opened_at", models.DateTimeField(null=True)),
                ("closed_at", models.DateTimeField(null=True)),
                ("looked_at", models.DateTimeField(null=True)),
                ("evidence_ordered_at", models.DateTimeField(null=True)),
                ("evidence_sent_at", models.DateTimeField(null=True)),
                ("accept_ordered_at", models.DateTimeField(null=True)),
                ("accepted_at", models.DateTimeField(null=True)),
                ("reminded_hours", models.IntegerField(null=True)),
                ("version", models.IntegerField(default=0)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                (
                    "payment",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="disputes",
                        to="payments.payment",
                    ),
                ),
            ],
            options={
                "db_table": "payments_dispute",
            },
        ),
        migrations.CreateModel(
            name="DisputeLine",
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
                ("provider", models.CharField(max_length=30)),
                ("line_reference", models.CharField(max_length=255)),
                ("kind", models.CharField(max_length=30)),
                ("currency", models.CharField(max_length=3)),
                ("gross", models.DecimalField(decimal_places=4, max_digits=20)),
                ("provider_fee", models.DecimalField(decimal_places=4, max_digits=20)),
                ("created_at", models.DateTimeField()),
                (
                    "dispute",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="lines",
                        to="payments.dispute",
                    ),
                ),
            ],
            options={
                "db_table": "payments_dispute_line",
            },
        ),
        migrations.CreateModel(
            name="DisputeMove",
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
                ("amount_open", models.DecimalField(decimal_places=4, max_digits=20)),
                ("amount_lost", models.DecimalField(decimal_places=4, max_digits=20)),
                ("budget_part", models.DecimalField(decimal_places=4, max_digits=20)),
                ("excess", models.DecimalField(decimal_places=4, max_digits=20)),
                ("bearer_amount", models.DecimalField(decimal_places=4, max_digits=20)),
                ("shortfall", models.DecimalField(decimal_places=4, max_digits=20)),
                ("wallet_id", models.UUIDField(null=True)),
                ("created_at", models.DateTimeField()),
                (
                    "dispute",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="moves",
                        to="payments.dispute",
                    ),
                ),
            ],
            options={
                "db_table": "payments_dispute_move",
            },
        ),
        migrations.CreateModel(
            name="ExcessCase",
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
                ("opened_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(null=True)),
                (
                    "dispute",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="cases",
                        to="payments.dispute",
                    ),
                ),
            ],
            options={
                "db_table": "payments_excess_case",
            },
        ),
        migrations.AddIndex(
            model_name="dispute",
            index=models.Index(fields=["book_id", "-id"], name="payments_dispute_newest"),
        ),
        migrations.AddIndex(
            model_name="dispute",
            index=models.Index(fields=["book_id", "payment"], name="payments_dispute_payment"),
        ),
        migrations.AddIndex(
            model_name="dispute",
            index=models.Index(
                condition=models.Q(("closed_at", None)),
                fields=["due_by"],
                name="payments_dispute_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="dispute",
            constraint=models.UniqueConstraint(
                fields=("book_id", "provider", "provider_reference"), name="payments_dispute_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="dispute",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "amount__gte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("amount_open"), "+", models.F("amount_lost")
                        ),
                    ),
                    ("amount_lost__gte", 0),
                    ("amount_open__gte", 0),
                    ("bearer_amount__gte", 0),
                    ("budget_part__gte", 0),
                    ("excess__gte", 0),
                    ("shortfall__gte", 0),
                ),
                name="payments_dispute_amounts",
            ),
        ),
        migrations.AddConstraint(
            model_name="dispute",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "budget_part",
                        django.db.models.expressions.CombinedExpression(
                            django.db.models.expressions.CombinedExpression(
                                models.F("amount_open"), "+", models.F("amount_lost")
                            ),
                            "-",
                            models.F("excess"),
                        ),
                    )
                ),
                name="payments_dispute_taken",
            ),
        ),
        migrations.AddConstraint(
            model_name="dispute",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "REPORTED"), ("version", 0)),
                    models.Q(
                        models.Q(("status", "REPORTED"), _negated=True),
                        ("opened_at__isnull", False),
                        ("version__gt", 0),
                    ),
                    _connector="OR",
                ),
                name="payments_dispute_known",
            ),
        ),
        migrations.AddIndex(
            model_name="disputeline",
            index=models.Index(fields=["book_id", "dispute"], name="payments_dispute_lines"),
        ),
        migrations.AddConstraint(
            model_name="disputeline",
            constraint=models.UniqueConstraint(
                fields=("book_id", "provider", "line_reference"), name="payments_dispute_line_once"
            ),
        ),
        migrations.AddIndex(
            model_name="disputemove",
            index=models.Index(fields=["book_id", "dispute"], name="payments_dispute_moves"),
        ),
        migrations.AddConstraint(
            model_name="disputemove",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "budget_part",
                        django.db.models.expressions.CombinedExpression(
                            django.db.models.expressions.CombinedExpression(
                                models.F("amount_open"), "+", models.F("amount_lost")
                            ),
                            "-",
                            models.F("excess"),
                        ),
                    )
                ),
                name="payments_dispute_move_taken",
            ),
        ),
        migrations.AddConstraint(
            model_name="excesscase",
            constraint=models.UniqueConstraint(
                condition=models.Q(("closed_at", None)),
                fields=("book_id", "dispute"),
                name="payments_excess_case_one_open",
            ),
        ),
    ]
