"""News from the provider: verified, stored once, and never more than a reason to ask."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from apps.core import clock, queue
from apps.gateways.models import InboundEvent
from apps.payments import services, tasks
from apps.payments.tests import news, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from paysys.testing.simulator import SignedEvent, Simulator


def first_event(simulator: Simulator, merchant: Merchant) -> SignedEvent:
    merchant.pay()
    return simulator.deliver(simulator.events()[0])


class Broken:
    """A body whose sender is gone."""

    def read(self, _size: int = -1) -> bytes:
        raise ConnectionResetError

    readline = read


class TestAnEvent:
    @pytest.mark.parametrize(
        "tamper",
        [
            lambda event: replace(event, body=event.body.replace(b"10000", b"90000")),
            lambda event: replace(event, signature=event.signature[:-1] + "x"),
            lambda event: replace(event, signature=""),
            lambda event: replace(event, signature="t=1,v1=abc"),
            lambda event: replace(event, body=b""),
        ],
    )
    def test_that_nobody_of_ours_signed_is_refused_and_not_stored(
        self, merchant: Merchant, simulator: Simulator, tamper: Any
    ) -> None:
        event = tamper(first_event(simulator, merchant))
        before = truth.counts()

        with queue.recorded() as bells:
            answer = news.post(event)

        assert answer.status_code == 400, answer.content
        assert answer.json()["error"]["code"] == "signature_invalid"
        assert truth.counts() == before
        assert bells == []

    def test_whose_connection_breaks_is_refused_and_not_stored(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        event = first_event(simulator, merchant)

        answer = Client().post(
            "/webhooks/stripe",
            event.body,
            content_type="application/json",
            headers=event.headers,
            **{"wsgi.input": Broken()},
        )

        assert answer.status_code == 400, answer.content
        assert answer.json()["error"]["code"] == "parameter_invalid"
        assert not InboundEvent.objects.exists()

    def test_that_is_too_old_is_refused(self, merchant: Merchant, simulator: Simulator) -> None:
        event = first_event(simulator, merchant)

        with time_machine.travel(clock.now() + timedelta(seconds=301), tick=False):
            assert news.post(event).status_code == 400
        assert not InboundEvent.objects.exists()

    def test_that_comes_twice_is_stored_once(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        event = first_event(simulator, merchant)

        assert [news.post(event).status_code for _ in range(3)] == [200, 200, 200]

        assert InboundEvent.objects.count() == 1

    def test_is_answered_before_anything_is_done_about_it(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        event = first_event(simulator, merchant)

        with queue.recorded() as bells:
            news.post(event)

        stored = InboundEvent.objects.get()
        assert bells == [("payments.apply_event", (str(stored.id),))]
        assert stored.processed_at is None

    def test_of_a_kind_that_we_do_not_know_is_kept(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        event = first_event(simulator, merchant)

        news.apply_event_of(news.renamed(event, "weather.changed"))

        assert news.notes() == {"weather.changed": "kept: kind not handled"}

    def test_about_a_payout_of_the_providers_own_waits_for_somebody_who_knows_it(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        merchant.captured()
        simulator.pay_out()
        news.tell(simulator, "payout.created")
        assert news.notes() == {"payout.created": ""}

        later = clock.now() + services.PARKED_FOR + timedelta(seconds=1)
        with time_machine.travel(later, tick=False):
            tasks.sweep_events()

        assert news.notes() == {"payout.created": "kept: unknown object"}

    def test_about_a_refund_made_elsewhere_is_kept_and_changes_nothing(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured()
        news.refund_outside(simulator, payment_id)

        news.tell(simulator, "refund.created")

        assert news.notes() == {"refund.created": "kept: nobody waits for it"}
        assert merchant.payment(payment_id).amount_refunded == 0

    def test_for_a_provider_that_we_do_not_have_is_not_found(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        event = first_event(simulator, merchant)

        answer = Client().post(
            "/webhooks/nobody",
            event.body,
            content_type="application/json",
            headers={"Stripe-Signature": event.signature},
        )

        assert answer.status_code == 404
        assert Client().get("/webhooks/stripe").status_code == 405
        assert not InboundEvent.objects.exists()

    def test_changes_nothing_by_what_it_says(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        """A payload may be old or wrong; what counts is what the provider answers when asked."""
        payment_id = merchant.pay(capture_method="manual").json()["id"]
        finish_runs()
        old = simulator.events("payment_intent.amount_capturable_updated")[0]
        merchant.post(f"/v1/payments/{payment_id}/capture", {"amount": 4_000})

        news.apply_event_of(simulator.deliver(old))
        finish_runs()

        payment = truth.assert_told_once(merchant, simulator, payment_id)
        assert (payment.status, payment.amount_captured) == ("CAPTURED", 40)


class TestAnEventOfAnObjectThatNobodyKnowsYet:
    def test_waits_for_the_answer_that_names_it_and_then_changes_nothing(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        simulator.fault("create", "reset_after")
        payment_id = merchant.pay().json()["id"]
        news.tell(simulator, "payment_intent.created")
        assert InboundEvent.objects.get().processed_at is None

        truth.finish_everything()
        with time_machine.travel(clock.now() + timedelta(seconds=11), tick=False):
            tasks.sweep_events()
            finish_runs()

        assert news.notes() == {"payment_intent.created": "known already"}
        assert truth.assert_told_once(merchant, simulator, payment_id).status == "CAPTURED"

    def test_that_overtakes_the_answer_leaves_the_run_to_its_owner(
        self, merchant: Merchant, simulator: Simulator, settings: Any
    ) -> None:
        """The news comes while the request that caused it is still on its way back."""
        settings.PAYSYS_ANSWER_SECONDS = 0.05
        simulator.fault("confirm", "timeout_after:1.5")
        payment_id = merchant.pay().json()["id"]
        while not simulator.charges_for(payment_id):
            assert merchant.payment(payment_id).status == "VALIDATED"

        told = news.tell(simulator)

        assert "charge.succeeded" in told
        assert merchant.charge_run(payment_id).lease_until is not None, "it is still waiting"
        truth.wait_for_the_pool()
        truth.finish_everything()
        assert truth.assert_told_once(merchant, simulator, payment_id).status == "CAPTURED"
        assert set(news.notes().values()) == {"nudged"}

    def test_and_never_will_is_kept_and_no_longer_waited_for(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        simulator.fault("create", "error_after")
        merchant.pay()
        news.tell(simulator, "payment_intent.created")
        truth.finish_everything()
        later = clock.now() + services.PARKED_FOR + timedelta(seconds=1)

        with time_machine.travel(later, tick=False):
            tasks.sweep_events()

        assert news.notes() == {"payment_intent.created": "kept: unknown object"}


class TestWhatIsStored:
    def test_holds_no_person_and_no_card_number(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        merchant.captured()
        news.tell(simulator)

        stored = json.dumps([event.payload for event in InboundEvent.objects.all()])

        assert "4242424242424242" not in stored
        assert '"client_secret": "pi_' not in stored
