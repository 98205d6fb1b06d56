"""What providers tell us: events, which only make us ask, and statements, which are booked."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, IntegrityError, transaction

from apps.core import db
from apps.core.money import from_minor
from apps.gateways import inbox, statements
from apps.gateways import selectors as gateways
from apps.gateways.selectors import Owner
from apps.gateways.types import KEPT, LineKind, StatementLine, Topic
from apps.payments import payout_selectors, postings, records, selectors
from apps.payments.models import Payment, Payout, Refund
from apps.payments.services import disputes, foreign_lines
from apps.payments.types import NEEDS_A_PERSON, PayoutStatus, RefundStatus
from apps.sagas import services as sagas

if TYPE_CHECKING:
    from apps.gateways.models import InboundEvent
    from apps.sagas.models import Run

log = structlog.get_logger(__name__)

REFUND_KINDS = (LineKind.REFUND, LineKind.REFUND_FAILURE)
SETTLED_KINDS = (LineKind.CHARGE, *REFUND_KINDS, *disputes.DISPUTE_KINDS)
# An object nobody here knows yet may be one whose answer is still on its way.
PARKED_FOR = timedelta(minutes=15)
# How often a line is tried that meets news of itself.
TRIES = 3


def apply_event(*, event_id: UUID, now: datetime) -> None:
    """Let the run that an event is about ask the provider what is true; payloads are not believed.

    Retries: safe; a nudge carries nothing, and what is done is not done again. An event about an
    object that we do not know yet stays unmarked for a while: the answer that names the object may
    still be coming. One that was only kept is looked at anew.
    Transaction: its own.
    """
    event = gateways.find_event(event_id)
    if event is None or event.is_done:
        return
    topic = inbox.topic_of(provider=event.provider, kind=event.kind)
    if topic is Topic.OTHER:
        keep(event_id=event_id, reason="kind not handled", now=now)
        return
    reference = event.payment_reference or event.object_reference
    owner = gateways.find_owner(provider=event.provider, reference=reference)
    if owner is None:
        if now - event.received_at > PARKED_FOR:
            keep(event_id=event_id, reason="unknown object", now=now)
        return
    # Somebody may start the same look at this moment: then the sweep comes back to this event.
    with suppress(IntegrityError, db.GuardFailed), db.unit():
        note = _nudge_about(owner, topic, event, now)
        inbox.mark_processed(event_id=event_id, note=note, now=now)


def _nudge_about(owner: Owner, topic: Topic, event: InboundEvent, now: datetime) -> str:
    book_id, payment_id = owner.book_id, owner.payment_id
    if topic is Topic.PAYOUT:
        return _nudge_payout(owner, now)
    if topic is Topic.DISPUTE:
        return disputes.nudge(
            selectors.get(book_id, payment_id),
            provider=event.provider,
            reference=event.object_reference,
            now=now,
        )
    if topic is Topic.PAYMENT:
        return _nudged(selectors.find_charge_run(selectors.get(book_id, payment_id)), now)
    refund = selectors.find_refund_by_provider(book_id, payment_id, event.object_reference)
    if refund is None:  # the answer that names it may be on its way: it is one of the open ones
        waiting = selectors.list_open_refunds(book_id, payment_id).order_by("id")
        notes = {_told_when_idle(selectors.find_refund_run(each), now) for each in waiting}
        told = next((note for note in ("nudged", NEEDS_A_PERSON) if note in notes), None)
        return told or _nudged(None, now)
    return _nudge_refund(refund, now)


def _nudge_refund(refund: Refund, now: datetime) -> str:
    run = selectors.find_refund_run(refund)
    if run is None or run.is_open:
        return _told_when_idle(run, now)
    # Read again after its run has ended, so it is what the run made of it.
    return _look_again(selectors.get_refund(refund.book_id, refund.id), now)


def _look_again(refund: Refund, now: datetime) -> str:
    """A refund that succeeded may fail days later: ask, unless somebody is asking already."""
    check = selectors.find_refund_check(refund)
    if refund.status != RefundStatus.SUCCEEDED or (check is not None and check.is_open):
        return _told_when_idle(check, now)
    return _asking("refund_check", refund.book_id, refund.id, now, after=check)


def _nudge_payout(owner: Owner, now: datetime) -> str:
    """One that was paid may have come back: ask, unless somebody is asking already."""
    book_id, payout_id = owner.book_id, owner.payment_id
    run = payout_selectors.find_run(book_id, payout_id)
    if run is None or run.is_open:
        return _told_when_idle(run, now)
    # Read after its run has ended, so it is what the run made of it.
    if payout_selectors.get(book_id, payout_id).status != PayoutStatus.PAID:
        return _nudged(run, now)
    check = payout_selectors.find_check(book_id, payout_id)
    if check is not None and check.is_open:
        return _told_when_idle(check, now)
    return _asking("payout_check", book_id, payout_id, now, after=check)


def _asking(saga: str, book_id: UUID, subject_id: UUID, now: datetime, *, after: Run | None) -> str:
    check = sagas.start(saga=saga, book_id=book_id, subject_id=subject_id, now=now, after=after)
    db.on_commit(partial(sagas.hand_over, check))
    return "asking"


def _nudged(run: Run | None, now: datetime) -> str:
    if run is None or not run.is_open:
        return "known already" if run else f"{KEPT}nobody waits for it"
    return _resumed(run, now)


def _told_when_idle(run: Run | None, now: datetime) -> str:
    """As `_nudged`, but a refund that is being asked about right now is told later.

    Its answer may be older than this news, and nothing would ask again: the event stays
    unprocessed (the guard fails), and the sweep comes back to it.
    """
    if run is None or not run.is_open:
        return _nudged(run, now)
    return _resumed(run, now, must_wait=True)


def _resumed(run: Run, now: datetime, *, must_wait: bool = False) -> str:
    if run.needs_a_person:
        return NEEDS_A_PERSON
    sagas.resume(run_id=run.id, now=now, must_wait=must_wait)
    return "nudged"


def keep(*, event_id: UUID, reason: str, now: datetime) -> None:
    """Wait for an event's turn no longer; it stays, and can be applied again.

    Retries: harmless. Transaction: its own.
    """
    with db.unit():
        inbox.mark_processed(event_id=event_id, note=f"{KEPT}{reason}", now=now)


def settle(*, provider: str, since: datetime, now: datetime) -> int:
    """Book every line of every payout that the provider made since, and of disputes every line.

    How many were new.
    Retries: safe; a line is booked once. Transaction: one a line; none may be open.

    :raises OutcomeUnknown: the provider could not be asked; what was booked stays booked.
    """
    payouts, withdrawn = [], []
    for line in statements.fetch(provider=provider, since=since):
        if line.kind in disputes.DISPUTE_KINDS:
            withdrawn.append(line)
        # What we ordered pays no lines out: it is one itself, of one of these.
        elif line.kind is LineKind.PAYOUT and not line.is_ordered:
            payouts.append(line.source_reference)
    booked = sum(_booked(disputes.apply_line, line, now) for line in withdrawn)
    return booked + sum(
        _booked(apply_settlement, line, now)
        for payout in payouts
        for line in statements.fetch(provider=provider, payout=payout)
    )


def _booked(apply: Callable[..., bool], line: StatementLine, now: datetime) -> bool:
    """One line that cannot be booked keeps no other from it; it comes again with the next run."""
    try:
        return _tried(apply, line, now)
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        log.exception("payments.line_not_settled", line=line.line_reference)
        return False


def _tried(apply: Callable[..., bool], line: StatementLine, now: datetime) -> bool:
    """News of the very same thing may be acted on at this moment; it is read again then."""
    for _ in range(TRIES - 1):
        try:
            return apply(line, now=now)
        except (DatabaseError, db.GuardFailed) as error:
            if not db.is_stale(error):
                raise
    return apply(line, now=now)


def apply_settlement(line: StatementLine, *, now: datetime) -> bool:
    """Book one line that the provider has paid out.

    A line that says that a refund or a payout failed is news as well: the provider is asked.
    False: it is booked already, is not ours, or is about a payment not captured in our books yet,
    or one that was charged by another provider, or about a refund that nobody here has made, or in
    another currency than what it is about.
    Retries: safe; a line is booked once, under its own reference.
    Transaction: its own; the payment stays locked until its commit.
    """
    reference = line.source_reference if line.is_ordered else line.payment_reference
    owner = gateways.find_owner(provider=line.provider, reference=reference)
    if owner is None or not line.payout_reference or line.payout_reference == reference:
        return False
    if line.is_ordered:
        return _settle_payout(owner.book_id, owner.payment_id, line, now)
    if line.kind not in SETTLED_KINDS:
        return False
    with transaction.atomic():
        payment = selectors.lock(owner.book_id, owner.payment_id)
        if not _can_be_settled(payment, line):
            return False
        is_dispute = line.kind in disputes.DISPUTE_KINDS
        if is_dispute and not disputes.is_booked(payment, line, now=now):
            return False
        refunds = _refunds_of(payment, line)
        if line.kind in REFUND_KINDS and not refunds:
            _report_stranger(payment, line)
            return False
        _book_line(payment, line, now)
        if line.kind is LineKind.REFUND_FAILURE:
            for refund in refunds:
                _nudge_refund(refund, now)
    return True


def _can_be_settled(payment: Payment, line: StatementLine) -> bool:
    """Whether it is a line of this payment's, not booked, about money that is in the books."""
    if line.provider != payment.provider:  # of an object that it has left: never its charge
        log.error("payments.line_of_a_left_object", line=line.line_reference)
        return False
    if selectors.has_settlement_line(payment, line.provider, line.line_reference):
        return False
    # A capture whose answer we still wait for is settled once it is in the books.
    if not payment.is_captured and line.kind not in disputes.DISPUTE_KINDS:
        return False
    return not foreign_lines.is_foreign(line, currency=payment.currency)


