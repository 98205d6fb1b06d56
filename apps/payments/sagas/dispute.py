"""Looking at a dispute: ask the provider how it stands, follow it, and carry out an order.

A dispute is a state machine fed by outside facts, and a run is one look at it: whoever has news, a
line of a statement or an order starts one, or nudges the one that is under way. What the provider
answers is applied whatever it is (`disputing.follow`); then, if the merchant has ordered an answer,
it is sent, and what the provider says to that is applied as well.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from apps.core.types import Actor
from apps.gateways import services as gateways
from apps.gateways.types import (
    AcceptDisputeRequest,
    InspectDisputeRequest,
    ProviderDispute,
    SubmitEvidenceRequest,
)
from apps.payments import dispute_records, dispute_selectors, selectors
from apps.payments.models import Dispute, Payment
from apps.payments.sagas import asking, disputing
from apps.payments.services import evidence
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


def look(context: Context) -> Decision:
    """Once the payment is credited or was given up: ask, and follow what is answered."""
    dispute: Dispute = context.subject
    if context.answered not in context.results:  # begun, nudged, or back from waiting
        if _is_about_to_be_credited(dispute.payment):
            return Wait(context.now + CREDIT_CHECK, "crediting")
        return _inspect(context, dispute)
    told = ProviderDispute.from_json(context.results[context.answered].result)
    if disputing.grows(dispute, told) and disputing.freeze_wallet(dispute.payment, now=context.now):
        return Wait(context.now, "freezing")
    disputing.follow(dispute, told, now=context.now)
    request = _ordered(dispute)
    if request is not None and str(request.operation) != context.answered:
        return asking.promise(context, request)
    if request is not None:
        disputing.refuse_orders(dispute, now=context.now)
    # An order that is given at this moment finds a run that goes on, or none.
    dispute_records.require_unchanged(dispute)
    return Skip()


def _ordered(dispute: Dispute) -> AcceptDisputeRequest | SubmitEvidenceRequest | None:
    """What the merchant wants said to the provider, and has not been said."""
    if not dispute.is_open:
        return None
    facts: dict[str, Any] = {
        "provider": dispute.provider,
        "payment_id": dispute.payment_id,
        "provider_reference": dispute.provider_reference,
    }
    if dispute.accept_ordered_at is not None:
        return AcceptDisputeRequest(**facts)
    if dispute.evidence_ordered_at is None or dispute.evidence_sent_at is not None:
        return None
    return SubmitEvidenceRequest(
        **facts, refund_references=dispute_selectors.list_refund_references(dispute)
    )


def _submit(intent: Intent) -> Observation:
    """Send the answer as it is kept: what it says may be about people, and no intent holds it."""
    texts = evidence.read(book_id=intent.book_id, dispute_id=intent.subject_id)
    if not texts:
        return Observation(Outcome.FAILED, code="evidence_erased")
    return gateways.send(intent, evidence=texts)


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
    if _ordered(dispute) is not None:
        disputing.refuse_orders(dispute, now=context.now)
    dispute_records.require_unchanged(dispute)


SUBMIT_EVIDENCE = replace(gateways.SUBMIT_EVIDENCE, send=_submit)

DISPUTE = Saga(
    "dispute",
    steps=(
        Remote(
            look,
            calls=(gateways.INSPECT_DISPUTE, SUBMIT_EVIDENCE, gateways.ACCEPT_DISPUTE),
            then=nothing,
            undo=nothing,
        ),
    ),
    journal=gateways.journal,
    load=dispute_selectors.load,
    on_abort=given_up,
)
