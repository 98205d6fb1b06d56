"""A payment that could be sent to nobody waits so long, and no longer; one that was sent, waits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from apps.core import clock
from apps.gateways.models import ProviderCall
from apps.gateways.types import Operation
from apps.payments.tests import purses, truth
from apps.payments.tests.cards import nobody_hurries, saved_card, stripe_refuses
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.test_health import CALLS, break_stripe, cool_down
from paysys.testing.paypal import PayPalSimulator
from paysys.testing.simulator import Simulator

__all__ = ["nobody_hurries"]
CONFIRM = frozenset({Operation.CONFIRM})


@pytest.fixture
def refused(simulator: Simulator) -> Iterator[None]:
    """Nobody can connect to Stripe."""
    with stripe_refuses(simulator):
        yield


def time_is_over(settings: Any) -> None:
    settings.PAYSYS_UNREACHED_SECONDS = 0


def look_again(merchant: Merchant, payment_id: str) -> str:
    """The payment's date comes, and somebody works on it; how it stands then."""
    truth.make_due(merchant.payment(payment_id))
    finish_runs()
    return str(merchant.payment(payment_id).status)


class TestAPaymentThatNobodyCouldBeAskedFor:
    @pytest.mark.usefixtures("refused")
    def test_fails_when_its_time_is_over_and_says_that_it_may_be_tried_again(
        self, merchant: Merchant, simulator: Simulator, settings: Any
    ) -> None:
        answer = merchant.pay()
        assert answer.status_code == 202
        payment_id = answer.json()["id"]
        assert look_again(merchant, payment_id) == "VALIDATED"
        time_is_over(settings)

        assert look_again(merchant, payment_id) == "FAILED"

        failure = merchant.get(f"/v1/payments/{payment_id}").json()["failure"]
        assert (failure["code"], failure["decline_code"], failure["retryable"]) == (
            *("provider_unavailable", None, True),
        )
        assert failure["suggested_action"] == "try_again_later"
        assert truth.kinds_of(merchant.payment(payment_id).id)[-1] == "payment.failed"
        assert simulator.book() == []
        truth.assert_nothing_is_left_over()

    @pytest.mark.usefixtures("refused")
    def test_lets_go_of_the_wallets_part_and_is_charged_nowhere_later(
        self, merchant: Merchant, simulator: Simulator, settings: Any
    ) -> None:
        purse = purses.wallet(merchant, 10_000)
        payment_id = merchant.pay(10_000, wallet=purse, wallet_amount=4_000).json()["id"]
        time_is_over(settings)
        look_again(merchant, payment_id)

        assert purses.inside(merchant, purse) == (10_000, 0)
        truth.finish_everything()
        assert merchant.payment(payment_id).status == "FAILED"
        assert simulator.book() == []

    def test_waits_for_a_circuit_no_longer_than_that(
        self, merchant: Merchant, simulator: Simulator, settings: Any
    ) -> None:
        settings.PAYSYS_CIRCUIT_CALLS, settings.PAYSYS_UNREACHED_SECONDS = CALLS, 15
        break_stripe(merchant, simulator, "create", "unavailable")
        before = ProviderCall.objects.count()
        payment_id = merchant.pay().json()["id"]
        run = merchant.charge_run(payment_id)
        created_at = merchant.payment(payment_id).created_at
        assert run.next_run_at == created_at + timedelta(seconds=15)
        time_is_over(settings)

        assert look_again(merchant, payment_id) == "FAILED"
        assert ProviderCall.objects.filter(payment_id=merchant.payment(payment_id).id).count() == 0
        assert ProviderCall.objects.count() == before
        cool_down()
        truth.finish_everything()
        assert simulator.charges_for(payment_id) == 0

    @pytest.mark.usefixtures("refused")
    def test_is_not_sent_elsewhere_any_more(
        self,
        merchant: Merchant,
        simulator: Simulator,
        paypal: PayPalSimulator,
        settings: Any,
    ) -> None:
        """Somebody else could take it by now, but the customer is gone."""
        card = saved_card(merchant)
        simulator.fault("paypal_token", "unavailable")
        payment_id = merchant.pay(10_000, card).json()["id"]
        assert merchant.payment(payment_id).provider == "paypal"
        time_is_over(settings)
        look_again(merchant, payment_id)
        truth.finish_everything()

        assert merchant.payment(payment_id).failure_code == "provider_unavailable"
        assert (simulator.book(), paypal.book()) == ([], [])

    @pytest.mark.usefixtures("refused")
    def test_is_tried_again_within_a_minute_as_long_as_it_waits(self, merchant: Merchant) -> None:
        payment_id = merchant.pay().json()["id"]
        for _ in range(8):
            look_again(merchant, payment_id)

        due = merchant.charge_run(payment_id).next_run_at
        assert due is not None
        assert due - clock.now() <= timedelta(seconds=60)


class TestAPaymentOfWhichThereMayBeSomething:
    @pytest.mark.parametrize(
        "kind", ["timeout_before", "timeout_after", "error_before", "error_after", "rate_limit"]
    )
    def test_is_never_given_up(
        self, merchant: Merchant, simulator: Simulator, settings: Any, kind: str
    ) -> None:
        simulator.fault("create", kind)
        payment_id = merchant.pay().json()["id"]
        time_is_over(settings)
        with stripe_refuses(simulator):
            for _ in range(3):
                look_again(merchant, payment_id)
            assert merchant.payment(payment_id).status != "FAILED"
        truth.finish_everything()

        assert merchant.payment(payment_id).status == "CAPTURED"
        assert simulator.charges_for(payment_id) == 1
        truth.assert_nothing_is_left_over()

    def test_since_its_object_is_there_is_never_given_up(
        self, merchant: Merchant, simulator: Simulator, settings: Any
    ) -> None:
        with stripe_refuses(simulator, CONFIRM):
            payment_id = merchant.pay().json()["id"]
            time_is_over(settings)
            for _ in range(2):
                assert look_again(merchant, payment_id) == "VALIDATED"
        truth.finish_everything()

        assert merchant.payment(payment_id).status == "CAPTURED"
        assert simulator.charges_for(payment_id) == 1
