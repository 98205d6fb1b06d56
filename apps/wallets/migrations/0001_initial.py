"""The tables of wallets."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import apps.core.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Customer",
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
                ("name_encrypted", models.TextField(null=True)),
                ("email_encrypted", models.TextField(null=True)),
                ("metadata", models.JSONField()),
                ("erased_at", models.DateTimeField(null=True)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
            options={
                "db_table": "wallets_customer",
                "indexes": [models.Index(fields=["book_id", "id"], name="wallets_customer_list")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("erased_at", None),
                            models.Q(
                                ("email_encrypted", None),
                                ("metadata", {}),
                                ("name_encrypted", None),
                            ),
                            _connector="OR",
                        ),
                        name="wallets_customer_erased_is_empty",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="PaymentMethod",
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
                ("kind", models.CharField(max_length=4)),
                ("brand", models.CharField(max_length=40, null=True)),
                ("last4", models.CharField(max_length=4, null=True)),
                ("exp_month", models.PositiveSmallIntegerField(null=True)),
                ("exp_year", models.PositiveSmallIntegerField(null=True)),
                ("funding", models.CharField(max_length=20, null=True)),
                ("country", models.CharField(max_length=2, null=True)),
                ("fingerprint", models.CharField(max_length=100, null=True)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="wallets.customer",
                    ),
                ),
            ],
            options={
                "db_table": "wallets_payment_method",
            },
        ),
        migrations.CreateModel(
            name="PaymentMethodToken",
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
                ("customer_id", models.UUIDField(null=True)),
                ("provider", models.CharField(max_length=40)),
                ("token", models.CharField(max_length=255)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "payment_method",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="tokens",
                        to="wallets.paymentmethod",
                    ),
                ),
            ],
            options={
                "db_table": "wallets_payment_method_token",
            },
        ),
        migrations.AddIndex(
            model_name="paymentmethod",
            index=models.Index(fields=["book_id", "id"], name="wallets_payment_method_list"),
        ),
        migrations.AddConstraint(
            model_name="paymentmethod",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["card", "bank"])),
                name="wallets_payment_method_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="paymentmethodtoken",
            constraint=models.UniqueConstraint(
                fields=("book_id", "customer_id", "provider", "token"),
                name="wallets_payment_method_token_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="paymentmethodtoken",
            constraint=models.UniqueConstraint(
                fields=("book_id", "payment_method", "provider"),
                name="wallets_payment_method_token_per_provider",
            ),
        ),
    ]
