"""A refusal for want of funds says what the account has."""

import importlib

from django.db import migrations

before = importlib.import_module("apps.ledger.migrations.0003_posting")

REFUSE_MOVE = before.REFUSE_MOVE.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION").replace(
    "'currency', a.currency)::text", "'currency', a.currency, 'balance', a.balance)::text"
)
POST_MANY = (
    before.POST_MANY.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    .replace(
        "SELECT w.position, w.account INTO r", "SELECT w.position, w.account, w.balance INTO r"
    )
    .replace("a.balance + sum(d.delta) OVER (", "a.balance AS had, a.balance + sum(d.delta) OVER (")
    .replace("w.balance INTO r", "w.had INTO r")
    .replace(
        "'currency', p_currencies[r.account])::text",
        "'currency', p_currencies[r.account], 'balance', r.had)::text",
    )
)
assert REFUSE_MOVE.count("'balance', a.balance") == POST_MANY.count("'balance', r.had") == 1


class Migration(migrations.Migration):
    dependencies = [("ledger", "0004_reading")]
    operations = [
        migrations.RunSQL(after, original.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
        for after, original in ((REFUSE_MOVE, before.REFUSE_MOVE), (POST_MANY, before.POST_MANY))
    ]
