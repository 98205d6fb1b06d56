"""Answers are about payments too, and forgotten with them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("idempotency", "0002_customer")]
    operations = [
        migrations.RemoveIndex("idempotencykey", "idempotency_key_customer"),
        migrations.RenameField("idempotencykey", "customer_id", "about_id"),
        migrations.AddIndex(
            "idempotencykey",
            models.Index(
                fields=["about_id"],
                name="idempotency_key_about",
                condition=models.Q(about_id__isnull=False),
            ),
        ),
    ]
