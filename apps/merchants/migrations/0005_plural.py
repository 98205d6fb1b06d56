from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("merchants", "0004_fees_by_funding"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="payoutterms",
            options={"verbose_name_plural": "payout terms"},
        ),
    ]
