"""A promise is kept as it was made: the frozen columns and the one way of a provider call."""

from django.db import migrations

from apps.core.db import append_only_sql

KEEP_CALL = """
CREATE FUNCTION gateways_keep_call() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF tg_op <> 'UPDATE' THEN
        RAISE EXCEPTION USING errcode = 'GW001',
            message = format('%s is never deleted from', tg_table_name);
    END IF;
    IF old.outcome NOT IN ('PENDING', 'UNKNOWN') THEN
        RAISE EXCEPTION USING errcode = 'GW002',
            message = format('provider call %s ended %s', old.op_key, old.outcome);
    END IF;
    IF new.outcome = 'PENDING' OR new.attempts <= old.attempts OR (old.answered AND NOT new.answered)
       OR (old.provider_reference <> '' AND new.provider_reference <> old.provider_reference)
       OR (new.id, new.book_id, new.payment_id, new.subject_id, new.run_id, new.step, new.call,
           new.provider, new.op_key, new.request, new.created_at)
       IS DISTINCT FROM
          (old.id, old.book_id, old.payment_id, old.subject_id, old.run_id, old.step, old.call,
           old.provider, old.op_key, old.request, old.created_at) THEN
        RAISE EXCEPTION USING errcode = 'GW003',
            message = format('provider call %s: what was promised is frozen', old.op_key);
    END IF;
    RETURN new;
END $$
"""

PROMISE_FIRST = """
CREATE FUNCTION gateways_promise_first() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.outcome <> 'PENDING' OR new.attempts <> 0 OR new.answered THEN
        RAISE EXCEPTION USING errcode = 'GW004',
            message = format('provider call %s begins as a promise', new.op_key);
    END IF;
    RETURN new;
END $$
"""

KEEP_EVENT = """
CREATE FUNCTION gateways_keep_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF tg_op <> 'UPDATE' THEN
        RAISE EXCEPTION USING errcode = 'GW001',
            message = format('%s is never deleted from', tg_table_name);
    END IF;
    IF old.processed_at IS NOT NULL
       OR (to_jsonb(new) - 'processed_at' - 'note') <> (to_jsonb(old) - 'processed_at' - 'note') THEN
        RAISE EXCEPTION USING errcode = 'GW003',
            message = format('inbound event %s is kept as it came', old.event_id);
    END IF;
    RETURN new;
END $$
"""


def _trigger(name: str, when: str, table: str, function: str) -> migrations.RunSQL:
    level = "STATEMENT" if when == "BEFORE TRUNCATE" else "ROW"
    return migrations.RunSQL(
        f"CREATE TRIGGER {name} {when} ON {table} FOR EACH {level} EXECUTE FUNCTION {function}()",
        f"DROP TRIGGER {name} ON {table}",
    )


class Migration(migrations.Migration):
    dependencies = [("gateways", "0001_initial"), ("core", "0001_guards")]
    operations = [
        migrations.RunSQL(KEEP_CALL, "DROP FUNCTION gateways_keep_call()"),
        migrations.RunSQL(PROMISE_FIRST, "DROP FUNCTION gateways_promise_first()"),
        migrations.RunSQL(KEEP_EVENT, "DROP FUNCTION gateways_keep_event()"),
        _trigger(
            "gateways_provider_call_promise",
            "BEFORE INSERT",
            "gateways_provider_call",
            "gateways_promise_first",
        ),
        _trigger(
            "gateways_provider_call_keep",
            "BEFORE UPDATE OR DELETE",
            "gateways_provider_call",
            "gateways_keep_call",
        ),
        _trigger(
            "gateways_provider_call_no_truncate",
            "BEFORE TRUNCATE",
            "gateways_provider_call",
            "gateways_keep_call",
        ),
        _trigger(
            "gateways_inbound_event_keep",
            "BEFORE UPDATE OR DELETE",
            "gateways_inbound_event",
            "gateways_keep_event",
        ),
        _trigger(
            "gateways_inbound_event_no_truncate",
            "BEFORE TRUNCATE",
            "gateways_inbound_event",
            "gateways_keep_event",
        ),
        *(migrations.RunSQL(*pair) for pair in append_only_sql("gateways_provider_object")),
    ]