def _refunds_of(payment: Payment, line: StatementLine) -> list[Refund]:
    """The refunds of ours that a line is about.

    The line of one that failed may name none, as PayPal's does: then it is any of that amount.
    """
    if line.kind not in REFUND_KINDS:
        return []
    of_payment = (payment.book_id, payment.id)
    named = selectors.find_refund_by_provider(*of_payment, line.source_reference)
    if named is not None:
        return [named]
    if line.kind is LineKind.REFUND or line.source_reference != line.line_reference:
        return []
    back = from_minor(line.gross_minor, line.currency)
    return list(selectors.list_sent_refunds(*of_payment, card_amount=back))


def _report_stranger(payment: Payment, line: StatementLine) -> None:
    """The line of a refund that we do not know: it waits for its answer, or for a person.

    What was given back in the provider's own console is in no book, so nothing is settled of it.
    """
    waiting = selectors.list_open_refunds(payment.book_id, payment.id)
    if not waiting.filter(provider_reference="").exists():
        log.error("payments.line_of_a_refund_made_elsewhere", line=line.line_reference)


def _settle_payout(book_id: UUID, payout_id: UUID, line: StatementLine, now: datetime) -> bool:
    """A payout that was ordered, or its way back, lessens what the provider pays out of itself."""
    with transaction.atomic():
        payout = payout_selectors.lock(book_id, payout_id)
        if selectors.has_settlement_line(payout, line.provider, line.line_reference):
            return False
        if foreign_lines.is_foreign(line, currency=payout.currency):
            return False
        _book_line(payout, line, now)
        if line.kind is LineKind.PAYOUT_FAILURE:
            _nudge_payout(Owner(book_id, payout_id), now)
    return True


def _book_line(payment: Payment | Payout, line: StatementLine, now: datetime) -> None:
    gross = from_minor(line.gross_minor, line.currency)
    provider_fee = from_minor(line.fee_minor, line.currency)
    records.insert_settlement_line(payment, line, gross, provider_fee, now)
    if line.kind in disputes.DISPUTE_KINDS:  # its gross and fee were booked when it appeared
        gross, provider_fee = gross - provider_fee, provider_fee * 0
    postings.settled(
        book_id=payment.book_id,
        provider=line.provider,
        line_reference=line.line_reference,
        gross=gross,
        provider_fee=provider_fee,
        occurred_at=line.occurred_at,
    )
    if isinstance(payment, Payment) and line.kind is LineKind.CHARGE and not payment.settled_at:
        payment.settled_at = now
        records.save_headline(payment, event="payment.settled", actor="system", now=now)
