"""The payouts that leave by themselves: once a day and currency, whatever went wrong at first."""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal

import time_machine
from django.db import connection, connections

from apps.core import clock, ids
from apps.merchants import services as merchants
from apps.merchants.types import Interval
from apps.payments import services, tasks
from apps.payments.models import Payout
from apps.payments.tests import truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.test_releases import DAY, release
from apps.payments.tests.tills import FAILS, agree, bank, earn, end, standing
from apps.sagas import services as sagas
from apps.sagas.models import Run


class TestDaily:
    def daily(self, merchant: Merchant, **terms: object) -> None:
        agree(merchant, interval=Interval.DAILY, **terms)

    def test_pays_all_that_is_payable_once_a_day(self, merchant, simulator):
        self.daily(merchant)
        merchant.captured(10_000)
        release()
        bank(merchant)
        tasks.pay_out_daily()
        finish_runs()

        (made,) = Payout.objects.all()
        assert (made.kind, made.status) == ("automatic", "IN_TRANSIT")
        assert made.amount == Decimal(97)
        merchant.captured(10_000)
        release()
        tasks.pay_out_daily()
        assert Payout.objects.count() == 1

        with time_machine.travel(clock.now() + DAY, tick=False):
            assert services.pay_out_daily(now=clock.now()) == 1
        assert standing(merchant)["payable"] == 0
        assert truth.violations() == {}

    def test_each_currency_by_itself(self, merchant):
        self.daily(merchant)
        merchant.captured(10_000)
        merchant.pay(10_000, currency="EUR")
        finish_runs()
        release()
        bank(merchant)
        bank(merchant, currency="EUR")
        with time_machine.travel(clock.now() + 2 * DAY, tick=False):
            assert services.pay_out_daily(now=clock.now()) == 2

    def test_below_the_minimum_it_waits_for_more(self, merchant):
        self.daily(merchant, minimums={"USD": 1_000})
        bank(merchant)
        merchant.captured(1_000)
        release()
        assert services.pay_out_daily(now=clock.now()) == 0
        merchant.captured(1_000)
        release()
        assert services.pay_out_daily(now=clock.now()) == 1

    def test_manual_suspended_and_accountless_merchants_are_not_paid(
        self, merchant, other_merchant
    ):
        earn(merchant, 1_000)
        bank(merchant)
        self.daily(other_merchant)
        other_merchant.captured(1_000)
        release()
        assert services.pay_out_daily(now=clock.now()) == 0

        bank(other_merchant)
        merchants.change_status(
            book_id=other_merchant.book_id, status="SUSPENDED", actor="staff:1", now=clock.now()
        )
        assert services.pay_out_daily(now=clock.now()) == 0
        assert not Payout.objects.exists()

    def test_one_merchants_trouble_is_not_anothers(self, merchant, other_merchant, monkeypatch):
        for each in (merchant, other_merchant):
            self.daily(each)
            each.captured(1_000)
            bank(each)
        release()
        real = services.payouts.records.insert_payout

        def fail(made: Payout, **more: object) -> None:
            if made.book_id == merchant.book_id:
                raise RuntimeError("planted")
            real(made, **more)

        monkeypatch.setattr(services.payouts.records, "insert_payout", fail)
        assert services.pay_out_daily(now=clock.now()) == 1
        assert Payout.objects.get().book_id == other_merchant.book_id
        assert truth.violations() == {}

    def test_a_database_lost_in_between_keeps_no_other_from_it(
        self, merchant, other_merchant, monkeypatch
    ):
        """The first is made, and the connection is gone before its run is handed over."""
        for each in (merchant, other_merchant):
            self.daily(each)
            each.captured(1_000)
            bank(each)
        release()
        real, handed = sagas.hand_over, []

        def hand_over(run: Run) -> None:
            handed.append(run.id)
            if len(handed) == 1:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            real(run)

        monkeypatch.setattr(sagas, "hand_over", hand_over)
        assert services.pay_out_daily(now=clock.now()) == 1
        assert len(handed) == 2
        assert Payout.objects.count() == 2, "nobody is paid again for it"
        assert services.pay_out_daily(now=clock.now()) == 0
        truth.finish_everything()
        assert set(Payout.objects.values_list("status", flat=True)) == {"IN_TRANSIT"}
        assert truth.violations() == {}

    def test_who_was_not_paid_at_first_is_paid_later_that_day(self, merchant):
        self.daily(merchant)
        merchant.captured(1_000)
        release()
        assert services.pay_out_daily(now=clock.now()) == 0, "there is no account yet"
        bank(merchant)
        assert services.pay_out_daily(now=clock.now()) == 1

    def test_one_that_failed_is_not_made_again_that_day(self, merchant, simulator):
        self.daily(merchant)
        merchant.captured(1_000)
        release()
        bank(merchant, FAILS)
        tomorrow = (clock.now() + DAY).replace(hour=0, minute=0, second=0, microsecond=0)
        with time_machine.travel(tomorrow + timedelta(minutes=40), tick=False):
            assert services.pay_out_daily(now=clock.now()) == 1
        truth.finish_everything()
        end(simulator, merchant, ids.encode("po", Payout.objects.get().id), "fail")
        assert standing(merchant)["payable"] == 970

        with time_machine.travel(tomorrow + timedelta(hours=23, minutes=59), tick=False):
            assert services.pay_out_daily(now=clock.now()) == 0
        with time_machine.travel(tomorrow + DAY, tick=False):
            assert services.pay_out_daily(now=clock.now()) == 1, "the next day begins, in UTC"

    def test_two_jobs_at_once_pay_once(self, merchant):
        self.daily(merchant)
        merchant.captured(1_000)
        bank(merchant)
        release()
        barrier, made = threading.Barrier(3), []

        def work() -> None:
            try:
                barrier.wait(timeout=10)
                made.append(services.pay_out_daily(now=clock.now()))
            finally:
                connections.close_all()

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)

        assert sorted(made) == [0, 0, 1]
        assert Payout.objects.count() == 1
