"""A refund whose wallet is closed at its end is the merchant's: how much of it, and in the balance."""

import importlib
from decimal import Decimal

from django.db import migrations, models

before = importlib.import_module("apps.payments.migrations.0019_deciding_excess")
BALANCE_KINDS = [
    *before.BALANCE_KINDS,
    *((kind, kind) for kind in ("withdrawal_return", "refund_return")),
]


class Migration(migrations.Migration):
    dependencies = [("payments", "0021_lost_when_first_heard_of")]

    operations = [
        migrations.AddField(
            "refund",
            "merchant_amount",
            models.DecimalField(decimal_places=4, default=Decimal(0), max_digits=20),
        ),
        migrations.AddConstraint(
            "refund",
            models.CheckConstraint(
                condition=models.Q(("merchant_amount__gte", 0)), name="payments_refund_to_merchant"
            ),
        ),
        migrations.AlterField(
            "balancetransaction",
            "kind",
            models.CharField(choices=BALANCE_KINDS, max_length=24),
        ),
    ]
