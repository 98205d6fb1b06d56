"""A card's funding may have a fee plan of its own."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("merchants", "0003_payouts_and_fees"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="feeplan",
            name="merchants_fee_plan_once",
        ),
        migrations.AddField(
            model_name="feeplan",
            name="funding",
            field=models.CharField(default="*", max_length=7),
        ),
        migrations.AddConstraint(
            model_name="feeplan",
            constraint=models.UniqueConstraint(
                fields=("book", "method", "currency", "country", "funding", "valid_from"),
                name="merchants_fee_plan_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="feeplan",
            constraint=models.CheckConstraint(
                condition=models.Q(("funding__in", ["*", "credit", "debit", "prepaid"])),
                name="merchants_fee_plan_funding",
            ),
        ),
    ]
