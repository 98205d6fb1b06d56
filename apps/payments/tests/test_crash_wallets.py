"""Payments that wallets take part in, killed at every moment: whole or nothing, and once."""

from __future__ import annotations

import pytest

from apps.payments import services
from apps.payments.tests import purses, truth
from apps.payments.tests.conftest import make_merchant
from apps.payments.tests.killing import Axe, at_every_moment, survive
from apps.payments.tests.test_crash import ended, give_back, order, pay
from paysys.testing.simulator import Simulator

DECLINES = "pm_card_visa_chargeDeclined"


class TestAWalletsPayment:
    def test_is_whole_or_was_never_made(self, simulator: Simulator) -> None:
        def run(axe: Axe) -> None:
            merchant = make_merchant()
            purse = purses.wallet(merchant, 15_000)
            survive(axe, lambda: pay(merchant, purse))
            payment = ended(merchant, simulator, axe.fell)
            left = 5_000 if payment else 15_000
            assert purses.inside(merchant, purse) == (left, 0), axe.fell
            assert payment is None or payment.status == "SETTLED"

        assert at_every_moment(run) >= 2

    def test_given_back_goes_into_it_once(self, simulator: Simulator) -> None:
        def run(axe: Axe) -> None:
            merchant = make_merchant()
            purse = purses.wallet(merchant, 10_000)
            before = merchant.payment(truth.public(pay(merchant, purse)))
            survive(axe, lambda: give_back(before, 4_000))
            payment = ended(merchant, simulator, axe.fell)
            assert payment is not None
            assert purses.inside(merchant, purse) == (100 * payment.amount_refunded, 0), axe.fell
            assert payment.amount_refunded == payment.refund_reserved

        assert at_every_moment(run) >= 3


class TestASplitPayment:
    def test_is_made_once(self, simulator: Simulator) -> None:
        def run(axe: Axe) -> None:
            merchant = make_merchant()
            purse = purses.wallet(merchant, 4_000)
            survive(axe, lambda: pay(merchant, wallet=purse))
            payment = ended(merchant, simulator, axe.fell)
            if payment is None:
                assert purses.inside(merchant, purse) == (4_000, 0), axe.fell
            else:
                assert (payment.status, payment.wallet_captured) == ("CAPTURED", 40), axe.fell
                assert purses.inside(merchant, purse) == (0, 0), axe.fell

        assert at_every_moment(run) >= 8

    def test_whose_card_declines_gives_the_wallet_its_part_back(self, simulator: Simulator) -> None:
        def run(axe: Axe) -> None:
            merchant = make_merchant()
            purse = purses.wallet(merchant, 4_000)
            survive(axe, lambda: pay(merchant, DECLINES, wallet=purse))
            payment = ended(merchant, simulator, axe.fell)
            assert payment is None or payment.status == "FAILED", axe.fell
            assert purses.inside(merchant, purse) == (4_000, 0), axe.fell

        assert at_every_moment(run) >= 8

    @pytest.mark.parametrize(("amount", "left"), [(6_000, 0), (3_000, 1_000)])
    def test_captured_in_part_takes_the_wallet_first(
        self, simulator: Simulator, amount: int, left: int
    ) -> None:
        """Of 3,000 the card pays nothing: it is given up."""

        def run(axe: Axe) -> None:
            merchant = make_merchant()
            purse = purses.wallet(merchant, 4_000)
            paid = truth.public(pay(merchant, wallet=purse, manual=True))
            before = merchant.payment(paid)
            survive(axe, lambda: order(services.order_capture, before, amount_minor=amount))
            payment = ended(merchant, simulator, axe.fell)
            assert payment is not None
            if payment.capture_requested_amount is None:
                assert purses.inside(merchant, purse) == (0, 4_000), axe.fell
            else:
                assert purses.inside(merchant, purse) == (left, 0), axe.fell
                assert payment.amount_captured == amount / 100

        assert at_every_moment(run) >= 6

    def test_given_back_reaches_both_once(self, simulator: Simulator) -> None:
        def run(axe: Axe) -> None:
            merchant = make_merchant()
            purse = purses.wallet(merchant, 4_000)
            before = merchant.payment(truth.public(pay(merchant, wallet=purse)))
            survive(axe, lambda: give_back(before, None))
            payment = ended(merchant, simulator, axe.fell)
            assert payment is not None
            is_back = payment.status == "REFUNDED"
            assert purses.inside(merchant, purse) == (4_000 if is_back else 0, 0), axe.fell
            outside = simulator.effects(truth.public_id(payment))
            assert outside["amount_refunded"] == (6_000 if is_back else 0), axe.fell

        assert at_every_moment(run) >= 5


class TestATopUp:
    def test_arrives_once(self, simulator: Simulator) -> None:
        def run(axe: Axe) -> None:
            merchant = make_merchant()
            purse = purses.wallet(merchant)
            survive(axe, lambda: pay(merchant, destination=purse))
            payment = ended(merchant, simulator, axe.fell)
            assert purses.inside(merchant, purse) == (10_000 if payment else 0, 0), axe.fell

        assert at_every_moment(run) >= 8
