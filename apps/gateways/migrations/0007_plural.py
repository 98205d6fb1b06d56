from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("gateways", "0006_health"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="healthtally",
            options={"verbose_name_plural": "health tallies"},
        ),
    ]
