"""Events of the provider, posted as it would post them, and what a worker does about them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import stripe
from django.test import Client

from apps.core import clock, queue
from apps.gateways.models import InboundEvent
from apps.payments import tasks
from paysys.testing.paypal import SignedTransmission
from paysys.testing.simulator import SignedEvent, Simulator


def post(event: SignedEvent | SignedTransmission) -> Any:
    """One event through the door of its provider."""
    provider = "stripe" if isinstance(event, SignedEvent) else "paypal"
    return Client().post(
        f"/webhooks/{provider}",
        event.body,
        content_type="application/json",
        headers=event.headers,
    )


def signed(event: SignedEvent) -> SignedEvent:
    """The same as the provider would sign it now, whatever is in it."""
    now = int(clock.now().timestamp())
    made = stripe.WebhookSignature._compute_signature(
        f"{now}.{event.body.decode()}", Simulator.webhook_secret
    )
    return replace(event, signature=f"t={now},v1={made}")


def renamed(event: SignedEvent, kind: str) -> SignedEvent:
    """Another event of the same object, signed: what the provider says is no proof of anything."""
    body = event.body.replace(f'"{event.type}"'.encode(), f'"{kind}"'.encode())
    return signed(replace(event, type=kind, body=body.replace(event.id.encode(), b"evt_another")))


def tell(simulator: Simulator, *kinds: str, object_id: str = "") -> list[str]:
    """Post every event of these kinds (all, if none) so far, and let a worker apply each."""
    found = [e for e in simulator.events(object_id=object_id) if not kinds or e["type"] in kinds]
    assert found, "the provider has no such news"
    for event in found:
        apply_event_of(simulator.deliver(event))
    return [event["type"] for event in found]


def apply_event_of(event: SignedEvent | SignedTransmission) -> None:
    """Post it, and let the worker for whom it rang apply it."""
    with queue.recorded() as bells:
        answer = post(event)
    assert answer.status_code == 200, answer.content
    apply(bells)


def apply(bells: list[queue.Bell]) -> None:
    """What a Celery worker does when the bell rings for an event."""
    for task, args in bells:
        if task == "payments.apply_event":
            tasks.apply_event(*args)


def apply_all() -> None:
    """What the sweeper of events does once nobody has heard their bells."""
    for event in InboundEvent.objects.filter(processed_at=None).order_by("received_at"):
        tasks.apply_event(str(event.id))


def refund_outside(simulator: Simulator, payment_id: str) -> None:
    """Somebody gives everything back in the provider's own console."""
    [intent] = simulator.effects(payment_id)["intents"]
    request = Request(
        f"{simulator.url}/v1/refunds",
        urlencode({"payment_intent": intent}).encode(),
        {"Authorization": f"Bearer {simulator.api_key}"},
    )
    with urlopen(request, timeout=10) as answer:
        answer.read()


def notes() -> dict[str, str]:
    """What became of every event, by its kind; empty while nobody has applied it."""
    return {event.kind: event.note for event in InboundEvent.objects.order_by("received_at")}
