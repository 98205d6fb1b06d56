"""A payment has one object at one provider, and goes to a second one only if none can exist.

What a look-up does not find may still be there: an object whose name we were never told. So a
payment's second provider is refused unless every request to create it elsewhere ended before it was
written. A first call (generation 1) has none before it and looks for none.
"""

from django.db import migrations, models
from django.db.models import Q

PROMISE_FIRST = """
CREATE OR REPLACE FUNCTION gateways_promise_first() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.outcome <> 'PENDING' OR new.attempts <> 0 OR new.answered THEN
        RAISE EXCEPTION USING errcode = 'GW004',
            message = format('provider call %s begins as a promise', new.op_key);
    END IF;
    {more}
    RETURN new;
END $$
"""
ELSEWHERE = """IF new.call = 'create' AND new.op_key NOT LIKE '%:1' AND EXISTS (
        SELECT FROM gateways_provider_call c
        WHERE c.book_id = new.book_id AND c.op_key >= new.subject_id || ':'
          AND c.op_key < new.subject_id || ';' AND c.call = 'create'
          AND c.provider <> new.provider
          AND NOT (c.outcome = 'ABSENT' AND c.code = 'not_sent')) THEN
        RAISE EXCEPTION USING errcode = 'GW005',
            message = format('provider call %s: there may be an object elsewhere', new.op_key);
    END IF;"""


class Migration(migrations.Migration):
    dependencies = [("gateways", "0004_kept_events")]

    operations = [
        migrations.AddConstraint(
            model_name="providercall",
            constraint=models.UniqueConstraint(
                fields=["book_id", "payment_id"],
                condition=Q(call="create", outcome__in=("PENDING", "UNKNOWN", "SUCCEEDED")),
                name="gateways_provider_call_one_object",
            ),
        ),
        migrations.RunSQL(
            PROMISE_FIRST.format(more=ELSEWHERE),
            PROMISE_FIRST.format(more=""),
        ),
    ]
