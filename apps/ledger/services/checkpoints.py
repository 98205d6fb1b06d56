"""Checkpoints: what makes a balance a short walk instead of a sum over everything.

A checkpoint is exact as long as no entry recorded before it can still appear. How that is known is
the horizon's business (docs/decisions/0012-checkpoints-behind-a-horizon.md). Which accounts get one
is a question of speed alone: a wrong answer costs a longer walk and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db import connection

# How far a horizon stays behind, against a clock that is set back.
MARGIN = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Sieve:
    """Which accounts get a checkpoint: those with so many entries in so long a time."""

    window: timedelta
    least: int


# Every minute the accounts of the many payments, every hour the busy ones, every day the rest: a
# walk stays under some thousand entries, and a cold account does not get 1,440 rows a day.
SIEVES = {
    "minute": Sieve(timedelta(minutes=2), 100),
    "hour": Sieve(timedelta(hours=2), 100),
    "day": Sieve(timedelta(days=2), 1),
}

_TAKE_HORIZON = """
INSERT INTO ledger_horizon (xid, taken_at)
VALUES (pg_current_xact_id()::text::bigint, statement_timestamp())
"""

# Only the newest horizon that has come is ever used.
_FORGET_HORIZONS = """
DELETE FROM ledger_horizon WHERE taken_at < (
    SELECT max(taken_at) FROM ledger_horizon
    WHERE xid <= pg_snapshot_xmin(pg_current_snapshot())::text::bigint
      AND taken_at <= statement_timestamp() - make_interval(secs => %s))
"""

# One statement, so that the horizon and the entries are seen by one snapshot. `pg_snapshot_xmax`
# would not do: a transaction id below it may still be at work. Transactions are found by the time
# in their UUIDv7, which is the application's clock, and that is good enough to find busy accounts.
_TAKE_CHECKPOINTS = """
WITH horizon AS MATERIALIZED (
    SELECT max(taken_at) AS upto FROM ledger_horizon
    WHERE xid <= pg_snapshot_xmin(pg_current_snapshot())::text::bigint
      AND taken_at <= statement_timestamp() - make_interval(secs => %(margin)s)
), busy AS MATERIALIZED (
    SELECT e.account_id FROM horizon h JOIN ledger_entry e ON e.transaction_id >= (
        lpad(to_hex(((extract(epoch FROM h.upto) - %(window)s) * 1000)::bigint), 12, '0')
        || repeat('0', 20))::uuid
    GROUP BY e.account_id HAVING count(*) >= %(least)s
)
INSERT INTO ledger_checkpoint (account_id, upto, book_id, balance)
SELECT a.id, h.upto, a.book_id, coalesce(c.balance, 0) + a.normal_side * tail.moved
FROM horizon h
CROSS JOIN busy b
JOIN ledger_account a ON a.id = b.account_id
LEFT JOIN LATERAL (
    SELECT p.upto, p.balance FROM ledger_checkpoint p
    WHERE p.account_id = a.id ORDER BY p.upto DESC LIMIT 1
) c ON true
CROSS JOIN LATERAL (
    SELECT sum(e.amount * e.entry_type) AS moved FROM ledger_entry e
    WHERE e.account_id = a.id AND e.created_at <= h.upto
      AND e.created_at > coalesce(c.upto, '-infinity')
) tail
WHERE tail.moved IS NOT NULL
ON CONFLICT (account_id, upto) DO NOTHING
"""


def take_horizon(*, margin: timedelta = MARGIN) -> None:
    """Mark this moment, so that a later `take_checkpoints` can know that all before it is here.

    Transaction: commits its own, and must: the mark is worth nothing inside a longer one.
    Retries: any number, by any number of workers.
    """
    assert not connection.in_atomic_block, "a horizon is a transaction of its own"
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_HORIZON)
        cursor.execute(_FORGET_HORIZONS, [margin.total_seconds()])


def take_checkpoints(*, sieve: Sieve, margin: timedelta = MARGIN) -> int:
    """Write a checkpoint for every account the sieve keeps, and say how many there were.

    Retries: any number, by any number of workers at once: two that meet write the same row.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _TAKE_CHECKPOINTS,
            {
                "margin": margin.total_seconds(),
                "window": sieve.window.total_seconds(),
                "least": sieve.least,
            },
        )
        return cursor.rowcount
