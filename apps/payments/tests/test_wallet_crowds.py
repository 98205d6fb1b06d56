"""Many orders about one wallet at the same moment, over the API and again and again.

What the books alone must stand is in the tests of the wallets; here every refusal has its code, and
nobody hears of a deadlock.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from apps.core import clock
from apps.payments.models import Payment, Transfer
from apps.payments.tests import truth
from apps.payments.tests.conftest import Merchant
from apps.payments.tests.purses import held, inside, wallet
from apps.wallets import services as wallets
from paysys.testing.crowd import ROUNDS, crowd

pytestmark = pytest.mark.repeated


def answered(results: list[Any]) -> Counter[tuple[int, str]]:
    """How often which answer was given: its status, and the code of a refusal."""
    counted: Counter[tuple[int, str]] = Counter()
    for answer in results:
        if isinstance(answer, Exception):
            raise answer
        error = answer.json().get("error", {})
        counted[answer.status_code, error.get("code", "")] += 1
    return counted


class TestFiftyPaymentsFromAWallet:
    def test_with_enough_for_three_are_three(self, merchant: Merchant) -> None:
        with crowd(50) as people:
            for number in range(1, ROUNDS + 1):
                purse = wallet(merchant, 399)
                answers = people.at_once(lambda _, purse=purse: merchant.pay(100, purse))

                assert answered(answers) == {(201, ""): 3, (402, "insufficient_funds"): 47}
                refused = [a.json()["error"] for a in answers if a.status_code == 402]
                assert {error["available"] for error in refused} == {99}
                assert inside(merchant, purse) == (99, 0)
                assert Payment.objects.count() == 3 * number
        truth.assert_nothing_is_left_over()


class TestAHundredCapturesOfAHold:
    def test_are_one_payment(self, merchant: Merchant) -> None:
        with crowd(100) as people:
            for number in range(1, ROUNDS + 1):
                purse = wallet(merchant, 10_000)
                path = f"/v1/wallets/{purse}/holds/{held(merchant, purse, 6_000)}/capture"
                answers = people.at_once(lambda _, path=path: merchant.post(path))

                assert answered(answers) == {(201, ""): 1, (409, "hold_not_open"): 99}
                assert inside(merchant, purse) == (4_000, 0)
                assert Payment.objects.count() == number
        truth.assert_nothing_is_left_over()


class TestAHoldThatExpires:
    def test_while_it_is_captured_does_one_of_them(self, merchant: Merchant) -> None:
        later = clock.now() + timedelta(days=2)
        with crowd(4) as people:
            for _ in range(ROUNDS):
                purse = wallet(merchant, 10_000)
                path = f"/v1/wallets/{purse}/holds/{held(merchant, purse, 6_000)}/capture"

                def act(number: int, path: str = path) -> Any:
                    return merchant.post(path) if number % 2 else wallets.expire_holds(now=later)

                results = people.at_once(act)

                answers = answered(results[1::2])
                if sum(results[::2]):
                    assert (sum(results[::2]), answers) == (1, {(409, "hold_not_open"): 2})
                    assert inside(merchant, purse) == (10_000, 0)
                else:
                    assert answers == {(201, ""): 1, (409, "hold_not_open"): 1}
                    assert inside(merchant, purse) == (4_000, 0)
        truth.assert_nothing_is_left_over()


def deadlocks() -> int:
    """Met so far, the ones that were tried again included."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


class TestTransfersAgainstEachOther:
    def test_and_in_a_ring_all_arrive_and_meet_no_deadlock(self, merchant: Merchant) -> None:
        ring = [wallet(merchant, 10_000) for _ in range(3)]
        before = deadlocks()

        def act(number: int) -> Any:
            start, step = number % 3, 1 + number % 2
            body = {"to": ring[(start + step) % 3], "amount": 7}
            return merchant.post(f"/v1/wallets/{ring[start]}/transfer", body)

        with crowd(18) as people:
            for _ in range(ROUNDS):
                assert answered(people.at_once(act)) == {(201, ""): 18}

        assert deadlocks() == before
        assert [inside(merchant, purse) for purse in ring] == [(10_000, 0)] * 3
        assert Transfer.objects.count() == 18 * ROUNDS
        assert truth.violations() == {}

    def test_share_what_there_is(self, merchant: Merchant) -> None:
        """Each has enough for one: of those who want it somebody gets it, the others hear why."""
        with crowd(10) as people:
            for _ in range(ROUNDS):
                pair = [wallet(merchant, 100) for _ in range(2)]

                def act(number: int, pair: list[str] = pair) -> Any:
                    body = {"to": pair[(number + 1) % 2], "amount": 100}
                    return merchant.post(f"/v1/wallets/{pair[number % 2]}/transfer", body)

                counted = answered(people.at_once(act))
                assert counted[201, ""] >= 2
                assert set(counted) <= {(201, ""), (402, "insufficient_funds")}
                left = [inside(merchant, purse)[0] for purse in pair]
                assert sum(left) == 200
                assert min(left) >= 0
        assert truth.violations() == {}
