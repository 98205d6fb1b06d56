"""An event that was only kept may be applied later, and is found without reading all the others."""

from django.db import migrations, models

_KEEP_EVENT = """
CREATE OR REPLACE FUNCTION gateways_keep_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF tg_op <> 'UPDATE' THEN
        RAISE EXCEPTION USING errcode = 'GW001',
            message = format('%s is never deleted from', tg_table_name);
    END IF;
    IF old.processed_at IS NOT NULL{unless_kept}
       OR (to_jsonb(new) - 'processed_at' - 'note') <> (to_jsonb(old) - 'processed_at' - 'note') THEN
        RAISE EXCEPTION USING errcode = 'GW003',
            message = format('inbound event %s is kept as it came', old.event_id);
    END IF;
    RETURN new;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("gateways", "0003_routing_rules")]
    operations = [
        migrations.AddIndex(
            model_name="inboundevent",
            index=models.Index(
                models.F("received_at"),
                condition=models.Q(("note__startswith", "kept: ")),
                name="gateways_inbound_event_kept",
            ),
        ),
        migrations.RunSQL(
            _KEEP_EVENT.replace("{unless_kept}", " AND NOT starts_with(old.note, 'kept: ')"),
            _KEEP_EVENT.replace("{unless_kept}", ""),
        ),
    ]
