"""A refunded payment may be charged back at once: a dispute that is over when we first hear of it.

Outside facts always land, so the trigger takes REFUNDED to CHARGED_BACK. Its function is changed as
it stands: later migrations than the first have written it.
"""

from django.db import migrations

CHANGE = """
DO $do$ BEGIN
    EXECUTE replace(pg_get_functiondef('payments_check_move'::regproc), $a${old}$a$, $b${new}$b$);
END $do$
"""
BEFORE = "('REFUNDED', 'DISPUTED'),"
AFTER = "('REFUNDED', 'DISPUTED'), ('REFUNDED', 'CHARGED_BACK'),"


class Migration(migrations.Migration):
    dependencies = [("payments", "0020_nowhere_to_go")]

    operations = [
        migrations.RunSQL(
            CHANGE.format(old=BEFORE, new=AFTER), CHANGE.format(old=AFTER, new=BEFORE)
        )
    ]
