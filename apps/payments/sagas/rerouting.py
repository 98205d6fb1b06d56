"""The ways in which a payment changes its provider: none of them leaves anything at the first.

To charge at a second provider is how one customer comes to be charged twice. So it is done only in
the commit that records that there is nothing of the payment anywhere else:

- the request to create its object, the first one under its key, ended before a byte of it was
  written (no address, no connection, no handshake), or was refused for a reason of the provider's;
- or its object was never confirmed (it could not be sent, its circuit is open, or it was refused
  for a reason of the provider's), was canceled, and a look-up after that says that it is over.

And every other create that was ever made for it ended so too. A timeout, a lost answer, an error of
the provider's, a refusal of the issuer's, a look-up that finds nothing, a customer who was asked:
with any of them the payment stays where it is. The database refuses the same (gateways,
0008_canceled_objects).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.conf import settings

from apps.core.errors import CardError, DomainError
from apps.core.types import Actor
from apps.gateways import selectors as gateways
from apps.gateways import services as calls
from apps.gateways.types import NEVER_SENT, InspectVoidRequest, Operation, decline
from apps.payments import records, services
from apps.payments.models import Payment
from apps.payments.sagas import asking
from apps.payments.sagas.refusals import ProviderUnavailable
from apps.payments.types import Status
from apps.sagas.definition import Context, Decision, Observation, Outcome
from apps.wallets import selectors as wallets

LIMIT: Final = 5  # times that one payment is sent elsewhere
NOT_BACK_WITHIN: Final = timedelta(seconds=30)
STEP: Final = "AUTHORIZE"
SYSTEM: Actor = "system"


def reroute(context: Context) -> bool:
    """Whether AUTHORIZE goes on although a call of it never left, or was refused.

    Asked by the engine in the commit that records it.
    """
    payment, observed = context.subject, context.observed
    assert observed is not None
    is_refused = observed.outcome is Outcome.FAILED
    if context.answered == Operation.CREATE and payment.void_requested_at is None:
        if _never_left(observed):
            return is_given_up(context) or go_elsewhere(context, why="never_sent")
        # Of a second request's refusal nobody can say what the first one has made.
        is_nothing = is_refused and observed.answered and _is_own(observed)
        is_gone = is_nothing and go_elsewhere(context, why="declined", code=observed.code)
        if is_gone:
            context.run.results.pop(STEP)
        return is_gone
    if context.answered == Operation.CONFIRM:
        return (is_refused or _never_left(observed)) and may_leave(context)
    return is_refused and context.answered in (Operation.VOID, Operation.INSPECT_VOID)


def gives_up_at(payment: Payment) -> datetime:
    """Until when a payment of which there is nothing anywhere waits for somebody to take it."""
    return payment.created_at + timedelta(seconds=settings.PAYSYS_UNREACHED_SECONDS)


def is_given_up(context: Context) -> bool:
    """Whether its time is over, and no provider can have anything of it.

    As soon as anything was sent, or may have been, no time is ever over.
    """
    payment: Payment = context.subject
    if context.now < gives_up_at(payment):
        return False
    # What this commit records is not in the journal yet.
    is_known = not context.answered or (
        context.answered == Operation.CREATE and _never_left(context.observed)
    )
    return is_known and gateways.is_nowhere(book_id=payment.book_id, payment_id=payment.id)


# --- away from an object --------------------------------------------------------------------------


def is_leaving(context: Context) -> bool:
    """Whether the object that there is, is given up so that another provider may be asked."""
    confirmed = context.results.get(Operation.CONFIRM)
    if Operation.VOID in context.results:
        return True
    if confirmed is not None:
        return confirmed.outcome is Outcome.FAILED
    is_unreached = context.answered == Operation.CONFIRM and _never_left(context.observed)
    return (is_unreached or _is_ill(context)) and may_leave(context)


def may_leave(context: Context) -> bool:
    """Whether to cancel an object that was never confirmed can lead to another provider.

    Not if the customer was asked there, nor for a bank debit, whose mandate names who collects it.
    What was refused after an authorization was made of it (one that was denied) cannot be canceled.
    """
    payment, observed = context.subject, context.observed
    refused = context.results.get(Operation.CONFIRM)
    if refused is not None and (not _is_own(refused) or refused.result.get("also_known_as")):
        return False
    if payment.status != Status.VALIDATED or payment.is_by_debit or payment.void_requested_at:
        return False
    reference = _reference(context)
    of_payment = {"book_id": payment.book_id, "payment_id": payment.id}
    is_only = refused is None or (observed is not None and observed.answered)
    return (
        _following(payment, context.now) is not None
        and gateways.is_nowhere(**of_payment, but_for=reference)
        and (
            calls.cancels(payment.provider)
            or (is_only and gateways.is_nothing_under_way(**of_payment, reference=reference))
        )
    )


def leave(context: Context) -> Decision | None:
    """Cancel the object, and have it looked up; None: all is ready for a create elsewhere.

    If by then nobody else can take the payment, it fails as it was declined; one that could not be
    confirmed begins anew where it is.

    :raises CardError: it was declined, and nobody else can take it.
    :raises ProviderUnavailable: it could not be canceled.
    """
    payment: Payment = context.subject
    reference = _reference(context)
    voided = context.results.get(Operation.VOID)
    if voided is None:
        return asking.ready(context, asking.void_request(context, reference))
    if voided.outcome is Outcome.FAILED:
        raise _refusal(context)
    # Not an answer of another turn: the proof is used in the commit that records it.
    if context.answered != Operation.INSPECT_VOID:
        request = InspectVoidRequest(
            provider=payment.provider, payment_id=payment.id, provider_reference=reference
        )
        return asking.ready(context, request)
    if context.results[Operation.INSPECT_VOID].outcome is Outcome.FAILED:
        raise _refusal(context)
    refused = context.results.get(Operation.CONFIRM)
    why, code = ("declined", refused.code) if refused else ("canceled", "")
    is_gone = go_elsewhere(context, why=why, code=code, reference=reference)
    if refused and not is_gone:
        raise _refusal(context)
    calls.mark_canceled(
        book_id=payment.book_id, subject_id=payment.id, reference=reference, now=context.now
    )
    context.run.results.pop(STEP)
    return None


def _never_left(observed: Observation | None) -> bool:
    """Not a byte of it: what was refused unread (a 429, a wrong key) is no such proof."""
    return observed is not None and observed.unsent and observed.code == NEVER_SENT


def _is_own(refused: Observation) -> bool:
    return decline(refused.code).providers_own


def _is_ill(context: Context) -> bool:
    payment: Payment = context.subject
    opens_at = gateways.opens_at(
        provider=payment.provider, operation=Operation.CONFIRM, now=context.now
    )
    return opens_at is not None


def _reference(context: Context) -> str:
    return context.results[Operation.CREATE].provider_reference


def _refusal(context: Context) -> DomainError:
    """Why the payment ends here: what its confirmation was declined for, if it was."""
    refused = context.results.get(Operation.CONFIRM)
    if refused is None:
        return ProviderUnavailable()
    declined = decline(refused.code)
    return CardError(declined.message, decline_code=declined.code)


# --- to another provider --------------------------------------------------------------------------


def go_elsewhere(context: Context, *, why: str, code: str = "", reference: str = "") -> bool:
    """Give the payment to the next provider that can charge it; whether there is one.

    `reference` names an object whose end this very commit records.
    """
    payment: Payment = context.subject
    if not gateways.is_nowhere(book_id=payment.book_id, payment_id=payment.id, but_for=reference):
        return False
    found = _following(payment, context.now)
    if found is None:
        return False
    (following, token), left, route = found, payment.provider, payment.route
    step = {"from": left, "to": following, "why": why, "at": context.now.isoformat()}
    payment.provider, payment.provider_token = following, token
    payment.route = {
        **route,
        "provider": following,
        "alternatives": [*(name for name in route["alternatives"] if name != following), left],
        "fallbacks": [*route.get("fallbacks", ()), {**step, "code": code} if code else step],
    }
    records.save_payment(
        payment,
        event="payment.rerouted",
        actor=SYSTEM,
        now=context.now,
        **{"from": left, "to": following, "why": why},
    )
    return True


def _following(payment: Payment, now: datetime) -> tuple[str, str] | None:
    """The next provider that has a token of what the customer pays with and is well; its token."""
    others = _others(payment, now)
    tokens = _tokens_of(payment) if others else {}
    others = [name for name in others if name in tokens]
    ill = gateways.shunned(tuple(others), payment_id=payment.id, now=now)
    return next(((name, tokens[name]) for name in others if name not in ill), None)


def _tokens_of(payment: Payment) -> dict[str, str]:
    """What each provider calls what the customer pays with; a detached method has nothing."""
    if payment.payment_method_id is None:
        return {}
    method = wallets.find_payment_method(book_id=payment.book_id, id=payment.payment_method_id)
    return services.usable_tokens(method) if method else {}


def _others(payment: Payment, now: datetime) -> list[str]:
    """Who else could charge it, in the route's order.

    But for whom it has just come from, and for who has declined it.
    """
    fallbacks = payment.route.get("fallbacks", [])
    if len(fallbacks) >= LIMIT:
        return []
    since = (now - NOT_BACK_WITHIN).isoformat()
    left = {step["from"] for step in fallbacks if step["at"] > since or step["why"] == "declined"}
    return [name for name in payment.route["alternatives"] if name not in left]
