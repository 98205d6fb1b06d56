"""A provider that is down: new payments go elsewhere if they can, and those that cannot wait."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from apps.core import clock
from apps.gateways.models import ProviderCall, ProviderCircuit
from apps.gateways.selectors import health
from apps.gateways.services.health import unwritten
from apps.gateways.types import Operation
from apps.payments.tests import truth
from apps.payments.tests.cards import saved_card, stripe_refuses
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.test_hot_path import Messages, messages
from paysys.testing.paypal import PayPalSimulator
from paysys.testing.simulator import Simulator

__all__ = ["messages"]
CALLS = 4


@pytest.fixture(autouse=True)
def circuits_are_watched(settings: Any) -> None:
    settings.PAYSYS_CIRCUIT_CALLS = CALLS
    unwritten.forget()


def cool_down() -> None:
    """As if half a minute had passed: circuits are tried again."""
    past = timedelta(minutes=1)
    ProviderCircuit.objects.exclude(retry_at=None).update(
        opened_at=F("opened_at") - past, retry_at=F("retry_at") - past
    )
    health.circuits.forget_all()


def open_circuits() -> list[str]:
    rows = ProviderCircuit.objects.exclude(retry_at=None).order_by("provider", "operation")
    return [f"{row.provider} {row.operation}" for row in rows]


def break_stripe(merchant: Merchant, simulator: Simulator, op: str, kind: str) -> list[str]:
    """Payments that fail until the circuit opens; they wait for what became of them."""
    simulator.fault(op, kind, times=CALLS)
    return [merchant.pay().json()["id"] for _ in range(CALLS)]


def asked(provider: str) -> int:
    return ProviderCall.objects.filter(provider=provider).count()


class TestAProviderThatIsDown:
    @pytest.mark.parametrize(
        ("op", "kind"),
        [("create", "unavailable"), ("confirm", "error_before"), ("confirm", "timeout_after")],
    )
    def test_is_asked_for_no_new_payment_that_another_can_take(
        self,
        merchant: Merchant,
        simulator: Simulator,
        paypal: PayPalSimulator,
        op: str,
        kind: str,
    ) -> None:
        card = saved_card(merchant)
        stuck = break_stripe(merchant, simulator, op, kind)
        assert open_circuits() == [f"stripe {op}"]
        before = asked("stripe")

        answer = merchant.pay(10_000, card)

        assert (answer.status_code, answer.json()["provider"]) == (201, "paypal")
        assert asked("stripe") == before
        route = merchant.payment(answer.json()["id"]).route
        assert route["reasons"][-1].startswith(f"stripe is passed over: its circuit for {op}")
        cool_down()
        truth.finish_everything()
        for payment_id in stuck:
            assert merchant.payment(payment_id).provider == "stripe"
            assert simulator.charges_for(payment_id) == 1
        truth.assert_nothing_is_left_over()

    def test_makes_a_payment_wait_that_nobody_else_can_take_and_asks_nobody(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator
    ) -> None:
        break_stripe(merchant, simulator, "create", "unavailable")
        before = asked("stripe")

        answer = merchant.pay()

        assert (answer.status_code, answer.json()["provider"]) == (202, "stripe")
        payment_id = answer.json()["id"]
        run = merchant.charge_run(payment_id)
        assert (run.status, run.waiting_for) == ("WAITING", "provider_unavailable")
        assert run.next_run_at is not None
        wait = run.next_run_at - clock.now()
        assert timedelta(seconds=20) < wait < timedelta(seconds=41)
        truth.make_due(merchant.payment(payment_id))
        assert asked("stripe") == before
        cool_down()
        truth.finish_everything()
        assert merchant.payment(payment_id).status == "CAPTURED"
        assert simulator.charges_for(payment_id) == 1
        assert open_circuits() == []
        assert paypal.book() == []
        truth.assert_nothing_is_left_over()

    def test_can_still_be_given_up_by_the_merchant(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        break_stripe(merchant, simulator, "create", "unavailable")
        payment_id = merchant.pay().json()["id"]

        merchant.post(f"/v1/payments/{payment_id}/void")
        finish_runs()

        assert merchant.payment(payment_id).status == "VOIDED"

    def test_makes_a_refund_wait(self, merchant: Merchant, simulator: Simulator) -> None:
        payments = [merchant.captured() for _ in range(CALLS + 1)]
        simulator.fault("refund", "unavailable", times=CALLS)
        for payment_id in payments[:CALLS]:
            merchant.post(f"/v1/payments/{payment_id}/refund")
        assert open_circuits() == ["stripe refund"]
        before = asked("stripe")

        merchant.post(f"/v1/payments/{payments[-1]}/refund")

        assert asked("stripe") == before
        cool_down()
        truth.finish_everything()
        assert {merchant.payment(each).status for each in payments} == {"REFUNDED"}
        truth.assert_nothing_is_left_over()

    def test_holds_up_a_capture_but_never_moves_it(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator
    ) -> None:
        card = saved_card(merchant)
        simulator.fault("capture", "unavailable", times=-1)
        payments = [merchant.pay(10_000, card).json()["id"] for _ in range(CALLS + 2)]
        finish_runs()
        assert open_circuits() == ["stripe capture"]
        assert {merchant.payment(each).provider for each in payments} == {"stripe"}
        simulator.clear_faults()
        cool_down()
        truth.finish_everything()

        assert [simulator.charges_for(each) for each in payments] == [1] * len(payments)
        assert paypal.book() == []
        truth.assert_nothing_is_left_over()

    def test_is_no_way_to_fall_back_to(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator
    ) -> None:
        """The second provider's circuit is open as well: the payment waits where it is."""
        card = saved_card(merchant)
        now = clock.now()
        ProviderCircuit.objects.create(
            provider="paypal", operation="create", opened_at=now, changed_at=now,
            retry_at=now + timedelta(seconds=30), succeeded=0, failed=9,
        )  # fmt: skip
        with stripe_refuses(simulator, frozenset({Operation.CREATE})):
            answer = merchant.pay(10_000, card)
            assert (answer.status_code, answer.json()["provider"]) == (202, "stripe")
        truth.finish_everything()

        assert simulator.charges_for(answer.json()["id"]) == 1
        assert paypal.book() == []


class TestWhatIsNoFailure:
    def test_opens_no_circuit(self, merchant: Merchant, simulator: Simulator) -> None:
        for _ in range(CALLS * 2):
            assert merchant.pay(10_000, "pm_card_visa_chargeDeclined").status_code == 402
        simulator.fault("create", "rate_limit", times=CALLS)
        for _ in range(CALLS):
            merchant.pay()

        assert open_circuits() == []


class TestThePriceOfHealth:
    def test_is_not_a_single_message_while_all_is_well(
        self, merchant: Merchant, simulator: Simulator, messages: Messages
    ) -> None:
        merchant.pay()
        messages.sent.clear()

        assert merchant.pay().status_code == 201

        assert (len(messages.commits), messages.reads) == (3, [])
