"""An assessment can be written and read, and nothing else."""

from django.db import migrations

from apps.core.db import append_only_sql


class Migration(migrations.Migration):
    dependencies = [("risk", "0001_initial"), ("core", "0001_guards")]
    operations = [migrations.RunSQL(*pair) for pair in append_only_sql("risk_assessment")]
