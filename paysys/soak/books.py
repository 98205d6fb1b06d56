"""The two other books: ours, read past the API, and the providers', asked over their own APIs."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from apps.core import ids
from apps.core.money import exponent

# Somebody outside is waited for, and comes in their own time.
WAITS_FOR_SOMEBODY = ("capture", "customer_action")
_PAGE = 100
_API_KEY = "sk_test_simulator"

Row = dict[str, Any]

_OPEN_RUNS = """
SELECT saga, subject_id, status, current_step, waiting_for, attempts, look_ups, last_error
FROM sagas_run WHERE status NOT IN ('COMPLETED', 'COMPENSATED')
"""
_OPEN_CALLS = """
SELECT op_key, outcome, code, attempts FROM gateways_provider_call
WHERE outcome IN ('PENDING', 'UNKNOWN')
"""
_REFUNDS = """
SELECT r.*, p.provider FROM payments_refund r JOIN payments_payment p ON p.id = r.payment_id
"""
_DISPUTES = "SELECT * FROM payments_dispute"
_DISPUTE_LINES = """
SELECT l.provider, l.line_reference, l.gross, l.currency, d.provider_reference AS dispute
FROM payments_dispute_line l JOIN payments_dispute d ON d.id = l.dispute_id
"""
_POSTINGS = """
SELECT t.reference, t.kind, u.id IS NOT NULL AS is_undone FROM ledger_transaction t
LEFT JOIN ledger_transaction u ON u.reverses_id = t.id AND u.book_id = t.book_id
WHERE t.reverses_id IS NULL
"""


_RUN_SECONDS = """
SELECT subject_id, max(extract(epoch FROM updated_at - created_at)) AS seconds
FROM sagas_run GROUP BY 1
"""
_LEFT = """
SELECT id, book_id FROM payments_payment
WHERE status = 'REQUIRES_ACTION' OR status = 'AUTHORIZED' AND capture_method = 'manual'
"""
_UNHEARD = """
SELECT provider, kind, object_reference FROM gateways_inbound_event
WHERE processed_at IS NULL AND kind ILIKE '%dispute%'
"""
_UNTOLD = """
SELECT (SELECT count(*) FROM notifications_outbox) AS waiting,
    (SELECT count(*) FROM notifications_delivery WHERE status = 'PENDING') AS pending
