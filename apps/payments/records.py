"""Writing payments, refunds, payouts: the row, its event and its audit row, in one commit.

Every write repeats the `version` that was read; if somebody else was first, nothing of the unit is
written (`db.GuardFailed`), and whoever wrote reads again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db.models import JSONField

from apps.audit import services as audit
from apps.core import db
from apps.core.money import Money
from apps.core.rows import Rows
from apps.core.types import Actor
from apps.gateways.types import StatementLine
from apps.notifications import services as notifications
from apps.payments.models import (
    Dispute,
    Payment,
    Payout,
    Refund,
    Release,
    Reserve,
    SettlementLine,
    Transfer,
)
from apps.payments.public import (
    render_payment,
    render_payout,
    render_refund,
    render_release,
    render_reserve,
    render_transfer,
    without_notes,
)

STALE = "payments: the payment has changed since it was read"
STALE_REFUND = "payments: the refund has changed since it was read"
STALE_PAYOUT = "payments: the payout has changed since it was read"

FIXED = {"id", "book_id", "version", "created_by", "created_at"}
_FIXED_OF_PAYMENT = FIXED | {
    *("currency", "amount", "capture_method", "method", "source", "payment_method_id"),
    *("destination", "reference", "description", "return_url", "metadata"),
    *("destination_wallet_id", "wallet_id", "wallet_amount", "hold_id"),
    *("credit_currency", "quote_id", "rate_mid", "rate"),
}
_FIXED_OF_PAYOUT = FIXED | {
    *("kind", "currency", "amount", "wallet_id", "bank_account_id", "provider"),
    *("description", "metadata"),
}
_FIXED_OF_REFUND = FIXED | {
    *("payment_id", "currency", "amount", "card_amount", "to_wallet_id", "bearer_amount"),
    *("fee_returned", "reason", "metadata", "is_compensation"),
}


class Table:
    """The statements of one table, built once from its model's columns.

    `fixed` columns never change; `fresh` ones have the same value in every new row. They stand in
    the statement as literals: the driver remembers no statement of more than fifty parameters.
    """

    def __init__(self, model: Any, fixed: set[str], fresh: dict[str, str] | None = None) -> None:
        fresh = fresh or {}
        fields = model._meta.concrete_fields
        self.columns: list[str] = [field.attname for field in fields]
        self.json = {field.attname for field in fields if isinstance(field, JSONField)}
        self.changing = [name for name in self.columns if name not in fixed]
        self.table = model._meta.db_table
        self.given = [name for name in self.columns if name not in fresh]
        marks = {name: self._mark(name) for name in self.json}
        self.rows = Rows(self.table, marks=marks, constants=fresh)

    def write_new(self, row: Any) -> None:
        db.insert(self.rows, self._values(row, self.given))
        row.remember()

    def write_changes(self, row: Any, *, stale: str) -> None:
        """Write the columns that differ from what the row held, under its version."""
        changed = [name for name in self.changing if getattr(row, name) != row.kept.get(name)]
        sets = "".join(f"{name} = {self._mark(name)}, " for name in changed)
        values = self._values(row, changed)
        db.change(
            self.rows,
            row.id,
            {**values, "version": row.version + 1},
            expects={"version": row.version, "book_id": row.book_id},
            sql=f"UPDATE {self.table} SET {sets}"  # noqa: S608
            "version = core_same(version, %s, %s) + 1 WHERE id = %s AND book_id = %s",
            params=(*values.values(), row.version, stale, row.id, row.book_id),
        )
        row.version += 1
        row.remember()

    def _mark(self, name: str) -> str:
        return "%s::jsonb" if name in self.json else "%s"

    def _values(self, row: Any, names: Sequence[str]) -> dict[str, Any]:
        return {name: self._value(name, getattr(row, name)) for name in names}

    def _value(self, name: str, value: Any) -> Any:
        if name in self.json:
            return None if value is None else json.dumps(value, separators=(",", ":"))
        return str(value) if isinstance(value, StrEnum) else value


_FRESH_PAYMENT = {
    **dict.fromkeys(("provider_reference", "charge_reference", "sca"), "''"),
    **dict.fromkeys(("failure_code", "failure_message"), "''"),
    **dict.fromkeys(("card", "next_action", "action_expires_at", "authorized_at"), "NULL"),
    **dict.fromkeys(("capture_before", "captured_at", "settled_at"), "NULL"),
    **dict.fromkeys(("void_requested_at", "expected_by"), "NULL"),
    **dict.fromkeys(("amount_authorized", "amount_captured", "refund_reserved"), "0"),
    **dict.fromkeys(("amount_refunded", "amount_disputed", "amount_charged_back"), "0"),
    **dict.fromkeys(("amount_excess", "fee", "fee_returnable", "fee_returned"), "0"),
    **dict.fromkeys(("wallet_captured", "card_refund_reserved", "amount_credited"), "0"),
    **dict.fromkeys(("fx_spread", "credit_returned"), "0"),
    "available_on": "NULL",
}
_PAYMENT = Table(Payment, _FIXED_OF_PAYMENT, _FRESH_PAYMENT)
_REFUND = Table(Refund, _FIXED_OF_REFUND)
_LINE = Table(SettlementLine, set())
_TRANSFER = Table(Transfer, set())
_PAYOUT = Table(Payout, _FIXED_OF_PAYOUT)
_RELEASE = Table(Release, set())
_RESERVE = Table(Reserve, set())


def insert_payment(payment: Payment, *, actor: Actor, now: datetime) -> None:
    """Add a payment to the caller's transaction: created, and validated in the same commit."""
    payment.mark_validated()
    _PAYMENT.write_new(payment)
    route = {name: payment.route[name] for name in ("provider", "rule") if payment.route}
    _tell_payment(payment, event="payment.created", actor=actor, now=now, **route)


