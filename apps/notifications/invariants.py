"""What is true of events and their deliveries at every moment; `manage.py check_books` runs these.

A query returns the rows that break its rule. Each is proven by a test that plants a violation.
"""

from __future__ import annotations

from apps.core.types import Invariant

_EVERY_EVENT = """
SELECT e.book_id, e.id AS event_id, w.id AS endpoint_id, e.kind
FROM notifications_webhook_endpoint w
JOIN notifications_event e ON e.book_id = w.book_id AND e.created_at >= w.listens_from
    AND w.event_types && ARRAY[e.kind, e.subject_kind || '.*', '*']::varchar[]
WHERE w.status = 'ENABLED'
    AND NOT EXISTS (
        SELECT FROM notifications_delivery d
        WHERE d.book_id = e.book_id AND d.endpoint_id = w.id AND d.event_id = e.id)
    AND NOT EXISTS (
        SELECT FROM notifications_outbox o
        WHERE o.book_id = e.book_id AND o.subject_id = e.subject_id AND o.sequence = e.sequence)
"""

_AT_HOME = """
SELECT d.id, d.book_id, d.endpoint_id, d.event_id
FROM notifications_delivery d
LEFT JOIN notifications_event e ON e.id = d.event_id
LEFT JOIN notifications_webhook_endpoint w ON w.id = d.endpoint_id
WHERE (e.book_id, e.subject_id, e.sequence, w.book_id)
    IS DISTINCT FROM (d.book_id, d.subject_id, d.sequence, d.book_id)
"""

_IN_LINE = """
SELECT * FROM (
    SELECT book_id, endpoint_id, subject_id, sequence, due_at, sequence = min(sequence) OVER (
        PARTITION BY endpoint_id, subject_id) AS is_first
    FROM notifications_delivery WHERE status = 'PENDING') line
WHERE is_first <> (due_at IS NOT NULL)
"""

_QUEUE_KNOWS = """
SELECT w.book_id, w.id AS endpoint_id, q.due_at, first.due_at AS earliest
FROM notifications_webhook_endpoint w
LEFT JOIN notifications_webhook_queue q ON q.endpoint_id = w.id AND q.book_id = w.book_id
LEFT JOIN (
    SELECT endpoint_id, min(due_at) AS due_at FROM notifications_delivery
    WHERE due_at IS NOT NULL GROUP BY endpoint_id) first ON first.endpoint_id = w.id
WHERE q.endpoint_id IS NULL
    OR (w.status = 'ENABLED' AND first.due_at IS NOT NULL
        AND (q.due_at IS NULL OR (q.due_at > first.due_at AND q.lease_until IS NULL)))
    OR (w.status <> 'ENABLED' AND q.due_at IS NOT NULL AND q.lease_until IS NULL)
"""

_DELIVERED = """
SELECT d.id, d.book_id, d.endpoint_id FROM notifications_delivery d
WHERE d.status = 'DELIVERED' AND NOT EXISTS (
    SELECT FROM notifications_delivery_attempt a
    WHERE a.delivery_id = d.id AND a.status_code BETWEEN 200 AND 299)
"""

_SECRETS = """
SELECT w.book_id, w.id AS endpoint_id, count(s.id) AS secrets
FROM notifications_webhook_endpoint w
LEFT JOIN notifications_webhook_secret s ON s.endpoint_id = w.id AND s.book_id = w.book_id
GROUP BY w.id
HAVING count(s.id) > 2
    OR count(s.id) FILTER (WHERE s.expires_at IS NULL)
        <> CASE WHEN w.status = 'DELETED' THEN 0 ELSE 1 END
"""

INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        "notifications.every_event_is_queued",
        _EVERY_EVENT,
        "An event has a delivery to each endpoint that subscribes to it, or is still waiting.",
    ),
    Invariant(
        "notifications.delivery_at_home",
        _AT_HOME,
        "A delivery is of an event and to an endpoint of its own book.",
    ),
    Invariant(
        "notifications.first_in_line_is_due",
        _IN_LINE,
        "Of an object's pending deliveries to an endpoint the first is due, and no other.",
    ),
    Invariant(
        "notifications.queue_knows_what_is_due",
        _QUEUE_KNOWS,
        "An endpoint's queue is due when its earliest delivery is, and never while disabled.",
    ),
    Invariant(
        "notifications.delivered_was_accepted",
        _DELIVERED,
        "Whatever counts as delivered was answered with 2xx.",
    ),
    Invariant(
        "notifications.one_current_secret",
        _SECRETS,
        "An endpoint signs with one current secret, and at most one that is ending.",
    ),
)