"""


@dataclass
class OurBook:
    """Rows of our tables. Amounts stay as they are stored; `minor` turns one into minor units."""

    payments: dict[str, Row]
    refunds: dict[str, Row]
    payouts: dict[str, Row]
    transfers: dict[str, Row]
    disputes: dict[str, Row]
    dispute_lines: list[Row]
    postings: list[Row]
    calls: list[Row]
    events: dict[str, Row]
    run_seconds: dict[UUID, float]  # by the run's subject, of its longest

    @property
    def made(self) -> Iterator[tuple[str, Row]]:
        """Everything that a request of the client makes, by public id."""
        for rows in (self.payments, self.refunds, self.payouts, self.transfers):
            yield from rows.items()


def minor(row: Row, amount: Decimal) -> int:
    return int(amount.scaleb(exponent(row["currency"])))


def read_ours(connection: psycopg.Connection) -> OurBook:
    return OurBook(
        payments=_by_id(connection, "pay", "SELECT * FROM payments_payment"),
        refunds=_by_id(connection, "re", _REFUNDS),
        payouts=_by_id(connection, "po", "SELECT * FROM payments_payout"),
        transfers=_by_id(connection, "tr", "SELECT * FROM payments_transfer"),
        disputes=_by_id(connection, "dp", _DISPUTES),
        dispute_lines=_rows(connection, _DISPUTE_LINES),
        postings=_rows(connection, _POSTINGS),
        calls=_rows(
            connection, "SELECT call, outcome, provider_reference FROM gateways_provider_call"
        ),
        events=read_events(connection),
        run_seconds={
            row["subject_id"]: float(row["seconds"]) for row in _rows(connection, _RUN_SECONDS)
        },
    )


def read_left(connection: psycopg.Connection) -> dict[str, Row]:
    """Payments that wait for their merchant or their customer, by public id."""
    return _by_id(connection, "pay", _LEFT)


def read_events(connection: psycopg.Connection) -> dict[str, Row]:
    return _by_id(connection, "evt", "SELECT id, kind, subject_id FROM notifications_event")


def unfinished(connection: psycopg.Connection) -> list[str]:
    """Runs that have not ended and wait for nobody, and calls whose end is not known; in words."""
    found = [
        f"run of {row['saga']} {row['subject_id']}: {row['status']} at {row['current_step']}"
        f" waiting for {row['waiting_for'] or 'nobody'}, {row['attempts']} attempts,"
        f" {row['look_ups']} look-ups {row['last_error']}"
        for row in _rows(connection, _OPEN_RUNS)
        if row["waiting_for"] not in WAITS_FOR_SOMEBODY or row["status"] != "WAITING"
    ]
    [untold] = _rows(connection, _UNTOLD)
    if any(untold.values()):
        found.append(f"events: {untold['waiting']} not queued, {untold['pending']} not delivered")
    found += [
        f"news of {row['object_reference']}: {row['kind']} of {row['provider']} is not applied"
        for row in _rows(connection, _UNHEARD)
    ]
    return found + [
        f"call {row['op_key']}: {row['outcome']} {row['code']} after {row['attempts']} answers"
        for row in _rows(connection, _OPEN_CALLS)
    ]


def are_listening(connection: psycopg.Connection) -> bool:
    """Whether from now on every event is told to every endpoint."""
    sql = "SELECT id FROM notifications_webhook_endpoint WHERE listens_from IS NULL"
    return not _rows(connection, sql)


def _by_id(connection: psycopg.Connection, prefix: str, sql: str) -> dict[str, Row]:
    return {ids.encode(prefix, row["id"]): row for row in _rows(connection, sql)}


def _rows(connection: psycopg.Connection, sql: str) -> list[Row]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql.encode()).fetchall()


# --- the providers' -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Effect:
    """Something that was really done outside: what it is, how much, and for what of ours."""

    kind: str  # capture, refund, payout
    provider: str
    id: str
    amount: int  # minor units
    owner: str  # pay_…, re_… or po_…, as we told the provider


@dataclass(frozen=True)
class Object:
    """A provider's object for a payment. `is_live`: it holds or has taken money.

    `op_key` is the key under which it was made, where the provider can say.
    """

    provider: str
    id: str
    payment: str
    is_live: bool
    captured: int
    refunded: int
    op_key: str = ""


@dataclass(frozen=True)
class Objection:
    """A dispute as its provider has it. Amounts in minor units.

    Of `amount`, `open` is withheld and `lost` gone for good. `lines` are what moved on our account,
    by the line's id. `answers` counts how often the merchant was heard, and `said` is what.
    """

    provider: str
    id: str
    payment: str
    amount: int
    open: int
    lost: int
    is_over: bool
    lines: Mapping[str, int]
    answers: int = 0
    said: str = ""


@dataclass
class TheirBook:
    objects: list[Object]
    effects: list[Effect]
    objections: list[Objection] = field(default_factory=list)


def undelivered(simulator_url: str) -> int:
    """How many webhooks the providers have still to send."""
    [told] = _lines(f"{simulator_url}/_sim/deliveries")
    return int(told.get("waiting", 0))


def read_theirs(simulator_url: str) -> TheirBook:
    """Amounts in minor units; the soak's currency has two."""
    objects, effects = [], []
    for intent in _lines(f"{simulator_url}/_sim/book"):
        objects.append(_of_intent(intent))
        if intent["amount_received"]:
            taken, payment = intent["amount_received"], intent["metadata"]["paysys_payment"]
            effects.append(Effect("capture", "stripe", intent["charge"], taken, payment))
    for order in _lines(f"{simulator_url}/_sim/paypal/book"):
        objects.append(_of_order(order))
        for capture in _standing(order["captures"]):
            taken = _cents(capture)
            effects.append(Effect("capture", "paypal", capture["id"], taken, order["payment"]))
        for refund in _standing(order["refunds"]):
            given = _cents(refund)
            effects.append(Effect("refund", "paypal", refund["id"], given, order["payment"]))
    for kind, name in (("refund", "paysys_refund"), ("payout", "paysys_payout")):
        for one in _listed(simulator_url, f"{kind}s"):
            if one["status"] not in ("failed", "canceled"):
                owner = one["metadata"].get(name, "")
                effects.append(Effect(kind, "stripe", one["id"], one["amount"], owner))
    return TheirBook(objects, effects, list(_objections(simulator_url, objects)))


