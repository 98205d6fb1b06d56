"""How long a run stands still when whoever worked on it is killed: measured where leases are kept.

A run whose holder is well is let go of before anybody else takes it. Whoever takes one that is
still held, by a lease that has run out, takes it over from somebody who died, hung, or lost the
database; the soak's own database notes each of these. What killed the holder the journal says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from paysys.soak import journal

# As the owner's, whatever role takes the lease. Nothing else of the database is changed by it.
_NOTE_TAKEOVERS = """
CREATE TABLE soak_takeover (
    run_id uuid NOT NULL, saga text NOT NULL, written_at timestamptz NOT NULL,
    lease_until timestamptz NOT NULL, taken_at timestamptz NOT NULL
);
CREATE FUNCTION soak_note_takeover() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.soak_takeover
    VALUES (OLD.id, OLD.saga, OLD.updated_at, OLD.lease_until, clock_timestamp());
    RETURN NULL;
END $$;
CREATE TRIGGER soak_takeover AFTER UPDATE ON sagas_run FOR EACH ROW
WHEN (NEW.fence > OLD.fence AND OLD.lease_until IS NOT NULL) EXECUTE FUNCTION soak_note_takeover();
"""
_READ = """
SELECT extract(epoch FROM written_at), extract(epoch FROM lease_until),
    extract(epoch FROM taken_at)
FROM soak_takeover ORDER BY taken_at
"""
# The leases there are (`apps.sagas`): of a run, and of a run that makes a call.
_LEASES = (25.0, 28.0)
_CLOSE = 2.0
# Faults that end a process, and for how many seconds it may go on after they are written down.
_KILLS = ("kill_web", "kill_a_web_process", "kill_worker", "kill_a_worker_process")
_GRACE = {
    **dict.fromkeys((*_KILLS, "kill_both_workers"), 0.5),
    **dict.fromkeys(("restart_web", "restart_worker"), 5.0),
}


@dataclass(frozen=True)
class Takeover:
    """Seconds since the epoch: when the row was written last, its lease, and when it was taken."""

    written_at: float
    lease_until: float
    taken_at: float

    @property
    def held_since(self) -> float:
        """When the holder was last heard of: it wrote the row then, or took the lease."""
        for seconds in _LEASES:
            if abs(self.lease_until - seconds - self.written_at) < _CLOSE:
                return self.written_at
        return self.lease_until - max(_LEASES)


def note(connection: psycopg.Connection) -> None:
    """Have the soak's own database note takeovers from now on. As the owner of the tables."""
    connection.execute(_NOTE_TAKEOVERS.encode())


def read(connection: psycopg.Connection) -> list[Takeover]:
    return [Takeover(*map(float, row)) for row in connection.execute(_READ.encode())]


@dataclass(frozen=True)
class Ending:
    """A web or worker process was told to end at `told_at`, and was gone by `over_at`."""

    told_at: float
    over_at: float


def endings(path: Path) -> list[Ending]:
    """By the journal, in order."""
    return [
        Ending(line["at"], line["at"] + _GRACE[line["fault"]])
        for line in journal.lines(path)
        if line.get("fault") in _GRACE
    ]


def resumed(takeovers: Iterable[Takeover], ended: Sequence[Ending]) -> list[float]:
    """For each run that lost its holder to an ending, the seconds until it had another.

    Of several endings while it was held the first counts, so that none is told shorter than it was.
    """
    found = []
    for one in takeovers:
        blamed = [
            ending.told_at
            for ending in ended
            if one.held_since <= ending.over_at and ending.told_at <= one.taken_at
        ]
        if blamed:
            found.append(one.taken_at - blamed[0])
    return found
