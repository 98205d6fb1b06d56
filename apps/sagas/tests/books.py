"""The tables of the tests: an order, what was done to it and in which commit, and its calls."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import connection

from apps.core import db
from apps.core.errors import DomainError
from apps.sagas.definition import Intent, Observation, Outcome

CREATE = """
CREATE TABLE sagas_test_order (
    id uuid PRIMARY KEY, book_id uuid NOT NULL, version int NOT NULL DEFAULT 1,
    plan jsonb NOT NULL, is_approved bool NOT NULL DEFAULT false,
    reserved int NOT NULL DEFAULT 0, charged int NOT NULL DEFAULT 0,
    shipped int NOT NULL DEFAULT 0, credited int NOT NULL DEFAULT 0,
    finished int NOT NULL DEFAULT 0, closed int NOT NULL DEFAULT 0,
    abort_code text NOT NULL DEFAULT '', decline_code text NOT NULL DEFAULT '');
CREATE TABLE sagas_test_entry (
    number bigint GENERATED ALWAYS AS IDENTITY, order_id uuid NOT NULL, entry text NOT NULL,
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id());
CREATE TABLE sagas_test_call (
    number bigint GENERATED ALWAYS AS IDENTITY, op_key text PRIMARY KEY,
    book_id uuid NOT NULL, subject_id uuid NOT NULL, run_id uuid NOT NULL,
    step text NOT NULL, call text NOT NULL, request jsonb NOT NULL,
    created_at timestamptz NOT NULL, outcome text NOT NULL DEFAULT 'PENDING',
    provider_reference text NOT NULL DEFAULT '', attempts int NOT NULL DEFAULT 0,
    answered bool NOT NULL DEFAULT false);
CREATE UNIQUE INDEX sagas_test_call_one_open ON sagas_test_call (subject_id)
    WHERE outcome IN ('PENDING', 'UNKNOWN');
