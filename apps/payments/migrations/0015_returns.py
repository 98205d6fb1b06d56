"""A dispute may be the return of a bank debit."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0014_resolving_cases")]

    operations = [
        migrations.AlterField(
            model_name="dispute",
            name="stage",
            field=models.CharField(
                blank=True,
                choices=[
                    ("inquiry", "inquiry"),
                    ("chargeback", "chargeback"),
                    ("return", "return"),
                ],
                max_length=10,
            ),
        ),
    ]
