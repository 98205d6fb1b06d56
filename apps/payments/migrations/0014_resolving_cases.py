"""Who may resolve a case of suspense."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payments", "0013_dispute_evidence")]
    operations = [
        migrations.AlterModelOptions(
            name="suspensecase",
            options={"permissions": [("resolve_suspensecase", "Can resolve suspense cases")]},
        ),
    ]
