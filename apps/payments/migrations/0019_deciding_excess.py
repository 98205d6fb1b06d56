"""What people decide about excess, and who may: the merchant is charged for it, or we bear it."""

from decimal import Decimal

import django.db.models.expressions
from django.db import migrations, models

BALANCE_KINDS = [
    (kind, kind)
    for kind in (
        *("payment", "payment_undone", "refund", "refund_failure", "reserve_kept"),
        *("reserve_freed", "payout", "payout_failure", "payout_return", "dispute"),
        *("dispute_return", "dispute_fee", "excess_charge", "excess_charge_return"),
    )
]
COLUMNS = (
    *("excess_charged", "excess_written_off", "shortfall_charged", "shortfall_written_off"),
    "merchant_charged",
)


def _covered(what: str) -> tuple[str, object]:
    charged, written_off = models.F(f"{what}_charged"), models.F(f"{what}_written_off")
    return (
        f"{what}__gte",
        django.db.models.expressions.CombinedExpression(charged, "+", written_off),
    )


class Migration(migrations.Migration):
    dependencies = [("payments", "0018_dispute_files")]

    operations = [
        *(
            migrations.AddField(
                model,
                name,
                models.DecimalField(decimal_places=4, default=Decimal(0), max_digits=20),
            )
            for model in ("dispute", "disputemove")
            for name in COLUMNS
        ),
        migrations.AddConstraint(
            "dispute",
            models.CheckConstraint(
                condition=models.Q(
                    _covered("excess"),
                    ("excess_charged__gte", 0),
                    ("excess_written_off__gte", 0),
                    ("merchant_charged__gte", 0),
                    _covered("shortfall"),
                    ("shortfall_charged__gte", 0),
                    ("shortfall_written_off__gte", 0),
                ),
                name="payments_dispute_covered",
            ),
        ),
        migrations.AlterField(
            "balancetransaction",
            "kind",
            models.CharField(choices=BALANCE_KINDS, max_length=24),
        ),
        migrations.AlterModelOptions(
            name="excesscase",
            options={
                "permissions": [
                    ("resolve_excesscase", "Can charge excess to merchants and write it off")
                ]
            },
        ),
    ]
