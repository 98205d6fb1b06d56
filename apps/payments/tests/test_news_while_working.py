"""News of a refund that somebody is asking about right now is not taken as told."""

from __future__ import annotations

from datetime import timedelta

from django.test import Client

from apps.core import clock
from apps.gateways.models import InboundEvent
from apps.payments import services
from apps.payments.tests import news, truth
from apps.payments.tests.conftest import Merchant, finish_runs
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


class TestNewsOfARefundThatHasSucceeded:
    def test_is_looked_into_every_time_it_comes(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        """The first look finds nothing new; the second must still be made, and find the failure."""
        payment_id = merchant.captured(10_000)
        refund_id = merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 4_000}).json()[
            "id"
        ]
        reference = merchant.refund(refund_id).provider_reference
        news.tell(simulator, object_id=reference)
        finish_runs()
        assert merchant.refund(refund_id).status == "SUCCEEDED"

        simulator.fail_refund(reference)
        news.tell(simulator, "refund.failed", object_id=reference)
        finish_runs()
        truth.finish_everything()

        assert merchant.refund(refund_id).status == "FAILED"
        assert merchant.payment(payment_id).refundable == 100
        truth.assert_nothing_is_left_over()
