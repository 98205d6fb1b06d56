"""An object that was canceled, and seen to be, gives its place to another: at any provider.

The mark is set on the `create` that made the object, once, and never believed: the journal has to
hold the answer of a look-up (`inspect_void`) that says so. What is canceled stays canceled. An
object that cannot be canceled, and was never authorized, is over if no request to authorize it can
still be under way: each was answered by a refusal at once, or never left. Nothing that was
confirmed is over, whatever became of it: the customer may have been asked, or charged.

A create that was refused at once has made nothing, and stands in nobody's way either.
"""

from django.db import migrations, models
from django.db.models import Q

IS_OVER = """
CREATE FUNCTION gateways_is_over(made gateways_provider_call) RETURNS boolean
LANGUAGE sql STABLE AS $$
    WITH calls AS (
        SELECT c.* FROM gateways_provider_call c
        WHERE c.book_id = made.book_id AND c.op_key >= made.subject_id || ':'
          AND c.op_key < made.subject_id || ';' AND c.provider = made.provider
          AND c.request ->> 'provider_reference' = made.provider_reference
    )
    SELECT made.call = 'create' AND made.outcome = 'SUCCEEDED'
       AND NOT EXISTS (SELECT FROM calls c
                       WHERE c.call IN ('confirm', 'capture') AND c.outcome = 'SUCCEEDED')
       AND EXISTS (
        SELECT FROM calls seen
        WHERE seen.call = 'inspect_void' AND seen.outcome = 'SUCCEEDED'
          AND seen.result ->> 'status' = 'voided'
          AND (seen.result ->> 'void_reason' IS DISTINCT FROM 'never_authorized'
               OR NOT EXISTS (
                SELECT FROM calls c WHERE c.call = 'confirm' AND NOT (
                    c.outcome = 'FAILED' AND c.answered
                    OR c.outcome = 'ABSENT' AND c.code = 'not_sent'))))
$$
"""

KEEP_CALL = """
CREATE OR REPLACE FUNCTION gateways_keep_call() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF tg_op <> 'UPDATE' THEN
        RAISE EXCEPTION USING errcode = 'GW001',
            message = format('%s is never deleted from', tg_table_name);
    END IF;
    {mark}
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
MARK = """IF new.canceled_at IS DISTINCT FROM old.canceled_at THEN
        IF old.canceled_at IS NULL AND gateways_is_over(old)
           AND to_jsonb(new) - 'canceled_at' = to_jsonb(old) - 'canceled_at' THEN
            RETURN new;
        END IF;
        RAISE EXCEPTION USING errcode = 'GW006',
            message = format('provider call %s: nobody has seen that its object is over', old.op_key);
    END IF;"""

PROMISE_FIRST = """
CREATE OR REPLACE FUNCTION gateways_promise_first() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.outcome <> 'PENDING' OR new.attempts <> 0 OR new.answered{canceled} THEN
        RAISE EXCEPTION USING errcode = 'GW004',
            message = format('provider call %s begins as a promise', new.op_key);
    END IF;
    IF new.call = 'create' AND new.op_key NOT LIKE '%:1' AND EXISTS (
        SELECT FROM gateways_provider_call c
        WHERE c.book_id = new.book_id AND c.op_key >= new.subject_id || ':'
          AND c.op_key < new.subject_id || ';' AND c.call = 'create'
          AND c.provider <> new.provider
          AND NOT (c.outcome = 'ABSENT' AND c.code = 'not_sent'{more})) THEN
        RAISE EXCEPTION USING errcode = 'GW005',
            message = format('provider call %s: there may be an object elsewhere', new.op_key);
    END IF;
    RETURN new;
END $$
"""
OR_OVER = """
                   OR c.outcome = 'FAILED' AND c.answered OR c.canceled_at IS NOT NULL"""

ONE_OBJECT = "gateways_provider_call_one_object"


class Migration(migrations.Migration):
    dependencies = [("gateways", "0007_plural")]

    operations = [
        migrations.AddField(
            model_name="providercall",
            name="canceled_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.RemoveConstraint(model_name="providercall", name=ONE_OBJECT),
        migrations.AddConstraint(
            model_name="providercall",
            constraint=models.UniqueConstraint(
                fields=["book_id", "payment_id"],
                condition=Q(
                    call="create",
                    outcome__in=("PENDING", "UNKNOWN", "SUCCEEDED"),
                    canceled_at=None,
                ),
                name=ONE_OBJECT,
            ),
        ),
        migrations.RunSQL(IS_OVER, "DROP FUNCTION gateways_is_over(gateways_provider_call)"),
        migrations.RunSQL(
            KEEP_CALL.replace("{mark}", MARK),
            KEEP_CALL.replace("{mark}", ""),
        ),
        migrations.RunSQL(
            PROMISE_FIRST.replace("{canceled}", " OR new.canceled_at IS NOT NULL").replace(
                "{more}", OR_OVER
            ),
            PROMISE_FIRST.replace("{canceled}", "").replace("{more}", ""),
        ),
    ]
