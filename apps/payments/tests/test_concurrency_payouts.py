"""Payouts, withdrawals and whatever else wants the same money, at the very same moment."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from apps.core import clock
from apps.ledger import chart
from apps.ledger import selectors as ledger
from apps.merchants.types import Interval
from apps.payments import services
from apps.payments.models import Payout
from apps.payments.tests import news, purses, truth
from apps.payments.tests.conftest import Merchant, make_merchant
from apps.payments.tests.objections import DISPUTED, open_dispute, usd
from apps.payments.tests.test_withdrawals import owner_of, withdraw
from apps.payments.tests.tills import agree, bank, earn, paid_out, pay_out, payout, standing
from apps.sagas import services as engine
from paysys.testing.crowd import ROUNDS, crowd
from paysys.testing.simulator import Simulator

pytestmark = pytest.mark.repeated
GRANTED = (200, 201, 202)


def with_payable(minor: int) -> tuple[Merchant, str]:
    """A merchant with so much payable, all of it from one payment, and a bank account."""
    merchant = make_merchant()
    merchant.set_plan(basis_points=0)
    (payment,) = earn(merchant, minor)
    bank(merchant)
    return merchant, payment


def answers_of(results: list[Any]) -> Counter[str]:
    """How many were granted, and how many refused with which code; nothing else may come."""
    found: Counter[str] = Counter()
    for result in results:
        if isinstance(result, Exception):
            raise result
        is_granted = result.status_code in GRANTED
        found["granted" if is_granted else result.json()["error"]["code"]] += 1
    return found


def taken_by_payouts(merchant: Merchant) -> int:
    found = Payout.objects.filter(book_id=merchant.book_id, wallet_id=None)
    return sum(int(each.amount * 100) for each in found)


def lowest_after_a_payout(merchant: Merchant) -> int:
    """The least that a payout has left of what was payable, in the order of the books."""
    found = ledger.statement(
        book_id=merchant.book_id, codes=[chart.MERCHANT_PAYABLE], currency="USD"
    )
    left = [line.balance.amount for line in found.lines if line.kind == "payout_reserve"]
    return int(min(left, default=0) * 100)


def assert_all_ends_well() -> None:
    truth.wait_for_the_pool()
    truth.finish_everything()
    truth.assert_nothing_is_left_over()


@pytest.mark.usefixtures("simulator")
class TestPayouts:
    def test_at_once_never_take_the_same_money(self) -> None:
        """Of 100.00: parts of 30.00, and everything that is there."""

        def act(number: int) -> Any:
            return pay_out(merchant, 3_000 if number % 2 else None)

        with crowd(8) as people:
            for _ in range(ROUNDS):
                merchant, _payment = with_payable(10_000)

                results = people.at_once(act)

                said = answers_of(results)
                assert set(said) == {"granted", "payout_exceeds_payable"}
                assert 1 <= said["granted"] <= 4
                assert taken_by_payouts(merchant) + standing(merchant)["payable"] == 10_000
                assert lowest_after_a_payout(merchant) >= 0
        assert_all_ends_well()

    def test_refund_dispute_and_release_at_once_take_or_bring_what_is_theirs(
        self, simulator: Simulator
    ) -> None:
        """Outside facts always land, before or after; a payout takes only what is there."""

        def act(number: int) -> Any:
            if number < 3:
                return pay_out(merchant, 6_000 if number else None)
            if number == 3:
                return merchant.post(f"/v1/payments/{payment}/refund", {"amount": 5_000})
            if number == 4:
                return services.release(now=clock.now())
            news.apply_all()
            return engine.sweep()

        with crowd(7) as people:
            for _ in range(ROUNDS):
                merchant, payment = with_payable(10_000)
                (other,) = earn(merchant, 3_000)
                merchant.captured(2_000)
                reference = open_dispute(simulator, other)
                for event in simulator.events(object_id=reference):
                    news.post(simulator.deliver(event))

                results = people.at_once(act)

                said = answers_of(results[:4])
                assert set(said) <= {"granted", "payout_exceeds_payable", "balance_negative"}
                assert results[3].status_code in GRANTED
                assert not any(isinstance(result, Exception) for result in results)
                truth.wait_for_the_pool()
                news.apply_all()
                truth.finish_everything()
                now = standing(merchant)
                assert now["payable"] == 15_000 - 5_000 - 3_000 - taken_by_payouts(merchant)
                assert (now["pending"], lowest_after_a_payout(merchant) >= 0) == (0, True)
                assert merchant.balance(DISPUTED) == usd("30.00")
        assert_all_ends_well()

    def test_that_leave_by_themselves_leave_once_a_day(self) -> None:
        with crowd(4) as people:
            for _ in range(ROUNDS):
                merchant, _payment = with_payable(10_000)
                agree(merchant, interval=Interval.DAILY)

                results = people.at_once(lambda _: services.pay_out_daily(now=clock.now()))

                assert sorted(results) == [0, 0, 0, 1]
                assert taken_by_payouts(merchant) == 10_000
                agree(merchant, interval=Interval.MANUAL)
        assert_all_ends_well()

    def test_news_of_a_return_credits_once_while_others_pay_out(self, simulator: Simulator) -> None:
        def act(number: int) -> Any:
            if number < 2:
                return pay_out(merchant)
            return news.apply_all() if number < 4 else engine.sweep()

        with crowd(6) as people:
            for _ in range(ROUNDS):
                merchant, _payment = with_payable(10_000)
                public_id = paid_out(merchant)
                reference = payout(merchant, public_id).provider_reference
                simulator.end_payout(reference, "pay")
                truth.make_payouts_due()
                truth.finish_everything()
                simulator.end_payout(reference, "return")
                [event] = simulator.events("payout.failed", object_id=reference)
                news.post(simulator.deliver(event))

                said = answers_of(people.at_once(act)[:2])

                assert set(said) <= {"granted", "payout_exceeds_payable"}
                truth.wait_for_the_pool()
                news.apply_all()
                truth.finish_everything()
                assert payout(merchant, public_id).status == "RETURNED"
                # What came back is there, or on its way again, once.
                again = taken_by_payouts(merchant) - 10_000
                assert (again, standing(merchant)["payable"]) in ((0, 10_000), (10_000, 0))
                assert truth.postings_in(merchant)["payout_return"] == 1
        assert_all_ends_well()


@pytest.mark.usefixtures("simulator")
class TestWithdrawals:
    def test_spends_and_transfers_of_60_out_of_100_at_once_are_one(self) -> None:
        def act(number: int) -> Any:
            if number % 3 == 0:
                return withdraw(merchant, purse, 6_000)
            if number % 3 == 1:
                return merchant.pay(6_000, purse)
            return merchant.post(f"/v1/wallets/{purse}/transfer", {"to": other, "amount": 6_000})

        with crowd(6) as people:
            for _ in range(ROUNDS):
                merchant = make_merchant()
                purse, other = purses.wallet(merchant, 10_000), purses.wallet(merchant)
                bank(merchant, customer_id=owner_of(purse))

                results = people.at_once(act)

                assert answers_of(results) == {"granted": 1, "insufficient_funds": 5}
                assert purses.inside(merchant, purse) == (4_000, 0)
        assert_all_ends_well()

    def test_and_a_freeze_at_once_leave_it_whole(self) -> None:
        """Either the money left before, or it did not leave."""

        def act(number: int) -> Any:
            if number:
                return withdraw(merchant, purse, 3_000)
            return merchant.post(f"/v1/wallets/{purse}/freeze")

        with crowd(4) as people:
            for _ in range(ROUNDS):
                merchant = make_merchant()
                purse = purses.wallet(merchant, 10_000)
                bank(merchant, customer_id=owner_of(purse))

                said = answers_of(people.at_once(act))

                assert set(said) <= {"granted", "wallet_frozen"}
                left = Payout.objects.filter(book_id=merchant.book_id).count()
                assert said["granted"] == 1 + left
                assert purses.inside(merchant, purse) == (10_000 - 3_000 * left, 0)
                assert withdraw(merchant, purse, 1).status_code == 409
        assert_all_ends_well()
