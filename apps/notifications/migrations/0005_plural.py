from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0004_webhook_guards"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="delivery",
            options={"verbose_name_plural": "deliveries"},
        ),
    ]