def save_payment(payment: Payment, *, event: str, actor: Actor, now: datetime, **more: str) -> None:
    """Write what changed about a payment, under its version; `more` is for the trail alone.

    :raises db.GuardFailed: (when sent) the payment has changed since it was read.
    """
    payment.updated_at = now
    _PAYMENT.write_changes(payment, stale=STALE)
    _tell_payment(payment, event=event, actor=actor, now=now, **more)


def save_headline(payment: Payment, *, event: str, actor: Actor, now: datetime) -> None:
    """Write changed facts of a captured payment, whose status is their headline.

    :raises db.GuardFailed: (when sent) the payment has changed since it was read.
    """
    if payment.headline != payment.status:
        payment.mark_headline()
    save_payment(payment, event=event, actor=actor, now=now)


def require_unchanged(payment: Payment) -> None:
    """Guard the unit with the payment's version, and keep its row locked until the commit.

    For a commit that decides by what the payment says without changing it: an intent to call.
    """
    db.require(
        "EXISTS (SELECT 1 FROM payments_payment "
        "WHERE id = %s AND book_id = %s AND version = %s FOR UPDATE)",
        (payment.id, payment.book_id, payment.version),
        what=STALE,
    )


def insert_refund(refund: Refund, *, actor: Actor, now: datetime) -> None:
    """Add a refund to the caller's transaction."""
    _REFUND.write_new(refund)
    _tell_refund(refund, event="refund.created", actor=actor, now=now)


def save_refund(refund: Refund, *, event: str, actor: Actor, now: datetime) -> None:
    """Write what changed about a refund, under its version.

    :raises db.GuardFailed: (when sent) the refund has changed since it was read.
    """
    refund.updated_at = now
    _REFUND.write_changes(refund, stale=STALE_REFUND)
    _tell_refund(refund, event=event, actor=actor, now=now)


def insert_transfer(transfer: Transfer, *, actor: Actor, now: datetime) -> None:
    """Add a transfer to the caller's transaction: made, and never changed."""
    _TRANSFER.write_new(transfer)
    tell(
        transfer,
        "transfer.created",
        payload=render_transfer(transfer),
        facts={"from": str(transfer.from_wallet_id), "to": str(transfer.to_wallet_id)},
        actor=actor,
        now=now,
        sequence=1,
    )


def insert_payout(payout: Payout, *, actor: Actor, now: datetime) -> None:
    """Add a payout or a withdrawal to the caller's transaction."""
    _PAYOUT.write_new(payout)
    _tell_payout(payout, event="payout.created", actor=actor, now=now)


