"""News of what somebody is asking about right now, or of what nobody asks about until a person has
looked at it, is not taken as told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from django.test import Client

from apps.core import clock, db
from apps.gateways.models import InboundEvent
from apps.payments import services
from apps.payments.tests import news, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.objections import assert_whole, open_dispute
from apps.payments.tests.tills import bank, bank_says, earn, paid_out
from apps.sagas import services as engine
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


class TestNewsOfWhatNeedsAPerson:
    """Kept, and said so: whoever lets the run try again has the provider asked anyway."""

    KEPT = "kept: its run needs a person"

    def test_is_kept_of_a_refund_and_asked_for_when_it_is_tried_again(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(source="pm_card_pendingRefund")
        refund_id = merchant.post(f"/v1/payments/{payment_id}/refund").json()["id"]
        run = truth.give_up(Run.objects.get(saga="refund"))
        simulator.settle()

        news.tell(simulator)

        assert news.notes()["refund.updated"] == self.KEPT
        assert merchant.refund(refund_id).status == "PENDING"
        with db.unit():
            engine.retry(run_id=run.id, now=clock.now())
        finish_runs()
        assert merchant.refund(refund_id).status == "SUCCEEDED"
        truth.assert_told_once(merchant, simulator, payment_id)

    def test_keeps_no_other_refund_of_the_payment_from_being_asked_about(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        """News of a refund that is not ours may be of one whose answer is still on its way."""
        payment_id = merchant.captured(source="pm_card_pendingRefund")
        for _ in range(2):
            merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 2_000})
        stuck, other = Run.objects.filter(saga="refund").order_by("id")
        truth.give_up(stuck)
        event = simulator.deliver(simulator.events("refund.created")[0])
        stranger = event.body.replace(
            event.data["data"]["object"]["id"].encode(), b"re_of_somebody_else"
        )

        news.apply_event_of(news.signed(replace(event, body=stranger)))

        assert news.notes() == {"refund.created": "nudged"}
        assert Run.objects.get(id=other.id).nudges == other.nudges + 1

    def test_is_kept_of_a_payment(self, merchant: Merchant, simulator: Simulator) -> None:
        payment_id = merchant.pay(capture_method="manual").json()["id"]
        truth.give_up(merchant.charge_run(payment_id))

        news.tell(simulator)

        assert set(news.notes().values()) == {self.KEPT}

    def test_is_kept_of_a_dispute_and_asked_for_when_it_is_tried_again(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000)
        reference = open_dispute(simulator, payment_id)
        news.tell(simulator, "charge.dispute.created")
        run = truth.give_up(Run.objects.get(saga="dispute"))
        simulator.decide(reference, "lose")

        news.tell(simulator, "charge.dispute.closed")

        assert news.notes()["charge.dispute.closed"] == self.KEPT
        assert not merchant.payment(payment_id).amount_charged_back
        with db.unit():
            engine.retry(run_id=run.id, now=clock.now())
        finish_runs()
        assert assert_whole(merchant, simulator, payment_id).status == "LOST"

    def test_is_kept_of_a_payout(self, merchant: Merchant, simulator: Simulator) -> None:
        earn(merchant, 10_000)
        bank(merchant)
        public_id = paid_out(merchant, 1_000)
        truth.give_up(Run.objects.get(saga="payout"))

        bank_says(simulator, merchant, public_id, "pay")
        news.tell(simulator, "payout.paid")

        assert news.notes() == {"payout.paid": self.KEPT}


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
