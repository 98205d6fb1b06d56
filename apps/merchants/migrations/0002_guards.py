"""A fee plan can be written and read: a newer one supersedes it."""

from django.db import migrations

from apps.core.db import append_only_sql


class Migration(migrations.Migration):
    dependencies = [("merchants", "0001_initial"), ("core", "0001_guards")]
    operations = [migrations.RunSQL(*pair) for pair in append_only_sql("merchants_fee_plan")]
