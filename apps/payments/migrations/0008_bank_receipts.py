"""Bank transfers: references, what came to the bank, what it was booked as, open questions."""

import django.db.models.deletion
from django.db import migrations, models

import apps.core.ids
import apps.payments.types


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0007_whole_at_once"),
    ]

    operations = [
        migrations.CreateModel(
            name="BankReceipt",
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
                ("bank_reference", models.CharField(max_length=100, unique=True)),
                ("booked_on", models.DateField()),
                ("currency", models.CharField(max_length=3)),
                ("amount", models.DecimalField(decimal_places=4, max_digits=20)),
                ("reference", models.CharField(blank=True, max_length=25)),
                ("created_by", models.CharField(max_length=80)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "db_table": "payments_bank_receipt",
            },
        ),
        migrations.CreateModel(
            name="SuspenseCase",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("book_id", models.UUIDField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            (
                                apps.payments.types.CaseStatus["OPEN"],
                                apps.payments.types.CaseStatus["OPEN"],
                            ),
                            (
                                apps.payments.types.CaseStatus["ALLOCATED"],
                                apps.payments.types.CaseStatus["ALLOCATED"],
                            ),
                            (
                                apps.payments.types.CaseStatus["RETURNED"],
                                apps.payments.types.CaseStatus["RETURNED"],
                            ),
                        ],
                        default=apps.payments.types.CaseStatus["OPEN"],
                        max_length=10,
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            (
                                apps.payments.types.SuspenseReason["UNKNOWN_REFERENCE"],
                                apps.payments.types.SuspenseReason["UNKNOWN_REFERENCE"],
                            ),
                            (
                                apps.payments.types.SuspenseReason["WRONG_CURRENCY"],
                                apps.payments.types.SuspenseReason["WRONG_CURRENCY"],
                            ),
                            (
                                apps.payments.types.SuspenseReason["SHORT"],
                                apps.payments.types.SuspenseReason["SHORT"],
                            ),
                            (
                                apps.payments.types.SuspenseReason["OVER"],
                                apps.payments.types.SuspenseReason["OVER"],
                            ),
                            (
                                apps.payments.types.SuspenseReason["ALREADY_PAID"],
                                apps.payments.types.SuspenseReason["ALREADY_PAID"],
                            ),
                            (
                                apps.payments.types.SuspenseReason["TOO_LATE"],
                                apps.payments.types.SuspenseReason["TOO_LATE"],
                            ),
                        ],
                        max_length=20,
                    ),
                ),
                ("currency", models.CharField(max_length=3)),
                ("amount", models.DecimalField(decimal_places=4, max_digits=20)),
                ("payment_id", models.UUIDField(null=True)),
                ("allocated_to", models.UUIDField(null=True)),
                ("resolved_by", models.CharField(blank=True, max_length=80)),
                ("resolved_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "db_table": "payments_suspense_case",
            },
        ),
        migrations.CreateModel(
            name="VirtualReference",
            fields=[
                ("reference", models.CharField(max_length=25, primary_key=True, serialize=False)),
                ("book_id", models.UUIDField()),
                ("payment_id", models.UUIDField()),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "db_table": "payments_virtual_reference",
            },
        ),
        migrations.AddField(
            model_name="payment",
            name="expected_by",
            field=models.DateTimeField(null=True),
        ),
        migrations.CreateModel(
            name="ReceiptPosting",
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
                ("book_id", models.UUIDField()),
                ("payment_id", models.UUIDField(null=True)),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            (
                                apps.payments.types.SuspenseReason["UNKNOWN_REFERENCE"],
                                apps.payments.types.SuspenseReason["UNKNOWN_REFERENCE"],
                            ),
                            (
                                apps.payments.types.SuspenseReason["WRONG_CURRENCY"],
                                apps.payments.types.SuspenseReason["WRONG_CURRENCY"],
                            ),
                            (
                                apps.payments.types.SuspenseReason["SHORT"],
                                apps.payments.types.SuspenseReason["SHORT"],
                            ),
                            (
                                apps.payments.types.SuspenseReason["OVER"],
                                apps.payments.types.SuspenseReason["OVER"],
                            ),
                            (
                                apps.payments.types.SuspenseReason["ALREADY_PAID"],
                                apps.payments.types.SuspenseReason["ALREADY_PAID"],
                            ),
                            (
                                apps.payments.types.SuspenseReason["TOO_LATE"],
                                apps.payments.types.SuspenseReason["TOO_LATE"],
                            ),
                        ],
                        max_length=20,
                    ),
                ),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "db_table": "payments_receipt_posting",
            },
        ),
        migrations.AddConstraint(
            model_name="bankreceipt",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0)), name="payments_receipt_positive"
            ),
        ),
        migrations.AddIndex(
            model_name="suspensecase",
            index=models.Index(
                condition=models.Q(("status", apps.payments.types.CaseStatus["OPEN"])),
                fields=["-id"],
                name="payments_suspense_open",
            ),
        ),
        migrations.AddIndex(
            model_name="suspensecase",
            index=models.Index(
                fields=["book_id", "allocated_to"], name="payments_suspense_payment"
            ),
        ),
        migrations.AddConstraint(
            model_name="suspensecase",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("allocated_to", None),
                        ("resolved_at", None),
                        ("status", apps.payments.types.CaseStatus["OPEN"]),
                    ),
                    models.Q(
                        ("allocated_to__isnull", False),
                        ("resolved_at__isnull", False),
                        ("status", apps.payments.types.CaseStatus["ALLOCATED"]),
                    ),
                    models.Q(
                        ("allocated_to", None),
                        ("resolved_at__isnull", False),
                        ("status", apps.payments.types.CaseStatus["RETURNED"]),
                    ),
                    _connector="OR",
                ),
                name="payments_suspense_case_resolved",
            ),
        ),
        migrations.AddIndex(
            model_name="virtualreference",
            index=models.Index(fields=["payment_id"], name="payments_reference_payment"),
        ),
        migrations.AddIndex(
            model_name="receiptposting",
            index=models.Index(fields=["book_id", "payment_id"], name="payments_receipt_payment"),
        ),
    ]
