"""News of a refund that somebody is asking about right now is not taken as told."""

from __future__ import annotations

from datetime import timedelta

from django.test import Client

from apps.core import clock
from apps.gateways.models import InboundEvent
from apps.payments import services
from apps.payments.tests.conftest import Merchant
from apps.sagas.models import Run
from paysys.testing.simulator import Simulator


def deliver(simulator: Simulator) -> InboundEvent:
    """The webhook of the one refund there is, stored and not yet applied."""
    event = simulator.deliver(simulator.events("refund.created")[0])
    answer = Client().post(
        "/webhooks/stripe",
        event.body,
        content_type="application/json",
        headers={"Stripe-Signature": event.signature},
    )
    assert answer.status_code == 200
    return InboundEvent.objects.get(event_id=event.id)


class TestNewsOfARefund:
    def test_waits_until_whoever_works_on_it_is_done(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(source="pm_card_pendingRefund")
        refund = merchant.post(f"/v1/payments/{payment_id}/refund").json()
        assert refund["status"] == "PENDING"
        run = Run.objects.get(saga="refund")
        event = deliver(simulator)

        Run.objects.filter(id=run.id).update(lease_until=clock.now() + timedelta(minutes=1))
        services.apply_event(event_id=event.id, now=clock.now())
        event.refresh_from_db()
        assert event.processed_at is None
        assert Run.objects.get(id=run.id).nudges == run.nudges

        Run.objects.filter(id=run.id).update(lease_until=None)
        services.apply_event(event_id=event.id, now=clock.now())
        event.refresh_from_db()
        assert event.processed_at is not None
        assert Run.objects.get(id=run.id).nudges == run.nudges + 1
