"""Who may answer disputes, and give them up, in the console."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payments", "0015_returns")]

    operations = [
        migrations.AlterModelOptions(
            name="dispute",
            options={"permissions": [("answer_dispute", "Can answer disputes and give them up")]},
        ),
    ]
