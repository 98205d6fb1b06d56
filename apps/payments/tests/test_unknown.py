"""When nobody can say how a call ended: ask what is true, act on it once, and say so meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from apps.core.money import Money
from apps.gateways.models import ProviderCall
from apps.payments.tests import truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.rows import execute
from paysys.testing.simulator import Simulator

FAULTS = [
    *("timeout_before", "timeout_after", "reset_after"),
    *("error_before", "error_after", "unavailable", "rate_limit"),
]
# Refused before it was looked at: that nothing happened is known, and it is tried again later.
KNOWN_TO_BE_NOTHING = ("rate_limit",)
BODY = {"amount": 10_000, "currency": "USD", "source": "pm_card_visa"}


def outcome_of(kind: str) -> str:
    return "known" if kind in KNOWN_TO_BE_NOTHING else "unknown"


def assert_says_so(shown: dict[str, Any], kind: str) -> None:
    """While nobody knows, the payment says that, and when it will be asked for next."""
    assert shown["outcome"] == outcome_of(kind)
    assert bool(shown["next_check_at"]) == (shown["outcome"] == "unknown")


def let_the_key_go() -> None:
    """As if the request that holds the key had died: its five seconds are over."""
    execute("UPDATE idempotency_key SET locked_until = clock_timestamp() - interval '1 second'")


def generations(call: str) -> list[str]:
    calls = ProviderCall.objects.filter(call=call).order_by("id")
    return [f"{call.op_key.rsplit(':', 1)[1]} {call.outcome}" for call in calls]


class TestACharge:
    @pytest.mark.parametrize("op", ["create", "confirm"])
    @pytest.mark.parametrize("kind", FAULTS)
    def test_whose_end_is_not_known_is_found_out_and_charged_once(
        self, merchant: Merchant, simulator: Simulator, op: str, kind: str
    ) -> None:
        simulator.fault(op, kind)

        answer = merchant.post("/v1/payments", BODY, key="k")

        assert answer.status_code == 202, answer.content
        payment_id = answer.json()["id"]
        assert answer.json()["status"] == "VALIDATED"
        assert_says_so(answer.json(), kind)
        meanwhile = merchant.post("/v1/payments", BODY, key="k")
        assert (meanwhile.status_code, meanwhile["Retry-After"]) == (409, "1")
        let_the_key_go()
        taken_over = merchant.post("/v1/payments", BODY, key="k")
        assert (taken_over.status_code, taken_over.json()["id"]) == (202, payment_id)

        truth.finish_everything()

        let_the_key_go()
        done = merchant.post("/v1/payments", BODY, key="k")
        assert (done.status_code, done.json()["id"]) == (201, payment_id)
        # The run stored its answer when it reached its answer point, and that is what is replayed.
        assert (done.json()["status"], done["Idempotent-Replayed"]) == ("AUTHORIZED", "true")
        assert merchant.payment(payment_id).status == "CAPTURED"
        assert merchant.post("/v1/payments", BODY, key="k").content == done.content
        if (op, kind) == ("create", "error_after"):
            # Its answer never named the object; it moves no money, and nobody will ever confirm it.
            assert sorted(i["status"] for i in simulator.book()) == [
                *("requires_confirmation", "succeeded")
            ]
            truth.assert_told_once(merchant, simulator, payment_id, objects=2)
        else:
            truth.assert_told_once(merchant, simulator, payment_id)
        assert truth.postings_in(merchant) == {"capture": 1, "credit": 1}
        assert merchant.balance("merchant:pending") == Money("97.00", "USD")

    @pytest.mark.parametrize("kind", ["timeout_after", "reset_after", "error_after"])
    def test_that_was_declined_while_nobody_heard_fails(
        self, merchant: Merchant, simulator: Simulator, kind: str
    ) -> None:
        simulator.fault("confirm", kind)
        body = {**BODY, "source": "pm_card_visa_chargeDeclinedInsufficientFunds"}
        assert merchant.post("/v1/payments", body, key="k").status_code == 202

        truth.finish_everything()

        let_the_key_go()
        refused = merchant.post("/v1/payments", body, key="k")
        assert refused.status_code == 402
        assert refused.json()["error"]["decline_code"] == "insufficient_funds"
        payment_id = refused.json()["error"]["payment"]["id"]
        assert truth.assert_told_once(merchant, simulator, payment_id).status == "FAILED"

    def test_stays_unknown_for_as_long_as_nobody_can_be_asked(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        simulator.fault("confirm", "timeout_after")
        payment_id = merchant.pay().json()["id"]
        simulator.fault("retrieve", "unavailable", times=-1)

        dates = []
        for _ in range(5):
            truth.pass_time()
            finish_runs()
            shown = merchant.get(f"/v1/payments/{payment_id}").json()
            assert (shown["status"], shown["outcome"]) == ("VALIDATED", "unknown")
            dates.append(shown["next_check_at"])

        assert sorted(set(dates)) == dates, "asked later and later"
        assert merchant.charge_run(payment_id).status == "IN_PROGRESS"
        assert truth.violations() == {}
        simulator.clear_faults()
        truth.finish_everything()
        assert truth.assert_told_once(merchant, simulator, payment_id).status == "CAPTURED"

    def test_is_sent_again_under_the_same_key_while_it_may_still_arrive(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        simulator.fault("confirm", "timeout_before", times=3)
        payment_id = merchant.pay().json()["id"]

        truth.finish_everything()

        assert generations("confirm") == ["1 SUCCEEDED"]
        truth.assert_told_once(merchant, simulator, payment_id)

    def test_gets_a_new_key_once_an_error_was_answered_and_a_look_up_found_nothing(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        simulator.fault("confirm", "error_before")
        payment_id = merchant.pay().json()["id"]

        truth.finish_everything()

        assert generations("confirm") == ["1 ABSENT", "2 SUCCEEDED"]
        truth.assert_told_once(merchant, simulator, payment_id)


class TestACapture:
    @pytest.mark.parametrize("kind", FAULTS)
    def test_whose_end_is_not_known_is_found_out_and_taken_once(
        self, merchant: Merchant, simulator: Simulator, kind: str
    ) -> None:
        payment_id = merchant.pay(capture_method="manual").json()["id"]
        simulator.fault("capture", kind)
        path, body = f"/v1/payments/{payment_id}/capture", {"amount": 6_000}

        answer = merchant.post(path, body, key="k")

        assert (answer.status_code, answer.json()["status"]) == (202, "AUTHORIZED")
        assert_says_so(answer.json(), kind)
        assert merchant.post(path, body, key="k").status_code == 409
        refused = merchant.post(path, body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (
            *(409, "payment_not_capturable"),
        )
        truth.finish_everything()
        let_the_key_go()
        done = merchant.post(path, body, key="k")
        assert (done.status_code, done.json()["status"]) == (200, "CAPTURED")
        truth.assert_told_once(merchant, simulator, payment_id)
        assert truth.postings_in(merchant) == {"capture": 1, "credit": 1}
        assert merchant.balance("provider:stripe:clearing") == Money("60.00", "USD")

    @pytest.mark.parametrize("kind", FAULTS)
    def test_by_itself_is_said_to_be_unknown_too(
        self, merchant: Merchant, simulator: Simulator, kind: str
    ) -> None:
        simulator.fault("capture", kind)
        payment_id = merchant.pay().json()["id"]

        finish_runs()

        shown = merchant.get(f"/v1/payments/{payment_id}").json()
        assert shown["status"] == "AUTHORIZED"
        assert_says_so(shown, kind)
        truth.finish_everything()
        assert truth.assert_told_once(merchant, simulator, payment_id).status == "CAPTURED"


class TestAVoid:
    @pytest.mark.parametrize("kind", FAULTS)
    def test_whose_end_is_not_known_is_found_out(
        self, merchant: Merchant, simulator: Simulator, kind: str
    ) -> None:
        payment_id = merchant.pay(capture_method="manual").json()["id"]
        simulator.fault("cancel", kind)
        path = f"/v1/payments/{payment_id}/void"

        answer = merchant.post(path, key="k")

        assert (answer.status_code, answer.json()["status"]) == (202, "AUTHORIZED")
        assert_says_so(answer.json(), kind)
        truth.finish_everything()
        let_the_key_go()
        done = merchant.post(path, key="k")
        assert (done.status_code, done.json()["status"]) == (200, "VOIDED")
        truth.assert_told_once(merchant, simulator, payment_id)
        assert simulator.effects(payment_id)["canceled"] == 1

    @pytest.mark.parametrize("kind", ["timeout_after", "error_after", "unavailable"])
    def test_of_a_declined_payment_is_found_out_before_it_is_called_failed(
        self, merchant: Merchant, simulator: Simulator, kind: str
    ) -> None:
        simulator.fault("cancel", kind)
        answer = merchant.pay(source="pm_card_visa_chargeDeclined")
        assert (answer.status_code, answer.json()["status"]) == (202, "VALIDATED")

        truth.finish_everything()

        payment = truth.assert_told_once(merchant, simulator, answer.json()["id"])
        assert (payment.status, payment.failure_code) == ("FAILED", "card_declined")


class TestARefund:
    @pytest.mark.parametrize("kind", FAULTS)
    def test_whose_end_is_not_known_is_found_out_and_paid_back_once(
        self, merchant: Merchant, simulator: Simulator, kind: str
    ) -> None:
        payment_id = merchant.captured(10_000)
        simulator.fault("refund", kind)
        path, body = f"/v1/payments/{payment_id}/refund", {"amount": 4_000}

        answer = merchant.post(path, body, key="k")

        assert (answer.status_code, answer.json()["status"]) == (202, "PENDING")
        assert_says_so(merchant.get(f"/v1/payments/{payment_id}").json(), kind)
        assert merchant.balance("refund:payable") == Money("40.00", "USD")
        assert merchant.post(path, body, key="k").status_code == 409
        let_the_key_go()
        assert merchant.post(path, body, key="k").json()["id"] == answer.json()["id"]
        truth.finish_everything()
        let_the_key_go()
        done = merchant.post(path, body, key="k")
        assert (done.status_code, done.json()["status"]) == (201, "SUCCEEDED")
        assert done.json()["id"] == answer.json()["id"]
        truth.assert_told_once(merchant, simulator, payment_id)
        assert simulator.effects(payment_id)["refunds"] == 1
        assert truth.postings_in(merchant) == {
            "capture": 1,
            "credit": 1,
            "refund_reserve": 1,
            "refund": 1,
        }

    def test_keeps_the_next_one_waiting_until_it_is_known(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000)
        simulator.fault("refund", "timeout_after")
        first = merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 4_000})
        assert first.status_code == 202

        second = merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 5_000})

        assert (second.status_code, second.json()["status"]) == (202, "PENDING")
        assert simulator.effects(payment_id)["refunds"] == 1
        truth.finish_everything()
        payment = truth.assert_told_once(merchant, simulator, payment_id)
        assert payment.amount_refunded == 90


class TestTheBudget:
    """A request waits for a while; what it waited for goes on without it."""

    @pytest.fixture(autouse=True)
    def impatient(self, settings: Any) -> None:
        settings.PAYSYS_ANSWER_SECONDS = 0.05

    def test_is_over_before_a_slow_provider_answers_and_the_answer_is_not_lost(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        simulator.fault("confirm", "slow:400")

        answer = merchant.post("/v1/payments", BODY, key="k")

        assert (answer.status_code, answer.json()["status"]) == (202, "VALIDATED")
        assert answer.json()["outcome"] == "unknown"
        truth.wait_for_the_pool()
        assert merchant.payment(answer.json()["id"]).status == "AUTHORIZED"
        let_the_key_go()
        done = merchant.post("/v1/payments", BODY, key="k")
        assert (done.status_code, done.json()["id"]) == (201, answer.json()["id"])
        truth.finish_everything()
        truth.assert_told_once(merchant, simulator, answer.json()["id"])
        assert generations("confirm") == ["1 SUCCEEDED"]

    def test_is_over_before_a_slow_refund_ends(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        answer = merchant.pay()
        truth.wait_for_the_pool()
        finish_runs()
        payment_id = answer.json()["id"]
        simulator.fault("refund", "slow:400")

        refund = merchant.post(f"/v1/payments/{payment_id}/refund")

        assert (refund.status_code, refund.json()["status"]) == (202, "PENDING")
        truth.wait_for_the_pool()
        assert merchant.refund(refund.json()["id"]).status == "SUCCEEDED"
        truth.assert_told_once(merchant, simulator, payment_id)
