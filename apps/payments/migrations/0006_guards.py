"""What the database refuses about payouts, transfers, balances and quotes, whatever the code does."""

import importlib

from django.db import migrations

from apps.core.db import append_only_sql

before = importlib.import_module("apps.payments.migrations.0002_guards")

# As in 0002, and how a payment is paid and credited never changes either.
PAYMENT_MOVE = before.PAYMENT_MOVE.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION").replace(
    """(new.id, new.book_id, new.amount, new.currency, new.source, new.destination,
        new.created_at) IS DISTINCT FROM (old.id, old.book_id, old.amount, old.currency,
        old.source, old.destination, old.created_at)""",
    """(new.id, new.book_id, new.amount, new.currency, new.source, new.destination,
        new.created_at, new.wallet_id, new.wallet_amount, new.hold_id, new.destination_wallet_id,
        new.credit_currency, new.quote_id, new.rate)
       IS DISTINCT FROM (old.id, old.book_id, old.amount, old.currency, old.source,
        old.destination, old.created_at, old.wallet_id, old.wallet_amount, old.hold_id,
        old.destination_wallet_id, old.credit_currency, old.quote_id, old.rate)""",
)
REFUND_MOVE = before.REFUND_MOVE.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION").replace(
    """(new.id, new.book_id, new.payment_id, new.amount, new.currency, new.fee_returned,
        new.created_at) IS DISTINCT FROM (old.id, old.book_id, old.payment_id, old.amount,
        old.currency, old.fee_returned, old.created_at)""",
    """(new.id, new.book_id, new.payment_id, new.amount, new.currency, new.fee_returned,
        new.created_at, new.card_amount, new.to_wallet_id, new.bearer_amount)
       IS DISTINCT FROM (old.id, old.book_id, old.payment_id, old.amount, old.currency,
        old.fee_returned, old.created_at, old.card_amount, old.to_wallet_id, old.bearer_amount)""",
)
assert PAYMENT_MOVE.count("new.hold_id") == REFUND_MOVE.count("new.to_wallet_id") == 1

PAYOUT_MOVE = """
CREATE FUNCTION payments_check_payout_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF tg_op = 'INSERT' THEN
        IF new.status <> 'PENDING' THEN
            RAISE EXCEPTION USING errcode = 'PY001',
                message = format('a payout begins as PENDING, not as %s', new.status);
        END IF;
        RETURN new;
    END IF;
    IF new.status <> old.status AND (old.status, new.status) NOT IN (
        ('PENDING', 'IN_TRANSIT'), ('PENDING', 'PAID'), ('PENDING', 'FAILED'),
        ('IN_TRANSIT', 'PAID'), ('IN_TRANSIT', 'FAILED'), ('PAID', 'RETURNED')) THEN
        RAISE EXCEPTION USING errcode = 'PY001',
            message = format('a payout does not go from %s to %s', old.status, new.status);
    END IF;
    IF (new.id, new.book_id, new.kind, new.currency, new.amount, new.wallet_id,
        new.bank_account_id, new.provider, new.created_at) IS DISTINCT FROM (old.id, old.book_id,
        old.kind, old.currency, old.amount, old.wallet_id, old.bank_account_id, old.provider,
        old.created_at) THEN
        RAISE EXCEPTION USING errcode = 'PY002', message = 'what a payout is about never changes';
    END IF;
    RETURN new;
END $$
"""

# Of a line of the balance only that it became payable, once, and what of it was paid out.
BALANCE_CHANGE = """
CREATE FUNCTION payments_check_balance_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (new.id, new.book_id, new.kind, new.source_id, new.payment_id, new.currency, new.gross,
        new.fee, new.net, new.available_on, new.created_at)
       IS DISTINCT FROM (old.id, old.book_id, old.kind, old.source_id, old.payment_id,
        old.currency, old.gross, old.fee, old.net, old.available_on, old.created_at)
       OR (old.payable_at IS NOT NULL AND (new.payable_at, new.release_id)
           IS DISTINCT FROM (old.payable_at, old.release_id))
       OR (new.payable_at IS NULL AND new.paid_out <> 0) THEN
        RAISE EXCEPTION USING errcode = 'PY002', message = 'a line of the balance never changes';
    END IF;
    RETURN new;
END $$
"""

# A quote is used once, a reserve freed once; nothing else about them changes.
QUOTE_CHANGE = """
CREATE FUNCTION payments_check_quote_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF old.payment_id IS NOT NULL
       OR (to_jsonb(new) - 'payment_id') <> (to_jsonb(old) - 'payment_id') THEN
        RAISE EXCEPTION USING errcode = 'PY002', message = 'a quote is used once, and not changed';
    END IF;
    RETURN new;
END $$
"""
RESERVE_CHANGE = """
CREATE FUNCTION payments_check_reserve_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF old.freed_at IS NOT NULL
       OR (to_jsonb(new) - 'freed_at') <> (to_jsonb(old) - 'freed_at') THEN
        RAISE EXCEPTION USING errcode = 'PY002', message = 'a reserve is freed once';
    END IF;
    RETURN new;
END $$
"""


def _trigger(table: str, function: str, events: str = "UPDATE") -> list[migrations.RunSQL]:
    """The function's trigger; rows of such a table are never deleted either."""
    return [
        migrations.RunSQL(
            f"CREATE TRIGGER {table}_change BEFORE {events} ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {function}()",
            f"DROP TRIGGER {table}_change ON {table}",
        ),
        *before._no_delete(table),
    ]


class Migration(migrations.Migration):
    dependencies = [("payments", "0005_rules")]
    operations = [
        migrations.RunSQL(
            PAYMENT_MOVE,
            before.PAYMENT_MOVE.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"),
        ),
        migrations.RunSQL(
            REFUND_MOVE, before.REFUND_MOVE.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
        ),
        migrations.RunSQL(PAYOUT_MOVE, "DROP FUNCTION payments_check_payout_move()"),
        *_trigger("payments_payout", "payments_check_payout_move", "INSERT OR UPDATE"),
        migrations.RunSQL(BALANCE_CHANGE, "DROP FUNCTION payments_check_balance_change()"),
        *_trigger("payments_balance_transaction", "payments_check_balance_change"),
        migrations.RunSQL(QUOTE_CHANGE, "DROP FUNCTION payments_check_quote_change()"),
        *_trigger("payments_quote", "payments_check_quote_change"),
        migrations.RunSQL(RESERVE_CHANGE, "DROP FUNCTION payments_check_reserve_change()"),
        *_trigger("payments_reserve", "payments_check_reserve_change"),
        *(
            migrations.RunSQL(sql, reverse)
            for table in ("payout_item", "transfer", "release", "exchange_rate")
            for sql, reverse in append_only_sql(f"payments_{table}")
        ),
    ]
