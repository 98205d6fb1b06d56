"""The simulator's own book: one SQLite file, every commit on disk before its answer goes out."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .wire import Json, dumps

_TABLES = """
CREATE TABLE IF NOT EXISTS object (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    created INTEGER NOT NULL,
    payment_intent TEXT, charge TEXT, customer TEXT, source TEXT, type TEXT, payout TEXT,
    payment TEXT,
    body TEXT NOT NULL,
    facts TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS object_kind ON object (kind, seq, created);
CREATE INDEX IF NOT EXISTS object_intent ON object (payment_intent) WHERE payment_intent NOT NULL;
CREATE INDEX IF NOT EXISTS object_charge ON object (charge) WHERE charge NOT NULL;
CREATE INDEX IF NOT EXISTS object_source ON object (source) WHERE source NOT NULL;
CREATE INDEX IF NOT EXISTS object_payout ON object (payout) WHERE payout NOT NULL;
CREATE INDEX IF NOT EXISTS object_payment ON object (payment) WHERE payment NOT NULL;
CREATE INDEX IF NOT EXISTS object_customer ON object (customer) WHERE customer NOT NULL;
CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, created INTEGER NOT NULL,
    request_id TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS delivery (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL, due_at REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL, answer TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (due_at) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS delivery_event ON delivery (event);
CREATE TABLE IF NOT EXISTS later (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, due_at INTEGER NOT NULL, what TEXT NOT NULL,
    object_id TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS paypal_key (
    name TEXT PRIMARY KEY, created INTEGER NOT NULL, object TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

_LINKS = ("payment_intent", "charge", "customer", "source", "type", "payout", "payment")
_PATIENCE = 20  # turns a commit waits for units that are already at the door
_COLUMNS = "seq, id, kind, created, body, facts"


@dataclass(slots=True)
class Record:
    """One object: `body` is what Stripe shows, `facts` is what only the simulator knows."""

    id: str
    kind: str
    created: int
    body: Json
    facts: Json = field(default_factory=dict)
    seq: int = 0

    def links(self) -> list[Any]:
        """By what it is looked for: Stripe's objects name it themselves, others in `facts`."""
        if "links" in self.facts:
            return [self.facts["links"].get(name) for name in _LINKS]
        metadata = self.body.get("metadata") or {}
        values = {name: self.body.get(name) for name in _LINKS}
        values["payout"] = self.facts.get("payout")
        values["payment"] = metadata.get("paysys_payment")
        return [value if isinstance(value, str) else None for value in values.values()]


class Store:
    """One connection under one lock. Never call `unit` inside a unit; `attempt` is for that."""

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self._committing = threading.Lock()
        self._counting = threading.Lock()
        self._is_open = False
        self._batch = 0
        self._queued = 0
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA cache_size = -32000")
        self._db.execute("PRAGMA wal_autocheckpoint = 8000")
        self._db.executescript(_TABLES)

    def close(self) -> None:
        with self._lock:
            if self._is_open:
                self._db.execute("COMMIT")
            self._db.close()

    @contextmanager
    def unit(self) -> Iterator[None]:
        """One request's changes: all or none, and on disk when the block ends.

        Units run one at a time, but those that queue up share one commit, for the disk is slower
        than everything else here. What a unit read from a neighbour is durable when it ends, too.
        """
        with self._counting:
            self._queued += 1
        with self._lock:
            with self._counting:
                self._queued -= 1
            if not self._is_open:
                self._db.execute("BEGIN")
                self._is_open = True
            batch = self._batch
            with self.attempt():
                yield
        self._make_durable(batch)

    def _make_durable(self, batch: int) -> None:
        with self._committing:
            if self._batch > batch:
                return  # somebody committed for us while we waited
            for _ in range(_PATIENCE):
                if self._queued == 0:
                    break
                time.sleep(0)
            with self._lock:
                self._db.execute("COMMIT")
                self._is_open = False
                self._batch += 1

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Inside a unit: what the block wrote is undone when it raises, the unit goes on."""
        self._db.execute("SAVEPOINT attempt")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK TO attempt")
            raise
        finally:
            self._db.execute("RELEASE attempt")

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        return self._db.execute(sql, params).fetchall()

    def write(self, sql: str, params: Sequence[Any] = ()) -> int:
        return self._db.execute(sql, params).rowcount

    # --- objects

    def find(self, object_id: str, kind: str | None = None) -> Record | None:
        found = self.rows(f"SELECT {_COLUMNS} FROM object WHERE id = ?", (object_id,))  # noqa: S608
        record = _record(found[0]) if found else None
        return record if record is not None and kind in (None, record.kind) else None

    def insert(self, record: Record) -> Record:
        cursor = self._db.execute(
            "INSERT INTO object (id, kind, created, payment_intent, charge, customer, source, type,"
            " payout, payment, body, facts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (record.id, record.kind, record.created, *record.links(), dumps(record.body),
             dumps(record.facts)),
        )  # fmt: skip
        record.seq = cursor.lastrowid or 0
        return record

    def save(self, record: Record) -> None:
        self._db.execute(
            "UPDATE object SET payment_intent = ?, charge = ?, customer = ?, source = ?, type = ?,"
            " payout = ?, payment = ?, body = ?, facts = ? WHERE id = ?",
            (*record.links(), dumps(record.body), dumps(record.facts), record.id),
        )

    def select(
        self, kind: str, where: str = "", params: Sequence[Any] = (), tail: str = "ORDER BY seq"
    ) -> list[Record]:
        """Objects of one kind. `where` and `tail` are our own text, never a request's."""
        condition = f"AND {where}" if where else ""
        sql = f"SELECT {_COLUMNS} FROM object WHERE kind = ? {condition} {tail}"  # noqa: S608
        return [_record(row) for row in self.rows(sql, (kind, *params))]

    # --- settings

    def setting(self, name: str, default: str) -> str:
        found = self.rows("SELECT value FROM setting WHERE name = ?", (name,))
        return str(found[0][0]) if found else default

    def set_setting(self, name: str, value: str) -> None:
        self.write("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))

    def clear(self) -> None:
        for table in ("object", "idempotency", "paypal_key", "delivery", "later", "setting"):
            self.write(f"DELETE FROM {table}")  # noqa: S608


def _record(row: Any) -> Record:
    return Record(
        seq=row[0], id=row[1], kind=row[2], created=row[3],
        body=json.loads(row[4]), facts=json.loads(row[5]),
    )  # fmt: skip
