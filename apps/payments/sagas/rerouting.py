"""The one way in which a payment changes its provider: the first one was provably never reached.

To charge at a second provider is how one customer comes to be charged twice. So it is done only in
the commit that records the proof: the request to create the object, the first one under its key,
ended before a byte of it was written (no address, no connection, no handshake), and so did every
other that was ever made for this payment. A timeout, a lost answer, an error of the provider's, a
refusal, a look-up that finds nothing: none of them is that proof, and the payment stays where it
is. The database refuses the same (gateways, 0005_one_live_object).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from apps.core.types import Actor
from apps.gateways import selectors as gateways
from apps.gateways.types import Operation
from apps.payments import records, services
from apps.payments.models import Payment
from apps.sagas.definition import Context
from apps.wallets import selectors as wallets

LIMIT: Final = 5  # times that one payment is sent elsewhere
NOT_BACK_WITHIN: Final = timedelta(seconds=30)
SYSTEM: Actor = "system"


def reroute(context: Context) -> bool:
    """Give the payment to the next provider that can charge it; whether there is one.

    Asked by the engine when a call of AUTHORIZE provably never left.
    """
    payment: Payment = context.subject
    if context.answered != Operation.CREATE or payment.void_requested_at is not None:
        return False
    if not gateways.is_nowhere(book_id=payment.book_id, payment_id=payment.id):
        return False
    tokens = _tokens_of(payment)
    others = [name for name in _others(payment, context.now) if name in tokens]
    ill = gateways.shunned(tuple(others), payment_id=payment.id, now=context.now)
    following = next((name for name in others if name not in ill), None)
    if following is None:
        return False
    left, route = payment.provider, payment.route
    step = {"from": left, "to": following, "why": "never_sent", "at": context.now.isoformat()}
    payment.provider, payment.provider_token = following, tokens[following]
    payment.route = {
        **route,
        "provider": following,
        "alternatives": [*(name for name in route["alternatives"] if name != following), left],
        "fallbacks": [*route.get("fallbacks", ()), step],
    }
    records.save_payment(
        payment,
        event="payment.rerouted",
        actor=SYSTEM,
        now=context.now,
        **{"from": left, "to": following},
    )
    return True


def _tokens_of(payment: Payment) -> dict[str, str]:
    """What each provider calls what the customer pays with; a detached method has nothing."""
    if payment.payment_method_id is None:
        return {}
    method = wallets.find_payment_method(book_id=payment.book_id, id=payment.payment_method_id)
    return services.usable_tokens(method) if method else {}


def _others(payment: Payment, now: datetime) -> list[str]:
    """Who else could charge it, in the route's order, but for whom it has just come from."""
    fallbacks = payment.route.get("fallbacks", [])
    if len(fallbacks) >= LIMIT:
        return []
    since = (now - NOT_BACK_WITHIN).isoformat()
    recent = {step["from"] for step in fallbacks if step["at"] > since}
    return [name for name in payment.route["alternatives"] if name not in recent]
