"""A payment out of a bank account: agreed at once, paid in days, returned even later."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from apps.core import clock
from apps.core.money import Money
from apps.payments.tests import news, purses, truth
from apps.payments.tests.conftest import Merchant, finish_runs, make_merchant
from apps.payments.tests.killing import Axe, at_every_moment, survive
from apps.payments.tests.objections import (
    CLEARING,
    DISPUTED,
    EXCESS,
    PAYABLE,
    assert_whole,
    hear,
    open_dispute,
)
from apps.payments.tests.test_crash import ended, pay
from apps.sagas import services as engine
from apps.sagas.models import Run
from paysys.testing.paypal import PayPalSimulator
from paysys.testing.simulator import Simulator

US, SEPA = "pm_usBankAccount_", "pm_sepaDebit_"


def account(merchant: Merchant, name: str = "success", *, kind: str = US) -> str:
    """A bank account of a customer's that Stripe knows."""
    body = {"provider_token": kind + name, "type": "bank"}
    answer = merchant.post("/v1/payment_methods", body)
    assert answer.status_code == 201, answer.content
    return str(answer.json()["id"])


def debited(merchant: Merchant, name: str = "success", **more: Any) -> str:
    """The public id of a debit that is with the bank."""
    answer = merchant.pay(10_000, account(merchant, name), **more)
    assert answer.status_code == 201, answer.content
    assert answer.json()["status"] == "AUTHORIZED"
    finish_runs()
    return str(answer.json()["id"])


def look() -> None:
    """The time has come to ask the provider what the bank has said."""
    Run.objects.filter(waiting_for="bank_debit").update(next_run_at=clock.now())
    truth.finish_everything()


