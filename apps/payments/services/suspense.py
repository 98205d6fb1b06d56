"""What a person decides about money in suspense: whose payment it is, or that it went back.

A case is resolved once, by a guarded write in the commit that books it; a second click finds it
resolved. Cases may lie in other books than the payment: then the money leaves one book and enters
the other by a posting in each, since no journal leaves its book.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from apps.audit import services as audit
from apps.core import db, ids
from apps.core.errors import Conflict, NotFound
from apps.core.money import shown, to_minor
from apps.core.types import Actor
from apps.payments import postings, selectors
from apps.payments.models import Payment, SuspenseCase, VirtualReference
from apps.payments.services import bank_transfers, receipts
from apps.payments.types import CaseStatus

MAX_CASES = 20  # that one payment is made up of


class CaseNotOpen(Conflict):
    """The case is resolved already, or there is none."""

    code = "case_not_open"


class NotAwaited(Conflict):
    """The payment does not wait for a bank transfer."""

    code = "payment_not_awaited"


class DoesNotFit(Conflict):
    """The money of the cases is not exactly what the payment waits for."""

    code = "amount_does_not_fit"


def allocate(*, case_ids: Sequence[UUID], payment: str, actor: Actor, now: datetime) -> Payment:
    """Make the money of one or more cases the payment's, which is captured if it is all of it.

    `payment` is the public id of the payment, or its reference.
    Retries: safe; a case is resolved once. Transaction: the caller's `atomic`; the payment and then
    the cases stay locked until its commit.

    :raises NotFound: no payment by bank transfer has this id or reference.
    :raises NotAwaited: it has its money, or has failed.
    :raises CaseNotOpen: one of them is resolved.
    :raises DoesNotFit: another currency, or together more or less than the payment.
    """
    known = _find(payment)
    found = selectors.lock(known.book_id, known.payment_id)
    if not found.is_awaited:
        raise NotAwaited(f"The payment is {found.status}.", param="payment")
    cases = _lock(case_ids)
    wanted = found.money(found.amount)
    if any(case.currency != found.currency for case in cases):
        raise DoesNotFit(f"The payment is in {found.currency}.", param="payment")
    there = sum((case.money for case in cases), wanted * 0)
    if there != wanted:
        raise DoesNotFit(
            f"The payment waits for {shown(wanted)}; this is {shown(there)}.", param="payment"
        )
    for case in cases:
        _resolve(case, CaseStatus.ALLOCATED, found.id, actor, now)
        postings.suspense_explained(case, occurred_at=now)
    receipts.take(
        found, charge_reference=f"case:{cases[0].id}", occurred_at=now, actor=actor, now=now
    )
    return found


def return_to_sender(*, case_ids: Sequence[UUID], actor: Actor, now: datetime) -> None:
    """Note that the money of cases was sent back, which a person has done at the bank.

    Retries: safe; a case is resolved once. Transaction: the caller's `atomic`.

    :raises CaseNotOpen: one of them is resolved.
    """
    for case in _lock(case_ids):
        _resolve(case, CaseStatus.RETURNED, None, actor, now)
        postings.suspense_returned(case, occurred_at=now)


def _find(payment: str) -> VirtualReference:
    """:raises NotFound: no payment by bank transfer has this id or reference."""
    reference = bank_transfers.find_reference(payment)
    if reference:
        known = selectors.find_virtual_reference(reference)
    else:
        known = selectors.find_reference_of(ids.decode("pay", payment.strip()))
    if known is None:
        raise NotFound("No payment by bank transfer has this id or reference.", param="payment")
    return known


def _lock(case_ids: Sequence[UUID]) -> list[SuspenseCase]:
    """:raises CaseNotOpen: one of them is resolved, or does not exist."""
    wanted = sorted(set(case_ids))
    if not 1 <= len(wanted) <= MAX_CASES:
        raise CaseNotOpen(f"One to {MAX_CASES} cases are resolved at once.")
    cases = list(SuspenseCase.objects.select_for_update().filter(id__in=wanted).order_by("id"))
    if len(cases) < len(wanted) or any(case.status != CaseStatus.OPEN for case in cases):
        raise CaseNotOpen("A case is resolved once, and this has been.")
    return cases


def _resolve(
    case: SuspenseCase, status: CaseStatus, payment_id: UUID | None, actor: Actor, now: datetime
) -> None:
    case.status, case.allocated_to = status, payment_id
    case.resolved_by, case.resolved_at = actor, now
    db.write(
        "UPDATE payments_suspense_case SET status = %s, allocated_to = %s, resolved_by = %s, "
        "resolved_at = %s WHERE id = %s AND book_id = %s AND status = 'OPEN'",
        (str(status), payment_id, actor, now, case.id, case.book_id),
        expect=1,
        what="payments: the case is resolved already",
    )
    audit.record(
        book_id=case.book_id,
        actor=actor,
        action=f"suspense_case.{status.lower()}",
        subject_id=case.id,
        subject_kind="suspense_case",
        facts={
            "amount": to_minor(case.money),
            "currency": case.currency,
            "payment": str(payment_id) if payment_id else None,
        },
        now=now,
    )
