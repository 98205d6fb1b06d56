"""Many at once: one effect, every refusal with its reason, nothing lost."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from apps.core.money import Money
from apps.payments import tasks
from apps.payments.models import Payment, Refund
from apps.payments.tests import news, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.threads import at_once
from apps.sagas import services as engine
from apps.sagas.models import Run
from paysys.testing.simulator import Simulator

GRANTED = (200, 201, 202)


def end(merchant: Merchant, simulator: Simulator, payment_id: str) -> Payment:
    truth.wait_for_the_pool()
    truth.finish_everything()
    return truth.assert_told_once(merchant, simulator, payment_id)


class TestFiftyRefundsAtOnce:
    def test_of_30_against_100_are_three(self, merchant: Merchant, simulator: Simulator) -> None:
        payment_id = merchant.captured(10_000)
        path = f"/v1/payments/{payment_id}/refund"

        answers = at_once([partial(merchant.post, path, {"amount": 3_000})] * 50)

        granted = [answer for answer in answers if answer.status_code in GRANTED]
        refused = [answer for answer in answers if answer.status_code == 409]
        assert (len(granted), len(refused)) == (3, 47)
        assert {answer.json()["error"]["code"] for answer in refused} == {
            "refund_exceeds_remaining"
        }
        assert {answer.json()["error"]["remaining"] for answer in refused} == {1_000}
        payment = end(merchant, simulator, payment_id)
        assert (payment.refund_reserved, payment.amount_refunded) == (90, 90)
        assert Refund.objects.count() == 3
        assert simulator.effects(payment_id)["refunds"] == 3
        assert merchant.balance("merchant:payable") == Money("-87.30", "USD")

    def test_of_everything_are_one(self, merchant: Merchant, simulator: Simulator) -> None:
        payment_id = merchant.captured(10_000)
        path = f"/v1/payments/{payment_id}/refund"

        answers = at_once([partial(merchant.post, path)] * 10)

        assert Counter(answer.status_code in GRANTED for answer in answers) == {True: 1, False: 9}
        assert end(merchant, simulator, payment_id).status == "REFUNDED"


class TestThirtyRequestsWithOneKey:
    def test_make_one_payment(self, merchant: Merchant, simulator: Simulator) -> None:
        body = {"amount": 10_000, "currency": "USD", "source": "pm_card_visa"}

        answers = at_once([partial(merchant.post, "/v1/payments", body, key="k")] * 30)

        by_status = Counter(answer.status_code for answer in answers)
        assert set(by_status) <= {201, 409}
        assert by_status[201] >= 1
        assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
        assert all(a.has_header("Retry-After") for a in answers if a.status_code == 409)
        [payment] = Payment.objects.all()
        end(merchant, simulator, truth.public_id(payment))

    def test_make_one_refund(self, merchant: Merchant, simulator: Simulator) -> None:
        payment_id = merchant.captured(10_000)
        path = f"/v1/payments/{payment_id}/refund"

        answers = at_once([partial(merchant.post, path, {"amount": 1_000}, key="k")] * 20)

        assert {answer.status_code for answer in answers} <= {201, 409}
        assert Refund.objects.count() == 1
        assert end(merchant, simulator, payment_id).amount_refunded == 10

    def test_and_one_reference_are_one_payment_and_refusals_that_name_it(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        answers = at_once([partial(merchant.pay, reference="order-7")] * 10)

        [made] = [answer for answer in answers if answer.status_code == 201]
        refused = [answer.json()["error"] for answer in answers if answer.status_code == 409]
        assert len(refused) == 9
        assert {(error["code"], error["payment"]) for error in refused} == {
            ("reference_taken", made.json()["id"])
        }
        end(merchant, simulator, made.json()["id"])


class TestOrdersAtOnce:
    @pytest.mark.parametrize("_attempt", range(3))
    def test_to_capture_and_to_void_are_one_of_them(
        self, merchant: Merchant, simulator: Simulator, _attempt: int
    ) -> None:
        payment_id = merchant.pay(capture_method="manual").json()["id"]
        finish_runs()
        path = f"/v1/payments/{payment_id}"

        captured, voided = at_once(
            [partial(merchant.post, f"{path}/capture"), partial(merchant.post, f"{path}/void")]
        )

        assert sorted(a.status_code in GRANTED for a in (captured, voided)) == [False, True]
        loser = captured if voided.status_code in GRANTED else voided
        assert loser.status_code == 409
        payment = end(merchant, simulator, payment_id)
        assert payment.status == ("VOIDED" if loser is captured else "CAPTURED")

    def test_to_capture_different_parts_are_one_of_them(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.pay(capture_method="manual").json()["id"]
        finish_runs()
        path = f"/v1/payments/{payment_id}/capture"
        parts = range(1_000, 6_000, 1_000)

        answers = at_once([partial(merchant.post, path, {"amount": part}) for part in parts])

        [won] = [n for n, answer in enumerate(answers) if answer.status_code in GRANTED]
        assert Counter(answer.status_code for answer in answers)[409] == 4
        assert end(merchant, simulator, payment_id).amount_captured == parts[won] / 100


class TestEverybodyOnOneRun:
    def test_web_worker_sweeper_and_news_together_have_one_effect(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.pay(capture_method="manual").json()["id"]
        finish_runs()
        for event in simulator.events():
            news.post(simulator.deliver(event))
        run = merchant.charge_run(payment_id)
        capture = partial(merchant.post, f"/v1/payments/{payment_id}/capture")
        calls: list[Any] = [
            capture,
            *[partial(engine.advance, run_id=run.id)] * 3,
            *[engine.sweep] * 3,
            *[news.apply_all] * 2,
            tasks.sweep_events,
        ]

        answer, *_ = at_once(calls)

        assert answer.status_code in (200, 202)
        payment = end(merchant, simulator, payment_id)
        assert payment.status == "CAPTURED"
        assert truth.postings_in(merchant) == {"capture": 1, "credit": 1}

    def test_new_payments_and_sweepers_together_lose_none(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        def pay() -> Any:
            return merchant.pay(reference=uuid4().hex)

        answers = at_once([*[pay] * 16, *[engine.sweep] * 4])[:16]

        assert {answer.status_code for answer in answers} <= {201, 202}
        truth.wait_for_the_pool()
        truth.finish_everything()
        assert set(Payment.objects.values_list("status", flat=True)) == {"CAPTURED"}
        assert Payment.objects.count() == 16
        assert [entry["charges"] for entry in simulator.book()] == [1] * 16
        assert truth.postings_in(merchant) == {"capture": 16, "credit": 16}
        truth.assert_nothing_is_left_over()

    def test_news_that_a_refund_failed_told_at_once_is_one_reversal(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000, "pm_card_refundFail")
        merchant.post(f"/v1/payments/{payment_id}/refund")
        simulator.settle()
        for event in simulator.events():
            news.post(simulator.deliver(event))

        at_once([news.apply_all] * 6)
        news.apply_all()

        assert Run.objects.filter(saga="refund_check").count() == 1
        assert end(merchant, simulator, payment_id).status == "CAPTURED"
        assert truth.postings_in(merchant)["undo refund"] == 1