def _objections(simulator_url: str, objects: list[Object]) -> Iterator[Objection]:
    payments = {one.id: one.payment for one in objects}
    for found in _lines(f"{simulator_url}/_sim/disputes"):
        yield _of_dispute(found, payments.get(found["payment_intent"], ""))
    for found in _lines(f"{simulator_url}/_sim/paypal/disputes"):
        yield _of_paypal_dispute(found)


def _of_dispute(found: Row, payment: str) -> Objection:
    lines = {line["id"]: line["amount"] for line in found["balance_transactions"]}
    amount, status = found["amount"], found["status"]
    withheld = -sum(lines.values())
    return Objection(
        "stripe",
        found["id"],
        payment,
        amount,
        withheld if status in ("needs_response", "under_review") else 0,
        withheld if status in ("won", "lost") else 0,
        status in ("won", "lost", "warning_closed"),
        lines,
        found["evidence_details"]["submission_count"],
        found["evidence"]["uncategorized_text"] or "",
    )


def _of_paypal_dispute(found: Row) -> Objection:
    lines = {line["id"]: int(Decimal(line["amount"]).scaleb(2)) for line in found["lines"]}
    is_over, withheld = found["status"] == "RESOLVED", -sum(lines.values())
    return Objection(
        "paypal",
        found["dispute_id"],
        found["disputed_transactions"][0].get("custom", ""),
        _cents({"amount": found["dispute_amount"]}),
        0 if is_over else withheld,
        withheld if is_over else 0,
        is_over,
        lines,
    )


def _of_intent(line: Row) -> Object:
    return Object(
        "stripe",
        line["id"],
        line["metadata"].get("paysys_payment", ""),
        line["status"] in ("requires_capture", "succeeded"),
        line["amount_received"],
        line["amount_refunded"],
        line["metadata"].get("op_key", ""),
    )


def _of_order(line: Row) -> Object:
    holds = [one for one in line["authorizations"] if one["status"] not in ("VOIDED", "DENIED")]
    return Object(
        "paypal",
        line["id"],
        line["payment"],
        bool(holds),
        sum(map(_cents, _standing(line["captures"]))),
        sum(map(_cents, _standing(line["refunds"]))),
    )


def _standing(parts: list[Row]) -> list[Row]:
    return [part for part in parts if part["status"] not in ("DECLINED", "FAILED", "CANCELLED")]


def _cents(part: Mapping[str, Any]) -> int:
    return int(Decimal(part["amount"]["value"]).scaleb(2))


def _lines(url: str) -> Iterator[Row]:
    with urllib.request.urlopen(url, timeout=120) as answer:  # noqa: S310
        for line in answer.read().splitlines():
            yield json.loads(line)


def _listed(simulator_url: str, what: str) -> Iterator[Row]:
    """All of a kind, by Stripe's own API, newest first."""
    after, more = "", True
    while more:
        url = f"{simulator_url}/v1/{what}?limit={_PAGE}{after}"
        asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {_API_KEY}"})  # noqa: S310
        with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310
            page = json.loads(answer.read())
        yield from page["data"]
        more = page["has_more"]
        after = f"&starting_after={page['data'][-1]['id']}" if page["data"] else ""
