"""The jobs that move balances by themselves, killed at every moment: the next one does the rest."""

from __future__ import annotations

from datetime import timedelta

import pytest

from apps.core import clock, ids
from apps.merchants.types import Interval
from apps.payments import services
from apps.payments.models import Payout, Reserve
from apps.payments.tests import truth
from apps.payments.tests.conftest import make_merchant
from apps.payments.tests.killing import Axe, at_every_moment, survive
from apps.payments.tests.tills import agree, bank, earn, standing
from paysys.testing.simulator import Simulator

NOTHING = {"pending": 0, "payable": 0, "reserve": 0, "in_transit": 0}


@pytest.mark.usefixtures("simulator")
class TestAJobThatIsKilled:
    def test_releases_and_keeps_back_once(self) -> None:
        def run(axe: Axe) -> None:
            merchant = make_merchant()
            merchant.set_plan(basis_points=0)
            agree(merchant, reserve_basis_points=1_000, reserve_days=30)
            for amount in (4_000, 6_000):
                merchant.captured(amount)

            survive(axe, lambda: services.release(now=clock.now()))

            assert truth.violations() == {}, axe.fell
            services.release(now=clock.now())
            assert standing(merchant) == {**NOTHING, "payable": 9_000, "reserve": 1_000}
            assert truth.postings_in(merchant)["release"] == 1, axe.fell
            truth.assert_nothing_is_left_over()

        assert at_every_moment(run) >= 2

    def test_frees_a_reserve_once(self) -> None:
        def run(axe: Axe) -> None:
            merchant = make_merchant()
            merchant.set_plan(basis_points=0)
            agree(merchant, reserve_basis_points=1_000, reserve_days=30)
            merchant.captured(10_000)
            services.release(now=clock.now())
            later = clock.now() + timedelta(days=31)

            survive(axe, lambda: services.release(now=later))

            assert truth.violations() == {}, axe.fell
            services.release(now=later)
            assert standing(merchant) == {**NOTHING, "payable": 10_000}, axe.fell
            assert not Reserve.objects.filter(freed_at=None).exists()
            assert truth.postings_in(merchant)["reserve_free"] == 1
            truth.assert_nothing_is_left_over()

        assert at_every_moment(run) >= 1

    def test_pays_out_once_a_day(self, simulator: Simulator) -> None:
        def run(axe: Axe) -> None:
            merchant = make_merchant()
            merchant.set_plan(basis_points=0)
            earn(merchant, 10_000)
            bank(merchant)
            agree(merchant, interval=Interval.DAILY)

            survive(axe, lambda: services.pay_out_daily(now=clock.now()))

            assert truth.violations() == {}, axe.fell
            services.pay_out_daily(now=clock.now())
            truth.finish_everything()
            assert standing(merchant) == {**NOTHING, "in_transit": 10_000}, axe.fell
            [payout] = Payout.objects.filter(book_id=merchant.book_id)
            assert (payout.status, payout.kind) == ("IN_TRANSIT", "automatic")
            assert len(simulator.payouts_for(ids.encode("po", payout.id))) == 1
            truth.assert_nothing_is_left_over()
            agree(merchant, interval=Interval.MANUAL)

        assert at_every_moment(run) >= 3
