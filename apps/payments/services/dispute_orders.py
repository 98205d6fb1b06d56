"""What a merchant can have done about a dispute: answer it, once, or give it up.

Nothing here calls a provider: an order is written into the dispute's row, once, and whoever looks
at the dispute next carries it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from apps.core.errors import Conflict
from apps.core.types import Actor
from apps.gateways.types import require_answerable
from apps.payments import dispute_records, dispute_selectors
from apps.payments.models import Dispute, DisputeFile
from apps.payments.services import disputes, evidence, evidence_files
from apps.payments.types import DisputeStatus


class DisputeClosed(Conflict):
    """It is decided, or being given up: nothing that is said counts any more."""

    code = "dispute_closed"
    says = "This dispute is closed."


class EvidenceSubmitted(Conflict):
    """A dispute is answered once."""

    code = "evidence_already_submitted"
    says = "This dispute was answered already."


class EvidenceOverdue(Conflict):
    """The bank hears nothing after `due_by`."""

    code = "evidence_overdue"
    says = "The time to answer this dispute is over."


class NotOurTurn(Conflict):
    """The bank is thinking, or waits for the payer."""

    code = "dispute_not_awaiting_response"
    says = "Nobody waits for an answer to this dispute."


class NotAcceptable(Conflict):
    """A question takes nothing that could be given up."""

    code = "dispute_not_acceptable"
    says = "This is an inquiry: refund the payment instead."


def give_evidence(
    *,
    book_id: UUID,
    dispute_id: UUID,
    texts: Mapping[str, str],
    files: Mapping[str, UUID | None] | None = None,
    submit: bool,
    actor: Actor,
    now: datetime,
) -> Dispute:
    """Keep texts for the answer and name its files, and with `submit` order that it be sent, once
    and for all.

    What the merchant does not say and we know ourselves is sent with it (`evidence.suggested`).

    Transaction: the caller's `atomic`; the dispute stays locked until its commit.

    :raises NotFound: no such dispute of this merchant, or no such file of the dispute.
    :raises InvalidRequest: a file is named twice, or the texts are too long together.
    :raises DisputeNotAnswerable: the provider takes no answers from us.
    :raises DisputeClosed, EvidenceSubmitted, EvidenceOverdue, NotOurTurn: it is too late for that.
    """
    dispute = _lock_unanswered(book_id, dispute_id, now)
    evidence_files.name_them(dispute, files or {})
    if not submit:
        evidence.stage(dispute, texts, now=now)
        dispute_records.save_dispute(dispute, event="dispute.evidence_staged", actor=actor, now=now)
        return dispute
    kept = evidence.read(book_id=book_id, dispute_id=dispute_id)
    evidence.stage(dispute, {**evidence.suggested(dispute), **kept, **texts}, now=now)
    dispute.evidence_ordered_at = now
    dispute_records.save_dispute(dispute, event="dispute.evidence_submitted", actor=actor, now=now)
    disputes.carry_out(dispute, now=now)
    return dispute


def add_file(
    *,
    file_id: UUID,
    book_id: UUID,
    dispute_id: UUID,
    name: str,
    content: bytes,
    actor: Actor,
    now: datetime,
) -> DisputeFile:
    """Keep a file for the answer to a dispute; `give_evidence` says what it shows.

    Transaction: the caller's `atomic`; the dispute stays locked until its commit.

    :raises NotFound, DisputeNotAnswerable, DisputeClosed, EvidenceSubmitted, EvidenceOverdue,
        NotOurTurn: as `give_evidence`.
    :raises InvalidRequest, FileNotAccepted, FileTooLarge, TooManyFiles: `evidence_files.add`.
    """
    dispute = _lock_unanswered(book_id, dispute_id, now)
    file = evidence_files.add(dispute, file_id=file_id, name=name, content=content, now=now)
    dispute_records.save_dispute(dispute, event="dispute.file_added", actor=actor, now=now)
    return file


def remove_file(
    *, file_id: UUID, book_id: UUID, dispute_id: UUID, actor: Actor, now: datetime
) -> Dispute:
    """Forget a file that was not sent.

    Transaction: the caller's `atomic`; the dispute stays locked until its commit.

    :raises NotFound: no such dispute of this merchant, or no such file of the dispute.
    :raises DisputeNotAnswerable, DisputeClosed, EvidenceSubmitted, EvidenceOverdue, NotOurTurn: as
        `give_evidence`.
    """
    dispute = _lock_unanswered(book_id, dispute_id, now)
    evidence_files.remove(dispute, file_id=file_id)
    dispute_records.save_dispute(dispute, event="dispute.file_removed", actor=actor, now=now)
    return dispute


def accept(*, book_id: UUID, dispute_id: UUID, actor: Actor, now: datetime) -> Dispute:
    """Give a dispute up; it is lost once the provider says so.

    Transaction: the caller's `atomic`; the dispute stays locked until its commit.

    :raises NotFound: no such dispute of this merchant.
    :raises DisputeNotAnswerable: the provider takes no answers from us.
    :raises DisputeClosed: it is decided, or being given up.
    :raises NotAcceptable: it is an inquiry.
    """
    dispute = _lock_open(book_id, dispute_id)
    if dispute.is_inquiry:
        raise NotAcceptable
    dispute.accept_ordered_at = now
    dispute_records.save_dispute(dispute, event="dispute.accept_requested", actor=actor, now=now)
    disputes.carry_out(dispute, now=now)
    return dispute


def _lock_unanswered(book_id: UUID, dispute_id: UUID, now: datetime) -> Dispute:
    """Locked, with time and leave to say something."""
    dispute = _lock_open(book_id, dispute_id)
    if dispute.evidence_ordered_at is not None or dispute.evidence_sent_at is not None:
        raise EvidenceSubmitted
    if dispute.due_by is not None and dispute.due_by <= now:
        raise EvidenceOverdue
    if dispute.status != DisputeStatus.NEEDS_RESPONSE:
        raise NotOurTurn
    return dispute


def _lock_open(book_id: UUID, dispute_id: UUID) -> Dispute:
    """Locked before its run is looked for: a run that ends guards that the dispute is as read."""
    dispute_selectors.get(book_id, dispute_id)
    dispute = dispute_selectors.lock(book_id, dispute_id)
    require_answerable(provider=dispute.provider, is_inquiry=dispute.is_inquiry)
    if not dispute.is_open or dispute.accept_ordered_at is not None:
        raise DisputeClosed(status=str(dispute.status))
    return dispute
