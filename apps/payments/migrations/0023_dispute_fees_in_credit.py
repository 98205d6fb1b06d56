"""The fee of a converted payment's dispute is charged in the currency that the merchant is paid in.

Lines from before were charged as they are, and have none.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0022_refunds_without_a_wallet")]

    operations = [
        migrations.AddField(
            "disputeline",
            "merchant_fee",
            models.DecimalField(decimal_places=4, max_digits=20, null=True),
        ),
    ]