class TestADebit:
    @pytest.mark.parametrize(("kind", "currency"), [(US, "USD"), (SEPA, "EUR")])
    def test_is_authorized_while_the_bank_has_it_and_books_nothing(
        self, merchant: Merchant, simulator: Simulator, kind: str, currency: str
    ) -> None:
        source = account(merchant, kind=kind)
        made = merchant.pay(10_000, source, currency=currency).json()
        finish_runs()

        assert (made["status"], made["outcome"]) == ("AUTHORIZED", "pending")
        assert (made["method"], made["provider"], made["card"]) == ("bank_debit", "stripe", None)
        assert made["tenders"][0]["type"] == "bank_debit"
        assert made["capture_before"] is None
        assert made["expected_by"] > made["created_at"]
        shown = merchant.get(f"/v1/payments/{made['id']}").json()
        assert (shown["status"], shown["outcome"]) == ("AUTHORIZED", "pending")
        [listed] = merchant.get("/v1/payments?status=AUTHORIZED").json()["data"]
        assert listed["outcome"] == "pending"
        assert simulator.effects(made["id"])["charges"] == 0
        assert truth.postings_in(merchant) == {}
        run = merchant.charge_run(made["id"])
        assert (run.current_step, run.waiting_for) == ("CAPTURE", "bank_debit")
        assert run.next_run_at is not None
        assert run.next_run_at - clock.now() > timedelta(hours=5)

    def test_is_captured_credited_and_settled_once_the_bank_has_paid(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = debited(merchant)
        look()
        assert merchant.payment(payment_id).status == "AUTHORIZED", "the bank has not answered"
        simulator.settle()

        look()

        payment = truth.assert_told_once(merchant, simulator, payment_id)
        assert payment.status == "CAPTURED"
        shown = merchant.get(f"/v1/payments/{payment_id}").json()
        assert (shown["outcome"], shown["amount_captured"]) == ("known", 10_000)
        assert merchant.balance("merchant:pending") == Money("97.00", "USD")
        truth.settle(simulator)
        assert merchant.payment(payment_id).status == "SETTLED"
        truth.assert_nothing_is_left_over()

    def test_is_heard_of_by_the_providers_news(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = debited(merchant)
        simulator.settle()

        news.tell(simulator, "payment_intent.succeeded")
        finish_runs()

        assert merchant.payment(payment_id).status == "CAPTURED"

    @pytest.mark.parametrize(
        ("name", "code"),
        [
            ("insufficientFunds", "insufficient_funds"),
            ("accountClosed", "bank_account_invalid"),
            ("noAccount", "bank_account_invalid"),
            ("debitNotAuthorized", "not_permitted"),
        ],
    )
    def test_that_the_bank_refuses_days_later_has_failed_and_booked_nothing(
        self, merchant: Merchant, simulator: Simulator, name: str, code: str
    ) -> None:
        payment_id = debited(merchant, name)
        simulator.settle()
        look()

        payment = truth.assert_told_once(merchant, simulator, payment_id)
        assert (payment.status, payment.failure_code) == ("FAILED", code)
        assert truth.postings_in(merchant) == {}
        assert truth.kinds_of(payment.id)[-2:] == ["payment.authorized", "payment.failed"]

    def test_that_comes_back_after_it_was_paid_is_a_return_lost_on_arrival(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = debited(merchant, "dispute")
        simulator.settle()
        look()
        assert merchant.payment(payment_id).status == "CAPTURED"

        news.tell(simulator, "charge.dispute.created")
        finish_runs()

        dispute = assert_whole(merchant, simulator, payment_id)
        assert (dispute.stage, dispute.status) == ("return", "LOST")
        assert merchant.payment(payment_id).status == "CHARGED_BACK"
        assert merchant.balance(PAYABLE) == Money("-100.00", "USD")
        assert merchant.balance(DISPUTED) == Money("0.00", "USD")
        truth.book_statement()
        truth.assert_nothing_is_left_over()

    def test_that_comes_back_after_it_was_paid_out_and_refunded_is_carried_by_us(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = debited(merchant)
        simulator.settle()
        look()
        truth.settle(simulator)
        merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 3_000})
        finish_runs()
        assert merchant.payment(payment_id).status == "SETTLED"
        open_dispute(simulator, payment_id)

        hear(simulator)

        dispute = assert_whole(merchant, simulator, payment_id)
        assert (dispute.stage, dispute.status) == ("return", "LOST")
        assert (dispute.budget_part, dispute.excess) == (70, 30)
        assert merchant.payment(payment_id).status == "CHARGED_BACK"
        assert merchant.balance(EXCESS) == Money("30.00", "USD")

    def test_is_refunded_like_any_other(self, merchant: Merchant, simulator: Simulator) -> None:
        payment_id = debited(merchant)
        simulator.settle()
        look()

        answer = merchant.post(f"/v1/payments/{payment_id}/refund")
        finish_runs()

        assert answer.status_code == 201
        assert merchant.payment(payment_id).status == "REFUNDED"
        assert merchant.balance(CLEARING) == Money("0.00", "USD")

    @pytest.mark.parametrize("kind", ["timeout_after", "reset_after", "timeout_before"])
    def test_whose_order_nobody_heard_of_is_given_once(
        self, merchant: Merchant, simulator: Simulator, kind: str
    ) -> None:
        simulator.fault("confirm", kind)
        answer = merchant.pay(10_000, account(merchant))
        assert answer.status_code == 202
        truth.finish_everything()
        payment_id = answer.json()["id"]
        assert merchant.payment(payment_id).status == "AUTHORIZED"
        simulator.settle()
        look()

        assert truth.assert_told_once(merchant, simulator, payment_id).status == "CAPTURED"

    def test_whose_answer_was_lost_until_the_bank_had_paid_is_captured(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        simulator.fault("confirm", "timeout_after")
        payment_id = merchant.pay(10_000, account(merchant)).json()["id"]
        simulator.settle()
        truth.finish_everything()
        look()

        assert truth.assert_told_once(merchant, simulator, payment_id).status == "CAPTURED"

    def test_tops_up_a_wallet_when_it_is_paid(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        purse = purses.wallet(merchant)
        payment_id = debited(merchant, destination=purse)
        assert purses.inside(merchant, purse) == (0, 0)
        simulator.settle()
        look()

        assert merchant.payment(payment_id).is_captured
        assert purses.inside(merchant, purse) == (10_000, 0)


class TestWhatNoBankDoes:
    @pytest.mark.parametrize(
        ("facts", "param"),
        [
            ({"capture_method": "manual"}, "capture_method"),
            ({"currency": "JPY"}, "currency"),
        ],
    )
    def test_is_refused_before_anything_is_written(
        self, merchant: Merchant, facts: dict[str, str], param: str
    ) -> None:
        source = account(merchant)
        before = truth.counts()
        answer = merchant.pay(10_000, source, **facts)

        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (422, "not_supported_by_method")
        assert error["param"] == param
        assert truth.counts() == before

    def test_is_a_part_from_a_wallet(self, merchant: Merchant) -> None:
        purse = purses.wallet(merchant, 10_000)
        answer = merchant.pay(10_000, account(merchant), wallet=purse, wallet_amount=100)

        assert answer.json()["error"]["code"] == "not_supported_by_method"
        assert purses.inside(merchant, purse) == (10_000, 0)

    @pytest.mark.parametrize("order", ["void", "capture"])
    def test_is_to_stop_or_capture_on_order(
        self, merchant: Merchant, simulator: Simulator, order: str
    ) -> None:
        payment_id = debited(merchant)

        answer = merchant.post(f"/v1/payments/{payment_id}/{order}")

        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "not_supported_by_method"
        assert merchant.payment(payment_id).status == "AUTHORIZED"

    def test_is_done_at_another_provider_that_has_a_token(
        self, merchant: Merchant, paypal: PayPalSimulator
    ) -> None:
        """PayPal debits no bank accounts, whatever it calls this one."""
        source = account(merchant)
        token = {"provider": "paypal", "provider_token": "payer_good"}
        assert merchant.post(f"/v1/payment_methods/{source}/tokens", token).status_code == 200

        payment = merchant.payment(merchant.pay(10_000, source).json()["id"])

        assert (payment.provider, payment.route["alternatives"]) == ("stripe", [])


class TestKilledAtAnyMoment:
    @pytest.mark.parametrize(
        ("name", "status"), [("success", "CAPTURED"), ("insufficientFunds", "FAILED")]
    )
    def test_a_debit_ends_once(self, simulator: Simulator, name: str, status: str) -> None:
        def run(axe: Axe) -> None:
            merchant = make_merchant()
            source = account(merchant, name)

            def act() -> None:
                pay(merchant, source)
                simulator.settle()
                Run.objects.filter(waiting_for="bank_debit").update(next_run_at=clock.now())
                engine.sweep()

            survive(axe, act)
            truth.finish_everything()
            simulator.settle()
            Run.objects.filter(waiting_for="bank_debit").update(next_run_at=clock.now())
            payment = ended(merchant, simulator, axe.fell)
            if payment is not None:
                assert payment.status == status, axe.fell
                booked = {"capture": 1, "credit": 1} if status == "CAPTURED" else {}
                assert truth.postings_in(merchant) == booked, axe.fell

        assert at_every_moment(run) >= 11
