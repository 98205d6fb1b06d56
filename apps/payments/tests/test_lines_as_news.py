"""What a statement says that no webhook has said: what failed, and what was done elsewhere."""

from __future__ import annotations

from datetime import timedelta

import pytest

from apps.core import clock
from apps.payments import services
from apps.payments.models import SettlementLine
from apps.payments.tests import news, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.objections import CLEARING, make_the_balance_positive, usd
from apps.payments.tests.test_paypal import approve, order_of
from apps.payments.tests.tills import bank, bank_says, earn, paid_out, payout
from paysys.testing.paypal import PayPalSimulator
from paysys.testing.simulator import Simulator


def settle_paypal(simulator: Simulator, paypal: PayPalSimulator) -> int:
    paypal.pay_out()
    simulator.advance_clock(paypal.reporting_delay_seconds)
    since, now = clock.now() - timedelta(days=1), clock.now()
    return services.settle(provider="paypal", since=since, now=now)


class TestARefundThatFailed:
    """Its webhook is lost; the line says so, and the provider is asked."""

    def test_is_asked_about_when_its_line_is_settled(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(50_000, "pm_card_refundFail")
        refund_id = merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 10_000}).json()[
            "id"
        ]
        simulator.settle()
        assert merchant.refund(refund_id).status == "SUCCEEDED"

        truth.settle(simulator)
        finish_runs()

        assert merchant.refund(refund_id).status == "FAILED"
        assert merchant.balance(CLEARING) == usd("0.00")
        truth.assert_told_once(merchant, simulator, payment_id)

    def test_is_asked_about_whose_line_names_none_but_says_how_much(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator
    ) -> None:
        """As PayPal's line of the money that came back does."""
        payment_id = merchant.pay(10_000, "paypal").json()["id"]
        approve(merchant, paypal, payment_id)
        for amount in (4_000, 3_000):
            merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": amount})
        finish_runs()
        failed, stands = truth.refunds_of(merchant, payment_id)
        paypal.fail_refund(failed.provider_reference)

        settle_paypal(simulator, paypal)
        finish_runs()

        assert merchant.refund(truth.public_refund(failed)).status == "FAILED"
        assert merchant.refund(truth.public_refund(stands)).status == "SUCCEEDED"
        assert merchant.balance("provider:paypal:clearing") == usd("0.00")
        assert order_of(paypal)["refunds"][0]["status"] == "FAILED"
        truth.assert_nothing_is_left_over()


class TestAPayoutThatCameBack:
    def test_is_asked_about_when_its_line_is_settled(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        earn(merchant, 50_000)
        bank(merchant)
        public_id = paid_out(merchant, 10_000)
        bank_says(simulator, merchant, public_id, "pay")
        news.tell(simulator, "payout.paid")
        finish_runs()
        assert payout(merchant, public_id).status == "PAID"
        bank_says(simulator, merchant, public_id, "return")

        truth.settle(simulator)
        finish_runs()

        assert payout(merchant, public_id).status == "RETURNED"
        truth.assert_nothing_is_left_over()


class TestARefundThatWasMadeElsewhere:
    def test_is_not_settled_as_if_it_were_ours_and_a_person_hears_of_it(
        self, merchant: Merchant, simulator: Simulator, caplog: pytest.LogCaptureFixture
    ) -> None:
        payment_id = merchant.captured(10_000)
        make_the_balance_positive(merchant)
        news.refund_outside(simulator, payment_id)

        assert truth.settle(simulator) == 2
        assert truth.book_statement() == 0

        assert set(SettlementLine.objects.values_list("kind", flat=True)) == {"charge"}
        assert merchant.balance(CLEARING) == usd("0.00")
        assert caplog.text.count("payments.line_of_a_refund_made_elsewhere") == 2
        assert merchant.payment(payment_id).amount_refunded == 0
        assert truth.violations() == {}

    def test_is_not_said_of_one_of_ours_whose_answer_is_on_its_way(
        self, merchant: Merchant, simulator: Simulator, caplog: pytest.LogCaptureFixture
    ) -> None:
        payment_id = merchant.captured(10_000)
        make_the_balance_positive(merchant)
        simulator.fault("refund", "reset_after")
        merchant.post(f"/v1/payments/{payment_id}/refund")

        assert truth.settle(simulator) == 2
        truth.finish_everything()
        assert truth.book_statement() == 1

        assert "made_elsewhere" not in caplog.text
        assert merchant.balance(CLEARING) == usd("0.00")
        truth.assert_told_once(merchant, simulator, payment_id, alone=False)
