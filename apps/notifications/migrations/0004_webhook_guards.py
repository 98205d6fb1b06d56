"""What the database itself does for webhooks: notes who is to be told, and keeps every attempt."""

from django.db import migrations

from apps.core.db import append_only_sql

# Called with every event, in the statement that stores it. A function, since its plans are kept:
# the same in plain SQL is planned at each call, which costs four times as much. Without sequential
# scans, since a plan that was made on an empty table is kept by its session.
REMEMBER = """
CREATE FUNCTION notifications_remember(
    book uuid, subject uuid, number integer, event uuid
) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    IF EXISTS (
        SELECT FROM notifications_webhook_endpoint w
        WHERE w.book_id = book AND w.status = 'ENABLED'
    ) THEN
        INSERT INTO notifications_outbox (book_id, subject_id, sequence, event_id)
        VALUES (book, subject, number, event);
    END IF;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("notifications", "0003_webhooks"), ("core", "0001_guards")]
    operations = [
        migrations.RunSQL(
            REMEMBER, "DROP FUNCTION notifications_remember(uuid, uuid, integer, uuid)"
        ),
        *(migrations.RunSQL(*pair) for pair in append_only_sql("notifications_delivery_attempt")),
    ]