def save_payout(payout: Payout, *, event: str, actor: Actor, now: datetime, **more: str) -> None:
    """Write what changed about a payout, under its version; `more` is for the trail alone.

    :raises db.GuardFailed: (when sent) the payout has changed since it was read.
    """
    payout.updated_at = now
    _PAYOUT.write_changes(payout, stale=STALE_PAYOUT)
    _tell_payout(payout, event=event, actor=actor, now=now, **more)


def insert_release(release: Release, *, actor: Actor, now: datetime) -> None:
    """Note what became payable at once; never changed."""
    _RELEASE.write_new(release)
    _tell_once(release, "release.created", render_release(release), actor, now)


def insert_reserve(reserve: Reserve, *, actor: Actor, now: datetime) -> None:
    """Note what is kept back of a release."""
    _RESERVE.write_new(reserve)
    _tell_once(reserve, "reserve.kept", render_reserve(reserve), actor, now)


def free_reserve(reserve: Reserve, *, actor: Actor, now: datetime) -> None:
    """Note that a reserve is payable again.

    :raises db.GuardFailed: (when sent) it is already.
    """
    reserve.freed_at = now
    db.write(
        "UPDATE payments_reserve SET freed_at = %s "
        "WHERE id = %s AND book_id = %s AND freed_at IS NULL",
        (now, reserve.id, reserve.book_id),
        expect=1,
        what="payments: the reserve is freed already",
    )
    payload = render_reserve(reserve)
    tell(reserve, "reserve.freed", payload=payload, facts={}, actor=actor, now=now, sequence=2)


def insert_settlement_line(
    payment: Payment | Payout, line: StatementLine, gross: Money, provider_fee: Money, now: datetime
) -> None:
    """Note that a line of the provider's statement is paid out; a second time is refused."""
    row = SettlementLine(
        book_id=payment.book_id,
        provider=line.provider,
        line_reference=line.line_reference,
        payout_reference=line.payout_reference,
        payment_id=payment.id,
        kind=str(line.kind),
        currency=line.currency,
        gross=gross.amount,
        provider_fee=provider_fee.amount,
        created_at=now,
    )
    _LINE.write_new(row)


def _tell_payment(
    payment: Payment, *, event: str, actor: Actor, now: datetime, **more: Any
) -> None:
    facts = {"status": payment.status, "version": payment.version, **more}
    payload = render_payment(payment)
    tell(
        payment, event, payload=payload, facts=facts, actor=actor, now=now, sequence=payment.version
    )


def _tell_refund(refund: Refund, *, event: str, actor: Actor, now: datetime) -> None:
    facts = {"status": refund.status, "version": refund.version, "payment": str(refund.payment_id)}
    payload = render_refund(refund)
    tell(refund, event, payload=payload, facts=facts, actor=actor, now=now, sequence=refund.version)


def _tell_payout(payout: Payout, *, event: str, actor: Actor, now: datetime, **more: str) -> None:
    facts = {"status": payout.status, "version": payout.version, "kind": str(payout.kind), **more}
    payload = render_payout(payout)
    tell(payout, event, payload=payload, facts=facts, actor=actor, now=now, sequence=payout.version)


def _tell_once(
    row: Release | Reserve, event: str, payload: dict[str, Any], actor: Actor, now: datetime
) -> None:
    tell(row, event, payload=payload, facts={}, actor=actor, now=now, sequence=1)


def tell(
    row: Payment | Refund | Transfer | Payout | Release | Reserve | Dispute,
    event: str,
    *,
    sequence: int,
    payload: dict[str, Any],
    facts: dict[str, Any],
    actor: Actor,
    now: datetime,
) -> None:
    """Publish an event and write its audit row, in the caller's transaction."""
    notifications.publish(
        book_id=row.book_id,
        kind=event,
        subject_id=row.id,
        sequence=sequence,
        payload=without_notes(payload),
        now=now,
    )
    audit.record(
        book_id=row.book_id,
        actor=actor,
        action=event,
        subject_id=row.id,
        subject_kind=event.partition(".")[0],
        facts=facts,
        now=now,
    )
