"""Payment methods are detached; a customer's notes are forgotten wherever they stand."""

import importlib

from django.db import migrations, models

before = importlib.import_module("apps.wallets.migrations.0003_guards")


def _again(function: str) -> str:
    return function.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


# What is over stays as it is, but for the notes on it, which go with the customer.
WALLET_CHANGE = _again(before.WALLET_CHANGE).replace(
    "OR old.status = 'CLOSED' THEN",
    """OR (old.status = 'CLOSED' AND (new.status, new.closed_at, new.version)
           IS DISTINCT FROM (old.status, old.closed_at, old.version)) THEN""",
)
HOLD_CHANGE = _again(before.HOLD_CHANGE).replace(
    "OR old.status <> 'OPEN'\n",
    """OR (old.status <> 'OPEN' AND
           (new.status, new.captured, new.payment_id, new.expires_at, new.ended_at)
           IS DISTINCT FROM
           (old.status, old.captured, old.payment_id, old.expires_at, old.ended_at))
""",
)
assert WALLET_CHANGE.count("closed_at") == HOLD_CHANGE.count("ended_at") == 2


class Migration(migrations.Migration):
    dependencies = [("wallets", "0003_guards")]
    operations = [
        migrations.AddField(
            model_name="paymentmethod",
            name="detached_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.RunSQL(WALLET_CHANGE, _again(before.WALLET_CHANGE)),
        migrations.RunSQL(HOLD_CHANGE, _again(before.HOLD_CHANGE)),
    ]