CREATE FUNCTION sagas_test_refuse(what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING errcode = 'TS001', message = what;
END $$;
"""
DROP = """
DROP FUNCTION sagas_test_refuse(text);
DROP TABLE sagas_test_order, sagas_test_entry, sagas_test_call;
"""


class Refused(DomainError):
    """A business rule of the tests said no."""

    code = "refused"


db.ERRORS["TS001"] = lambda message, _detail: Refused(message)


@dataclass
class Order:
    """An order as read. `plan` says what is to go wrong with it, and where."""

    id: UUID
    book_id: UUID
    version: int
    plan: dict[str, Any]
    is_approved: bool
    reserved: int = 0
    charged: int = 0
    shipped: int = 0
    credited: int = 0
    finished: int = 0
    closed: int = 0
    abort_code: str = ""
    decline_code: str = ""

    @property
    def counters(self) -> tuple[int, ...]:
        """Reserved, charged, shipped, credited, finished, closed."""
        return (
            *(self.reserved, self.charged, self.shipped),
            *(self.credited, self.finished, self.closed),
        )


def insert(order: Order) -> None:
    db.write(
        "INSERT INTO sagas_test_order (id, book_id, plan) VALUES (%s, %s, %s::jsonb)",
        (order.id, order.book_id, json.dumps(order.plan)),
    )


def load(book_id: UUID, order_id: UUID) -> Order:
    sql = "SELECT * FROM sagas_test_order WHERE id = %s AND book_id = %s"
    [row] = fetch(sql, order_id, book_id)
    return Order(**row)


def change(order: Order, entry: str, **deltas: int) -> None:
    """Move counters of the order, here and there, guarded by the version that was read."""
    sets = "".join(f", {column} = {column} + {delta}" for column, delta in deltas.items())
    db.write(
        f"UPDATE sagas_test_order SET version = version + 1{sets} WHERE id = %s AND version = %s",
        (order.id, order.version),
        expect=1,
        what="sagas_test: the order has changed since it was read",
    )
    for column, delta in {"version": 1, **deltas}.items():
        setattr(order, column, getattr(order, column) + delta)
    note(order, entry)


def note(order: Order, entry: str) -> None:
    db.write(
        "INSERT INTO sagas_test_entry (order_id, entry) VALUES (%s, %s)",
        (order.id, entry),
    )


def replan(order: Order, **plan: Any) -> None:
    """Change what goes wrong with an order, behind the back of whoever has read it."""
    execute(
        "UPDATE sagas_test_order SET plan = %s::jsonb, version = version + 1 WHERE id = %s",
        *(json.dumps(plan), order.id),
    )


def approve(order: Order) -> None:
    """The order that a waiting step looks for; goes through `db.write`, so it joins a unit."""
    db.write(
        "UPDATE sagas_test_order SET is_approved = true, version = version + 1 WHERE id = %s",
        (order.id,),
    )


def commits_of(order: Order) -> list[list[str]]:
    """What was done to the order, one list per commit."""
    rows = fetch(
        "SELECT transaction::text, entry FROM sagas_test_entry WHERE order_id = %s ORDER BY number",
        order.id,
    )
    groups = groupby(rows, key=lambda row: row["transaction"])
    return [[row["entry"] for row in group] for _, group in groups]


def entries_of(order: Order) -> list[str]:
    return [entry for commit in commits_of(order) for entry in commit]


def calls_of(order: Order) -> list[tuple[str, int, str]]:
    """The calls promised for an order: name, generation, how it ended; in order of promise."""
    rows = fetch(
        "SELECT call, op_key, outcome FROM sagas_test_call WHERE subject_id = %s ORDER BY number",
        order.id,
    )
    return [(r["call"], int(r["op_key"].rsplit(":", 1)[1]), r["outcome"]) for r in rows]


class Journal:
    """Calls written down before they are made: one row each, in a table of the tests."""

    def open(
        self,
        *,
        book_id: UUID,
        subject_id: UUID,
        run_id: UUID,
        step: str,
        call: str,
        op_key: str,
        request: dict[str, Any],
        now: datetime,
    ) -> Intent:
        db.write(
            "INSERT INTO sagas_test_call (op_key, book_id, subject_id, run_id, step, call, request,"
            " created_at) VALUES (%s, %s, %s, %s, %s, %s, %s::jsonb, %s)",
            (op_key, book_id, subject_id, run_id, step, call, json.dumps(request), now),
        )
        return Intent(op_key, book_id, subject_id, step, call, request, now)

    def find_open(self, *, run_id: UUID) -> Intent | None:
        rows = fetch(
            "SELECT op_key, book_id, subject_id, step, call, request, created_at, outcome,"
            " provider_reference, attempts, answered FROM sagas_test_call"
            " WHERE run_id = %s AND outcome IN ('PENDING', 'UNKNOWN')",
            run_id,
        )
        return Intent(**{**rows[0], "outcome": Outcome(rows[0]["outcome"])}) if rows else None

    def observe(self, *, intent: Intent, observation: Observation, now: datetime) -> None:
        db.write(
            "UPDATE sagas_test_call SET outcome = %s, attempts = attempts + 1,"
            " answered = answered OR %s,"
            " provider_reference = coalesce(nullif(%s, ''), provider_reference)"
            " WHERE op_key = %s AND outcome IN ('PENDING', 'UNKNOWN')",
            (
                *(observation.outcome, observation.answered),
                *(observation.provider_reference, intent.op_key),
            ),
        )


def fetch(sql: str, *params: Any) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        names = [column.name for column in cursor.description or ()]
        rows = cursor.fetchall()
    return [
        {name: _value(name, value) for name, value in zip(names, row, strict=True)} for row in rows
    ]


def execute(sql: str, *params: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)


def _value(name: str, value: Any) -> Any:
    return json.loads(value) if name in ("plan", "request") and isinstance(value, str) else value
