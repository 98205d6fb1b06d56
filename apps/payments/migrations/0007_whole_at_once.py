"""A payment that a wallet pays alone comes to its end in the commit that writes it down.

Then its row is added as it is in the end, and not added and changed (`core.rows`): it begins where
the wallet's money has brought it. Its events and audit rows are one a move, as ever.
"""

import importlib

from django.db import migrations

before = importlib.import_module("apps.payments.migrations.0006_guards")

PAYMENT_MOVE = before.PAYMENT_MOVE.replace(
    """        -- Created and, in the same commit, validated.
        IF new.status NOT IN ('CREATED', 'VALIDATED') THEN""",
    """        -- Created and, in the same commit, validated; what asks no provider may be whole in it.
        IF new.status NOT IN ('CREATED', 'VALIDATED')
           AND (new.status NOT IN ('AUTHORIZED', 'CAPTURED', 'SETTLED')
                OR new.wallet_amount <> new.amount) THEN""",
)
assert PAYMENT_MOVE != before.PAYMENT_MOVE


class Migration(migrations.Migration):
    dependencies = [("payments", "0006_guards")]
    operations = [migrations.RunSQL(PAYMENT_MOVE, before.PAYMENT_MOVE)]
