"""Disputes as they are heard of: news that makes us look, and lines of a statement, which are
booked when they appear, before or after anything else is known."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from apps.core import db, ids
from apps.core.money import from_minor
from apps.gateways import selectors as gateways
from apps.gateways.types import LineKind, StatementLine
from apps.payments import (
    balance,
    dispute_postings,
    dispute_records,
    dispute_selectors,
    fees,
    selectors,
)
from apps.payments.models import Dispute, DisputeLine, Payment
from apps.payments.services import foreign_lines
from apps.payments.types import NEEDS_A_PERSON
from apps.sagas import services as sagas

if TYPE_CHECKING:
    from apps.sagas.models import Run

DISPUTE_KINDS = (LineKind.DISPUTE, LineKind.DISPUTE_REVERSAL)


def find_or_report(payment: Payment, *, provider: str, reference: str, now: datetime) -> Dispute:
    """The dispute of this name; a new one of which nothing is known until it is looked at.

    Transaction: joins the caller's. IntegrityError (when sent): somebody noted it at this moment.
    """
    dispute = dispute_selectors.find_by_provider(payment.book_id, provider, reference)
    if dispute is not None:
        return dispute
    dispute = Dispute(
        id=ids.new_id(),
        book_id=payment.book_id,
        payment=payment,
        provider=provider,
        provider_reference=reference,
        currency=payment.currency,
        created_at=now,
        updated_at=now,
    )
    dispute_records.insert_dispute(dispute)
    return dispute


def carry_out(dispute: Dispute, *, now: datetime) -> Run:
    """Have an order carried out that is written down in the caller's transaction.

    News that begin a look at this very moment do not stand in its way: that look is used, and
    taken once more if it has read the dispute already. A look that needed a person is let try
    again: what the merchant says is a fresh reason to.
    Transaction: the caller's `atomic`; the dispute stays locked until its commit.
    """
    try:
        with transaction.atomic():
            return look(dispute, now=now, is_ordered=True)
    except (IntegrityError, db.GuardFailed):
        return look(dispute, now=now, is_ordered=True)


def look(
    dispute: Dispute, *, now: datetime, must_wait: bool = False, is_ordered: bool = False
) -> Run:
    """Have the provider asked how the dispute stands.

    With `must_wait` a look that is being taken right now is not enough: see `sagas.resume`. One
    that needs a person is left to that person, and asks once it is let try again: with `is_ordered`
    at once.
    Transaction: joins the caller's. IntegrityError (when sent): somebody begins at this moment.

    :raises db.GuardFailed: (when sent) somebody has just looked, or lets it try again; with
        `must_wait` also: somebody is looking.
    """
    run = dispute_selectors.find_run(dispute)
    if run is not None and run.needs_a_person:
        if is_ordered:
            sagas.retry(run_id=run.id, now=now)
        return run
    if run is not None and run.is_open:
        sagas.resume(run_id=run.id, now=now, must_wait=must_wait)
        return run
    sagas.require_last(run, saga="dispute", book_id=dispute.book_id, subject_id=dispute.id)
    run = sagas.start(
        saga="dispute", book_id=dispute.book_id, subject_id=dispute.id, now=now, after=run
    )
    db.on_commit(partial(sagas.hand_over, run))
    return run


def apply_line(line: StatementLine, *, now: datetime) -> bool:
    """Book a line about a dispute as it appears in the provider's statement, paid out or not.

    False: it is booked already, or is not ours.
    Retries: safe; a line is booked once, under its own reference.
    Transaction: its own; the payment stays locked until its commit.
    """
    owner = gateways.find_owner(provider=line.provider, reference=line.payment_reference)
    if owner is None:
        return False
    with transaction.atomic():
        payment = selectors.lock(owner.book_id, owner.payment_id)
        return book_line(payment, line, now=now)


def book_line(payment: Payment, line: StatementLine, *, now: datetime) -> bool:
    """As `apply_line`, of a payment that the caller's transaction has locked.

    False too for one in another currency than the payment's: see `foreign_lines.is_foreign`.
    """
    if dispute_selectors.has_line(payment.book_id, line.provider, line.line_reference):
        return False
    if foreign_lines.is_foreign(line, currency=payment.currency):
        return False
    found = _dispute_of(payment, line, now)
    if found is None:
        return False
    dispute = dispute_selectors.lock(found.book_id, found.id)
    booked = DisputeLine(
        id=ids.new_id(),
        book_id=dispute.book_id,
        dispute=dispute,
        provider=line.provider,
        line_reference=line.line_reference,
        kind=str(line.kind),
        currency=line.currency,
        gross=from_minor(line.gross_minor, line.currency).amount,
        provider_fee=from_minor(line.fee_minor, line.currency).amount,
        created_at=now,
    )
    booked.merchant_fee = _fee_in_credit(dispute, booked)
    dispute_records.insert_line(booked)
    dispute_records.count_line(dispute, booked, now=now)
    dispute_postings.dispute_line(booked, occurred_at=line.occurred_at)
    balance.dispute_fee(dispute, booked, now=now)
    look(dispute, now=now)
    return True


def _fee_in_credit(dispute: Dispute, line: DisputeLine) -> Decimal | None:
    """What a fee costs the merchant in what it is paid in; None if that is what the line says.

    At the payment's own rate, of all fees so far and now: no rounding is lost or made. A fee that
    was charged in the line's own currency once comes back in that.
    """
    payment = dispute.payment
    if not (line.provider_fee and payment.is_converted and line.currency == payment.currency):
        return None
    total, charged = line.provider_fee, Decimal(0)
    for before in dispute_selectors.list_fee_lines(dispute):
        if before.merchant_fee is None:
            return None
        total, charged = total + before.provider_fee, charged + before.merchant_fee
    return fees.credited_for(payment, payment.money(total)).credited.amount - charged


def is_booked(payment: Payment, line: StatementLine, *, now: datetime) -> bool:
    """Whether the line is in the books, now at the latest; see `book_line`."""
    if book_line(payment, line, now=now):
        return True
    return dispute_selectors.has_line(payment.book_id, line.provider, line.line_reference)


def _dispute_of(payment: Payment, line: StatementLine, now: datetime) -> Dispute | None:
    """Which dispute a line is about: its own word, or the payment's newest where it names none.

    None: it names none, and none is known; its news is on the way, and the line comes again.
    """
    if line.source_reference == line.line_reference:
        return dispute_selectors.find_newest(payment, line.provider)
    return find_or_report(payment, provider=line.provider, reference=line.source_reference, now=now)


def nudge(payment: Payment, *, provider: str, reference: str, now: datetime) -> str:
    """There is news of a dispute: look at it; what to note of the event.

    Transaction and errors: as `look`, with `must_wait`.
    """
    if gateways.find_owner(provider=provider, reference=reference) is None:
        dispute = find_or_report(payment, provider=provider, reference=reference, now=now)
    else:  # what it names is the payment's own: money was taken back, and a dispute says why
        newest = dispute_selectors.find_newest(payment, provider)
        if newest is None:
            return "kept: nobody waits for it"
        dispute = newest
    run = look(dispute, now=now, must_wait=True)
    return NEEDS_A_PERSON if run.needs_a_person else "asking"
