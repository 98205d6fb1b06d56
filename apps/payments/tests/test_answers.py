"""How a request is answered when the way to its answer is not the usual one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from apps.core import queue
from apps.core.ids import new_id
from apps.payments.sagas import authorization
from apps.payments.tests import truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.rows import execute
from apps.risk import services as risk
from apps.risk.types import Assessment, Decision
from apps.sagas import engine, services
from paysys.testing.simulator import Simulator

BODY = {"amount": 10_000, "currency": "USD", "source": "pm_card_visa"}


@pytest.fixture
def pool_is_full() -> Iterator[None]:
    """Every thread of the web process has a run to advance."""
    free = services._the_pool()._free
    taken = 0
    while free.acquire(blocking=False):
        taken += 1
    yield
    for _ in range(taken):
        free.release()


class TestAFullPool:
    def test_answers_202_at_once_and_rings_for_a_worker(
        self, merchant: Merchant, simulator: Simulator, pool_is_full: None
    ) -> None:
        with queue.recorded() as bells:
            answer = merchant.post("/v1/payments", BODY, key="k")

        assert (answer.status_code, answer.json()["status"]) == (202, "VALIDATED")
        payment_id = answer.json()["id"]
        run = merchant.charge_run(payment_id)
        assert bells == [("sagas.advance", (str(run.id),))]
        assert run.lease_until is None
        assert simulator.book() == []
        truth.finish_everything()
        truth.assert_told_once(merchant, simulator, payment_id)
        execute("UPDATE idempotency_key SET locked_until = clock_timestamp() - interval '1 s'")
        again = merchant.post("/v1/payments", BODY, key="k")
        assert (again.status_code, again.json()["id"]) == (201, payment_id)

    def test_takes_orders_and_refunds_all_the_same(
        self, merchant: Merchant, simulator: Simulator, pool_is_full: None
    ) -> None:
        payment_id = merchant.pay(capture_method="manual").json()["id"]
        truth.finish_everything()
        path = f"/v1/payments/{payment_id}"

        assert merchant.post(f"{path}/capture").status_code == 202
        finish_runs()
        assert merchant.payment(payment_id).status == "CAPTURED"
        assert merchant.post(f"{path}/refund").status_code == 202
        truth.finish_everything()

        assert truth.assert_told_once(merchant, simulator, payment_id).status == "REFUNDED"


class TestAProcessThatIsAskedToStop:
    def test_hands_its_runs_over(
        self, merchant: Merchant, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine.stopping.set()
        try:
            answer = merchant.pay()
        finally:
            engine.stopping.clear()

        assert answer.status_code == 202, answer.content
        assert merchant.charge_run(answer.json()["id"]).lease_until is None
        truth.finish_everything()
        truth.assert_told_once(merchant, simulator, answer.json()["id"])


class TestABugInAStep:
    def test_fails_no_payment_and_is_tried_again(
        self, merchant: Merchant, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as broken:
            broken.setattr(authorization, "_confirm", lambda _context: 1 / 0)
            answer = merchant.pay()

        assert (answer.status_code, answer.json()["status"]) == (202, "VALIDATED")
        run = merchant.charge_run(answer.json()["id"])
        assert (run.status, run.attempts) == ("IN_PROGRESS", 1)
        assert "ZeroDivisionError" in run.last_error
        truth.finish_everything()
        payment = truth.assert_told_once(merchant, simulator, answer.json()["id"])
        assert payment.status == "CAPTURED"


class TestAPaymentThatIsBlocked:
    def test_is_rejected_and_nobody_outside_hears_of_it(
        self, merchant: Merchant, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def block(**_: Any) -> Assessment:
            return Assessment(new_id(), Decision.BLOCK, score=99, reasons=("a test",))

        monkeypatch.setattr(risk, "screen", block)

        answer = merchant.post("/v1/payments", BODY, key="k")

        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (402, "payment_rejected")
        assert error["payment"]["status"] == "REJECTED"
        assert simulator.book() == []
        payment = truth.assert_told_once(merchant, simulator, error["payment"]["id"])
        assert truth.kinds_of(payment.id) == ["payment.created", "payment.rejected"]
        assert merchant.post("/v1/payments", BODY, key="k").content == answer.content


class TestAVoidBeforeAnythingIsOutside:
    def test_needs_nobody_outside(self, merchant: Merchant, simulator: Simulator) -> None:
        simulator.fault("create", "rate_limit", times=-1)
        payment_id = merchant.pay().json()["id"]

        answer = merchant.post(f"/v1/payments/{payment_id}/void")

        assert (answer.status_code, answer.json()["status"]) == (200, "VOIDED")
        assert simulator.book() == []
        truth.assert_told_once(merchant, simulator, payment_id)

    def test_cancels_what_is_outside_without_our_having_heard_of_it(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        simulator.fault("create", "reset_after")
        payment_id = merchant.pay().json()["id"]

        answer = merchant.post(f"/v1/payments/{payment_id}/void")

        assert (answer.status_code, answer.json()["status"]) == (200, "VOIDED")
        assert simulator.effects(payment_id)["canceled"] == 1
        truth.assert_told_once(merchant, simulator, payment_id)


class TestAnAmountThatTheProviderCannotExpress:
    """Three decimals by ISO, of which the card networks carry two."""

    def test_is_no_refund_and_costs_nothing(self, merchant: Merchant, simulator: Simulator) -> None:
        payment_id = merchant.pay(12_340, currency="KWD").json()["id"]
        finish_runs()

        answer = merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 1})

        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "amount_not_expressible"
        assert truth.assert_told_once(merchant, simulator, payment_id).refund_reserved == 0
