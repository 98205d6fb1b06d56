"""A capture that is undone: the money goes back from where it stands, never from the merchant."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from apps.core import clock
from apps.core.errors import Conflict
from apps.core.money import Money
from apps.payments.sagas import refund as refund_saga
from apps.payments.sagas.charge import CHARGE
from apps.payments.tests import news, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.sagas import definition
from apps.sagas import services as engine
from apps.sagas.definition import Context, Local
from paysys.testing.simulator import Simulator


class Refused(Conflict):
    """A business error that production never raises after the money was taken."""

    code = "planted"


@pytest.fixture(params=["CREDIT_MERCHANT", "CONFIRM"])
def undone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A charge one of whose last steps says no; which one."""
    refusing = str(request.param)

    def refuse(_context: Context) -> None:
        raise Refused

    refuse.__name__ = refusing.lower()
    steps = tuple(
        Local(refuse, undo=step.undo) if step.name == refusing else step for step in CHARGE.steps
    )
    saga = replace(CHARGE, steps=steps)
    monkeypatch.setitem(definition._registered, (saga.name, saga.version), saga)
    return refusing


def usd(amount: str) -> Money:
    return Money(amount, "USD")


def pay(merchant: Merchant, source: str = "pm_card_visa") -> str:
    answer = merchant.pay(source=source)
    assert answer.status_code == 201, answer.content
    return str(answer.json()["id"])


def balances(merchant: Merchant) -> dict[str, Any]:
    codes = (
        *("merchant:pending", "merchant:payable", "platform:fees", "payment:unallocated"),
        *("refund:payable", "provider:stripe:clearing"),
    )
    found = {code: merchant.balance(code).amount for code in codes}
    return {code: amount for code, amount in found.items() if amount}


class TestACaptureThatIsUndone:
    def test_ends_refunded_and_costs_the_merchant_nothing(
        self, merchant: Merchant, simulator: Simulator, undone: str
    ) -> None:
        payment_id = pay(merchant)

        finish_runs()

        payment = truth.assert_told_once(merchant, simulator, payment_id)
        assert payment.status == "REFUNDED"
        assert balances(merchant) == {}
        booked = truth.postings_in(merchant)
        assert (booked["capture"], booked["refund_reserve"], booked["refund"]) == (1, 1, 1)
        assert booked["credit"] == booked["undo credit"] == (undone == "CONFIRM")
        run = merchant.charge_run(payment_id)
        assert (run.status, run.abort and run.abort["code"]) == ("COMPENSATED", "planted")
        assert truth.kinds_of(payment.id)[-3:] == [
            *("payment.captured", "payment.compensating", "payment.refunded"),
        ]

    def test_is_not_shown_as_a_refund_of_the_merchants(
        self, merchant: Merchant, simulator: Simulator, undone: str
    ) -> None:
        payment_id = pay(merchant)
        finish_runs()

        shown = merchant.get(f"/v1/payments/{payment_id}?expand=refunds,ledger").json()

        assert (shown["status"], shown["refunds"]) == ("REFUNDED", [])
        assert shown["amount_refundable"] == 0
        assert {"capture", "refund_reserve", "refund"} <= {p["kind"] for p in shown["ledger"]}
        assert merchant.post(f"/v1/payments/{payment_id}/refund").status_code == 409

    @pytest.mark.parametrize("kind", ["timeout_before", "timeout_after", "error_after"])
    def test_is_given_back_once_whatever_happens_on_the_wire(
        self, merchant: Merchant, simulator: Simulator, undone: str, kind: str
    ) -> None:
        payment_id = pay(merchant)
        simulator.fault("refund", kind)
        finish_runs()
        assert balances(merchant) == {
            "refund:payable": 100,
            "provider:stripe:clearing": 100,
        }
        assert truth.violations() == {}

        truth.finish_everything()

        assert simulator.effects(payment_id)["refunds"] == 1
        assert truth.assert_told_once(merchant, simulator, payment_id).status == "REFUNDED"
        assert balances(merchant) == {}

    def test_waits_for_a_bank_that_takes_its_time(
        self, merchant: Merchant, simulator: Simulator, undone: str
    ) -> None:
        payment_id = pay(merchant, "pm_card_pendingRefund")
        finish_runs()
        assert merchant.charge_run(payment_id).waiting_for == "refund_pending"
        assert merchant.payment(payment_id).status == "CAPTURED"
        assert truth.violations() == {}
        simulator.settle()

        news.tell(simulator, "refund.updated")
        finish_runs()

        assert truth.assert_told_once(merchant, simulator, payment_id).status == "REFUNDED"
        assert balances(merchant) == {}


class TestACaptureThatCannotBeUndone:
    @pytest.fixture
    def parked(self, merchant: Merchant, simulator: Simulator, undone: str) -> str:
        """The provider refuses to give back, for now."""
        payment_id = pay(merchant)
        [charge] = simulator.effects(payment_id)["charge_ids"] or [""]
        engine_sees_capture(payment_id, merchant, simulator)
        simulator.dispute(charge)
        finish_runs()
        return payment_id

    def test_is_parked_and_balanced_and_asked_for_again(
        self, merchant: Merchant, parked: str
    ) -> None:
        assert merchant.payment(parked).status == "CAPTURED"
        assert balances(merchant) == {"refund:payable": 100, "provider:stripe:clearing": 100}
        run = merchant.charge_run(parked)
        assert (run.status, run.waiting_for) == ("COMPENSATING", "refund_refused")
        truth.assert_nothing_is_left_over()
        for _ in range(3):
            truth.make_due(merchant.payment(parked))
            assert engine.sweep() == 1

        assert merchant.charge_run(parked).waiting_for == "refund_refused"
        truth.assert_nothing_is_left_over()

    def test_is_a_persons_after_a_day(self, merchant: Merchant, parked: str) -> None:
        later = clock.now() + refund_saga.PERSON_AFTER + timedelta(minutes=1)

        with time_machine.travel(later, tick=False):
            for _ in range(20):
                truth.make_due(merchant.payment(parked))
                engine.sweep()

        assert merchant.charge_run(parked).status == "NEEDS_ATTENTION"
        assert balances(merchant) == {"refund:payable": 100, "provider:stripe:clearing": 100}
        assert truth.violations() == {}


def engine_sees_capture(payment_id: str, merchant: Merchant, simulator: Simulator) -> None:
    """Let the capture happen and its answer get lost, so that something can come in between."""
    simulator.fault("capture", "reset_after")
    finish_runs()
    assert simulator.effects(payment_id)["captures"] == 1
    assert merchant.payment(payment_id).status == "AUTHORIZED"
    truth.pass_time()


class TestACompensationThatFailsAtTheBankLater:
    def test_is_a_persons_and_stays_in_the_books(
        self, merchant: Merchant, simulator: Simulator, undone: str
    ) -> None:
        payment_id = pay(merchant, "pm_card_refundFail")
        finish_runs()
        assert merchant.payment(payment_id).status == "REFUNDED"
        simulator.settle()

        news.tell(simulator, "refund.failed")
        truth.finish_everything()

        assert truth.run_of("refund_check").status == "NEEDS_ATTENTION"
        assert merchant.payment(payment_id).status == "REFUNDED"
        assert balances(merchant) == {}
        assert truth.violations() == {}
