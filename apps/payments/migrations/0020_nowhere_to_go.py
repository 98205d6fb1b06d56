"""What comes back and has nowhere to go: a person says that the merchant has it, or sends it back."""

import importlib

from django.db import migrations, models

before = importlib.import_module("apps.payments.migrations.0019_deciding_excess")


class Migration(migrations.Migration):
    dependencies = [("payments", "0019_deciding_excess")]

    operations = [
        migrations.AddField("payout", "to_merchant_at", models.DateTimeField(null=True)),
        migrations.AddConstraint(
            "payout",
            models.CheckConstraint(
                condition=models.Q(
                    ("to_merchant_at", None), ("wallet_id__isnull", False), _connector="OR"
                ),
                name="payments_payout_to_merchant",
            ),
        ),
        migrations.AlterField(
            "balancetransaction",
            "kind",
            models.CharField(
                choices=[*before.BALANCE_KINDS, ("withdrawal_return", "withdrawal_return")],
                max_length=24,
            ),
        ),
        migrations.AlterModelOptions(
            name="payment",
            options={
                "permissions": [
                    ("send_back_payment", "Can note that a bank transfer was sent back")
                ]
            },
        ),
        migrations.AlterModelOptions(
            name="payout",
            options={
                "permissions": [
                    ("redirect_payout", "Can give what comes back of withdrawals to merchants")
                ]
            },
        ),
    ]
