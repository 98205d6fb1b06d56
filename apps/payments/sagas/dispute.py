"""Looking at a dispute: ask the provider how it stands, follow it, and carry out an order.

A dispute is a state machine fed by outside facts, and a run is one look at it: whoever has news, a
line of a statement or an order starts one, or nudges the one that is under way. What the provider
answers is applied whatever it is (`disputing.follow`); then, if the merchant has ordered an answer,
it is sent, after its files, and what the provider says to that is applied as well.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from apps.core.types import Actor
from apps.gateways import services as gateways
from apps.gateways.types import (
    FILE_PURPOSES,
    AcceptDisputeRequest,
    InspectDisputeRequest,
    Operation,
    ProviderDispute,
    SubmitEvidenceRequest,
    UploadFileRequest,
    answer_rules,
)
from apps.payments import dispute_records, dispute_selectors, selectors
from apps.payments.models import Dispute, Payment
from apps.payments.sagas import asking, disputing
from apps.payments.services import evidence, evidence_files
from apps.sagas.definition import (
    Abort,
    Context,
    Decision,
    Intent,
    Observation,
    Outcome,
    Remote,
    Saga,
    Skip,
    Wait,
    nothing,
)

# The charge whose money is disputed is about to be credited; only then there is a bearer.
CREDIT_CHECK = timedelta(seconds=5)
SYSTEM: Actor = "system"
# The call that gives the provider the file of a purpose: one for each, so each is made once.
UPLOADS = {purpose: f"upload_{purpose}" for purpose in FILE_PURPOSES}
ERASED = Observation(Outcome.FAILED, code="evidence_erased")


def look(context: Context) -> Decision:
    """Once the payment is credited or was given up: ask, and follow what is answered."""
    dispute: Dispute = context.subject
    if context.answered not in context.results:  # begun, nudged, or back from waiting
        if _is_about_to_be_credited(dispute.payment):
            return Wait(context.now + CREDIT_CHECK, "crediting")
        return _inspect(context, dispute)
    if context.answered not in UPLOADS.values():  # which tell nothing of the dispute
        waiting = _follow(context, dispute)
        if waiting is not None:
            return waiting
    if _order_of(dispute) is not None:
        request = _next(context, dispute)
        if str(request.operation) != context.answered:
            return asking.promise(context, request, call=_call_of(request))
        disputing.refuse_orders(dispute, now=context.now)
    # An order that is given at this moment finds a run that goes on, or none.
    dispute_records.require_unchanged(dispute)
    return Skip()


def _follow(context: Context, dispute: Dispute) -> Wait | None:
    told = ProviderDispute.from_json(context.results[context.answered].result)
    if disputing.grows(dispute, told) and disputing.freeze_wallet(dispute.payment, now=context.now):
        return Wait(context.now, "freezing")
    disputing.follow(dispute, told, now=context.now)
    return None


def _order_of(dispute: Dispute) -> Operation | None:
    """What the merchant wants done, and has not been done."""
    if not dispute.is_open:
        return None
    if dispute.accept_ordered_at is not None:
        return Operation.ACCEPT_DISPUTE
    if dispute.evidence_ordered_at is None or dispute.evidence_sent_at is not None:
        return None
    return Operation.SUBMIT_EVIDENCE


Said = AcceptDisputeRequest | UploadFileRequest | SubmitEvidenceRequest


def _next(context: Context, dispute: Dispute) -> Said:
    """The next call of what is ordered: files first, where the provider wants each by itself."""
    facts: dict[str, Any] = {"provider": dispute.provider, "payment_id": dispute.payment_id}
    named = {**facts, "provider_reference": dispute.provider_reference}
    if _order_of(dispute) is Operation.ACCEPT_DISPUTE:
        return AcceptDisputeRequest(**named)
    hashes = evidence_files.hashes(book_id=dispute.book_id, dispute_id=dispute.id)
    named["refund_references"] = dispute_selectors.list_refund_references(dispute)
    if not answer_rules(dispute.provider).uploads:
        return SubmitEvidenceRequest(**named, attached=hashes)
    uploaded = {}
    for purpose, digest in hashes.items():
        given = context.results.get(UPLOADS[purpose])
        if given is None:
            return UploadFileRequest(**facts, purpose=purpose, sha256=digest)
        uploaded[purpose] = given.provider_reference
    return SubmitEvidenceRequest(**named, uploaded=uploaded)


def _call_of(request: Said) -> str:
    return UPLOADS[request.purpose] if isinstance(request, UploadFileRequest) else ""


def _upload(intent: Intent) -> Observation:
    """Send a file as it is kept, if it is still the one that was promised."""
    wanted = {intent.request["purpose"]: intent.request["sha256"]}
    files = evidence_files.read(book_id=intent.book_id, dispute_id=intent.subject_id, wanted=wanted)
    return ERASED if files is None else gateways.send(intent, files=files)


def _submit(intent: Intent) -> Observation:
    """Send the answer as it is kept: what it says may be about people, and no intent holds it."""
    of_dispute = {"book_id": intent.book_id, "dispute_id": intent.subject_id}
    texts = evidence.read(**of_dispute)
    # An intent of before there were files has none.
    files = evidence_files.read(**of_dispute, wanted=intent.request.get("attached", {}))
    if not texts or files is None:
        return ERASED
    return gateways.send(intent, evidence=texts, files=files)


def _inspect(context: Context, dispute: Dispute) -> Decision:
    return asking.promise(
        context,
        InspectDisputeRequest(
            provider=dispute.provider,
            payment_id=dispute.payment_id,
            provider_reference=dispute.provider_reference,
        ),
    )


def _is_about_to_be_credited(payment: Payment) -> bool:
    run = selectors.find_charge_run(payment)
    return run is not None and run.is_open and "CREDIT_MERCHANT" not in run.completed_steps


def given_up(context: Context, _abort: Abort) -> None:
    """The provider does not know it, or takes no answer: what was known stays."""
    dispute: Dispute = context.subject
    if _order_of(dispute) is not None:
        disputing.refuse_orders(dispute, now=context.now)
    dispute_records.require_unchanged(dispute)
    dispute_records.note_look(dispute, now=context.now)


SUBMIT_EVIDENCE = replace(gateways.SUBMIT_EVIDENCE, send=_submit)
_UPLOADING = tuple(
    replace(gateways.UPLOAD_FILE, name=name, send=_upload) for name in UPLOADS.values()
)

DISPUTE = Saga(
    "dispute",
    steps=(
        Remote(
            look,
            calls=(
                *(gateways.INSPECT_DISPUTE, *_UPLOADING, SUBMIT_EVIDENCE),
                gateways.ACCEPT_DISPUTE,
            ),
            then=nothing,
            undo=nothing,
        ),
    ),
    journal=gateways.journal,
    load=dispute_selectors.load,
    on_abort=given_up,
)
