"""The tables of balances, payouts, transfers and conversions."""

from decimal import Decimal

import django.db.models.deletion
import django.db.models.expressions
import django_fsm
from django.db import migrations, models

import apps.core.ids
import apps.payments.types


class Migration(migrations.Migration):
    dependencies = [("payments", "0002_guards")]

    operations = [
        migrations.CreateModel(
            name="BalanceTransaction",
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
                    "kind",
                    models.CharField(
                        choices=[
                            (
                                apps.payments.types.BalanceKind["PAYMENT"],
                                apps.payments.types.BalanceKind["PAYMENT"],
                            ),
                            (
                                apps.payments.types.BalanceKind["PAYMENT_UNDONE"],
                                apps.payments.types.BalanceKind["PAYMENT_UNDONE"],
                            ),
                            (
                                apps.payments.types.BalanceKind["REFUND"],
                                apps.payments.types.BalanceKind["REFUND"],
                            ),
                            (
                                apps.payments.types.BalanceKind["REFUND_FAILURE"],
                                apps.payments.types.BalanceKind["REFUND_FAILURE"],
                            ),
                            (
                                apps.payments.types.BalanceKind["RESERVE_KEPT"],
                                apps.payments.types.BalanceKind["RESERVE_KEPT"],
                            ),
                            (
                                apps.payments.types.BalanceKind["RESERVE_FREED"],
                                apps.payments.types.BalanceKind["RESERVE_FREED"],
                            ),
                            (
                                apps.payments.types.BalanceKind["PAYOUT"],
                                apps.payments.types.BalanceKind["PAYOUT"],
                            ),
                            (
                                apps.payments.types.BalanceKind["PAYOUT_FAILURE"],
                                apps.payments.types.BalanceKind["PAYOUT_FAILURE"],
                            ),
                            (
                                apps.payments.types.BalanceKind["PAYOUT_RETURN"],
                                apps.payments.types.BalanceKind["PAYOUT_RETURN"],
                            ),
                        ],
                        max_length=24,
                    ),
                ),
                ("source_id", models.UUIDField()),
                ("payment_id", models.UUIDField(null=True)),
                ("currency", models.CharField(max_length=3)),
                ("gross", models.DecimalField(decimal_places=4, max_digits=20)),
                ("fee", models.DecimalField(decimal_places=4, max_digits=20)),
                ("net", models.DecimalField(decimal_places=4, max_digits=20)),
                ("available_on", models.DateField()),
                ("payable_at", models.DateTimeField(null=True)),
                ("release_id", models.UUIDField(null=True)),
                (
                    "paid_out",
                    models.DecimalField(decimal_places=4, default=Decimal("0"), max_digits=20),
                ),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "db_table": "payments_balance_transaction",
            },
        ),
        migrations.CreateModel(
            name="ExchangeRate",
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
                ("currency", models.CharField(max_length=3)),
                ("day", models.DateField()),
                ("per_euro", models.DecimalField(decimal_places=12, max_digits=24)),
                ("set_by", models.CharField(max_length=60)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "db_table": "payments_exchange_rate",
            },
        ),
        migrations.CreateModel(
            name="Payout",
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
                    "kind",
                    models.CharField(
                        choices=[
                            (
                                apps.payments.types.PayoutKind["MANUAL"],
                                apps.payments.types.PayoutKind["MANUAL"],
                            ),
                            (
                                apps.payments.types.PayoutKind["AUTOMATIC"],
                                apps.payments.types.PayoutKind["AUTOMATIC"],
                            ),
                            (
                                apps.payments.types.PayoutKind["WITHDRAWAL"],
                                apps.payments.types.PayoutKind["WITHDRAWAL"],
                            ),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "status",
                    django_fsm.FSMField(
                        choices=[
                            (
                                apps.payments.types.PayoutStatus["PENDING"],
                                apps.payments.types.PayoutStatus["PENDING"],
                            ),
                            (
                                apps.payments.types.PayoutStatus["IN_TRANSIT"],
                                apps.payments.types.PayoutStatus["IN_TRANSIT"],
                            ),
                            (
                                apps.payments.types.PayoutStatus["PAID"],
                                apps.payments.types.PayoutStatus["PAID"],
                            ),
                            (
                                apps.payments.types.PayoutStatus["FAILED"],
                                apps.payments.types.PayoutStatus["FAILED"],
                            ),
                            (
                                apps.payments.types.PayoutStatus["RETURNED"],
                                apps.payments.types.PayoutStatus["RETURNED"],
                            ),
                        ],
                        default=apps.payments.types.PayoutStatus["PENDING"],
                        max_length=16,
                        protected=True,
                    ),
                ),
                ("currency", models.CharField(max_length=3)),
                ("amount", models.DecimalField(decimal_places=4, max_digits=20)),
                ("wallet_id", models.UUIDField(null=True)),
                ("bank_account_id", models.UUIDField()),
                ("provider", models.CharField(max_length=30)),
                ("provider_reference", models.CharField(blank=True, max_length=255)),
                ("description", models.CharField(blank=True, max_length=500)),
                ("metadata", models.JSONField(default=dict)),
                ("failure_code", models.CharField(blank=True, max_length=60)),
                ("expected_on", models.DateField(null=True)),
                ("sent_at", models.DateTimeField(null=True)),
                ("paid_at", models.DateTimeField(null=True)),
                ("failed_at", models.DateTimeField(null=True)),
                ("returned_at", models.DateTimeField(null=True)),
                ("version", models.IntegerField(default=1)),
                ("created_by", models.CharField(max_length=60)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
            ],
            options={
                "db_table": "payments_payout",
            },
        ),
        migrations.CreateModel(
            name="PayoutItem",
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
                ("amount", models.DecimalField(decimal_places=4, max_digits=20)),
            ],
            options={
                "db_table": "payments_payout_item",
            },
        ),
        migrations.CreateModel(
            name="Quote",
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
                ("from_currency", models.CharField(max_length=3)),
                ("to_currency", models.CharField(max_length=3)),
                ("amount", models.DecimalField(decimal_places=4, max_digits=20)),
                ("to_amount", models.DecimalField(decimal_places=4, max_digits=20)),
                ("rate_mid", models.DecimalField(decimal_places=12, max_digits=24)),
                ("rate", models.DecimalField(decimal_places=12, max_digits=24)),
                ("spread_basis_points", models.IntegerField()),
                ("rates_of", models.DateField()),
                ("expires_at", models.DateTimeField()),
                ("payment_id", models.UUIDField(null=True)),
                ("created_by", models.CharField(max_length=60)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "db_table": "payments_quote",
            },
        ),
        migrations.CreateModel(
            name="Release",
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
                ("currency", models.CharField(max_length=3)),
                ("available_on", models.DateField()),
                ("amount", models.DecimalField(decimal_places=4, max_digits=20)),
                ("lines", models.IntegerField()),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "db_table": "payments_release",
            },
        ),
        migrations.CreateModel(
            name="Reserve",
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
                ("currency", models.CharField(max_length=3)),
                ("amount", models.DecimalField(decimal_places=4, max_digits=20)),
                ("free_on", models.DateField()),
                ("freed_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "db_table": "payments_reserve",
            },
        ),
        migrations.CreateModel(
            name="Transfer",
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
                ("from_wallet_id", models.UUIDField()),
                ("to_wallet_id", models.UUIDField()),
                ("currency", models.CharField(max_length=3)),
                ("amount", models.DecimalField(decimal_places=4, max_digits=20)),
                ("description", models.CharField(blank=True, max_length=500)),
                ("metadata", models.JSONField(default=dict)),
                ("created_by", models.CharField(max_length=60)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "db_table": "payments_transfer",
            },
        ),
        migrations.AddField(
            model_name="payoutitem",
            name="balance_transaction",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="items",
                to="payments.balancetransaction",
            ),
        ),
        migrations.AddField(
            model_name="payoutitem",
            name="payout",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="items",
                to="payments.payout",
            ),
        ),
        migrations.AddField(
            model_name="reserve",
            name="release",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                to="payments.release",
            ),
        ),
    ]
