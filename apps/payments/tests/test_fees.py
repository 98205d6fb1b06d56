"""The fee's way back: in cumulative shares, to the last unit and never more."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from apps.core import clock
from apps.core.money import from_minor, to_minor
from apps.merchants import services as merchants
from apps.payments import fees, fx, services
from apps.payments.models import Payment
from apps.payments.tests import truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.rows import payment_row
from apps.payments.tests.test_refunds import refund, usd

CODES = st.sampled_from(["JPY", "USD", "KWD"])  # no decimals, two, three


def converted_payment(pair: tuple[str, str], units: int, mid: Decimal, spread: int) -> Payment:
    """Captured in the first currency and, if it is another, credited in the second one."""
    whole = from_minor(units, pair[0]).amount
    is_converted = pair[0] != pair[1]
    return payment_row(
        "CAPTURED",
        currency=pair[0],
        credit_currency=pair[1],
        amount=whole,
        amount_authorized=whole,
        amount_captured=whole,
        rate_mid=mid if is_converted else None,
        rate=fx.less_spread(mid, spread) if is_converted else None,
    )


class TestTheShareOfTheFee:
    def payment(self, captured: int, returnable: int) -> Payment:
        whole = Decimal(captured)
        return payment_row(
            "CAPTURED",
            currency="JPY",
            amount=whole,
            amount_authorized=whole,
            amount_captured=whole,
            fee=Decimal(returnable),
            fee_returnable=Decimal(returnable),
        )

    @settings(max_examples=200, deadline=None)
    @given(
        captured=st.integers(1, 5_000),
        share=st.integers(0, 100),
        parts=st.lists(st.integers(1, 1_000), max_size=20),
    )
    def test_of_all_parts_is_the_whole_and_never_more_on_the_way(
        self, captured: int, share: int, parts: list[int]
    ) -> None:
        payment = self.payment(captured, captured * share // 100)
        for part in (*parts, captured):
            refunded = min(part, captured - int(payment.refund_reserved))
            amount = payment.money(Decimal(refunded))
            returned = fees.returned_by(payment, amount, taken=amount).amount
            assert 0 <= returned <= refunded
            payment.refund_reserved += refunded
            payment.fee_returned += returned
            assert payment.fee_returned <= payment.fee_returnable

        assert payment.refund_reserved == captured
        assert payment.fee_returned == payment.fee_returnable

    @settings(max_examples=300, deadline=None)
    @given(
        pair=st.tuples(CODES, CODES),
        captured=st.integers(1, 10**12),
        mid=st.decimals("0.0001", 10_000, places=4),
        spread=st.integers(0, 1_000),
        points=st.integers(0, 10_000),
        fixed=st.integers(0, 5_000),
        smallest=st.integers(0, 5_000),
        returns=st.tuples(st.booleans(), st.booleans()),
        cuts=st.lists(st.integers(1, 10**12), max_size=8),
    )
    @example(
        pair=("JPY", "KWD"),
        captured=1,
        mid=Decimal("0.0001"),
        spread=1_000,
        points=10_000,
        fixed=5_000,
        smallest=5_000,
        returns=(True, True),
        cuts=[],
    )
    def test_and_what_was_credited_come_back_whole_in_any_currencies_and_at_any_rate(
        self,
        pair: tuple[str, str],
        captured: int,
        mid: Decimal,
        spread: int,
        points: int,
        fixed: int,
        smallest: int,
        returns: tuple[bool, bool],
        cuts: list[int],
    ) -> None:
        payment = converted_payment(pair, captured, mid, spread)
        payment.fee_basis_points = points
        payment.fee_fixed = from_minor(fixed, pair[1]).amount
        payment.fee_minimum = from_minor(smallest, pair[1]).amount
        payment.fee_returns_percentage, payment.fee_returns_fixed = returns
        fees.charge(payment)
        assert payment.fee_returnable <= payment.fee <= payment.amount_credited

        edges = [0, *sorted({cut for cut in cuts if cut < captured}), captured]
        for start, end in pairwise(edges):
            amount = from_minor(end - start, pair[0])
            taken = fees.borne_by(payment, amount)
            returned = fees.returned_by(payment, amount, taken=taken)
            assert to_minor(taken) >= to_minor(returned) >= 0  # and whole: `to_minor` says so
            payment.refund_reserved += amount.amount
            payment.credit_returned += taken.amount
            payment.fee_returned += returned.amount
            assert payment.credit_returned <= payment.amount_credited
            assert payment.fee_returned <= payment.fee_returnable

        assert payment.credit_returned == payment.amount_credited
        assert payment.fee_returned == payment.fee_returnable

    @settings(max_examples=200, deadline=None)
    @given(
        captured=st.integers(1, 300),
        share=st.integers(0, 100),
        moves=st.lists(st.tuples(st.booleans(), st.integers(1, 300)), max_size=12),
    )
    @example(captured=100, share=3, moves=[(False, 49), (False, 2), (True, 0), (False, 1)])
    @example(
        captured=10,
        share=50,
        moves=[*[(False, 1)] * 8, *[(True, n) for n in (0, 1, 2, 3)], (False, 1)],
    )
    def test_stays_within_its_bounds_when_refunds_fail_in_between(
        self, captured: int, share: int, moves: list[tuple[bool, int]]
    ) -> None:
        payment = self.payment(captured, captured * share // 100)
        refunds: list[tuple[int, Decimal]] = []
        for is_failure, size in moves:
            left = captured - int(payment.refund_reserved)
            if is_failure and refunds:
                part, returned = refunds.pop(size % len(refunds))
                payment.refund_reserved -= part
                payment.fee_returned -= returned
            elif left:
                part = min(size, left)
                amount = payment.money(Decimal(part))
                returned = fees.returned_by(payment, amount, taken=amount).amount
                assert 0 <= returned <= part
                payment.refund_reserved += part
                payment.fee_returned += returned
                refunds.append((part, returned))
            assert 0 <= payment.fee_returned <= payment.fee_returnable

    @settings(
        max_examples=8,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(cuts=st.sets(st.integers(1, 9_998), max_size=4))
    def test_comes_back_to_the_books_to_the_last_unit(
        self, merchant: Merchant, cuts: set[int]
    ) -> None:
        payment_id = merchant.captured(9_999)
        edges = [0, *sorted(cuts), 9_999]
        earned = merchant.balance("platform:fees")

        answers = [
            refund(merchant, payment_id, end - start).json() for start, end in pairwise(edges)
        ]

        assert sum(answer["fee_returned"] for answer in answers) == 300
        assert earned - merchant.balance("platform:fees") == usd("3.00")
        assert merchant.payment(payment_id).status == "REFUNDED"
        assert truth.violations() == {}

    @pytest.mark.parametrize(
        ("returns", "fee_returned"),
        [
            ({"returns_percentage": True, "returns_fixed": True}, 350),
            ({"returns_percentage": True, "returns_fixed": False}, 300),
            ({"returns_percentage": False, "returns_fixed": True}, 50),
            ({"returns_percentage": False, "returns_fixed": False}, 0),
        ],
    )
    def test_is_of_the_parts_that_the_plan_returns(
        self, merchant: Merchant, returns: dict[str, bool], fee_returned: int
    ) -> None:
        merchant.set_plan(fixed="0.50", **returns)
        payment_id = merchant.captured(10_000)

        answer = refund(merchant, payment_id)

        assert answer.json()["fee_returned"] == fee_returned
        assert truth.violations() == {}

    def test_of_a_fee_as_large_as_the_payment_comes_back_whole(self, merchant: Merchant) -> None:
        merchant.set_plan(fixed="5.00", returns_fixed=True)
        payment_id = merchant.captured(60)

        assert refund(merchant, payment_id, 20).json()["fee_returned"] == 20
        assert refund(merchant, payment_id).json()["fee_returned"] == 40


class TestTheMoneyOutBudget:
    def test_is_what_was_captured_plus_what_went_out_beyond_it(self) -> None:
        payment = payment_row(
            "DISPUTED",
            refund_reserved=Decimal(30),
            amount_disputed=Decimal(100),
            amount_excess=Decimal(30),
        )

        assert payment.refundable == 0
        assert services.RefundTooLarge.status == 409


class TestThePlanOfTheCard:
    def set_plan(self, merchant: Merchant, country: str = "*", **numbers: Any) -> None:
        now = clock.now()
        merchants.set_fee_plan(
            book_id=merchant.book_id,
            method="card",
            currency="USD",
            country=country,
            valid_from=now,
            actor="system",
            now=now,
            **numbers,
        )

    def test_is_taken_over_once_the_card_is_known(self, merchant: Merchant) -> None:
        self.set_plan(merchant, "DE", basis_points=150)
        self.set_plan(merchant, "FR", basis_points=450)

        fees_of = [
            merchant.payment(merchant.captured(10_000, source)).fee
            for source in ("pm_card_de", "pm_card_fr", "pm_card_visa")
        ]
        assert fees_of == [Decimal("1.50"), Decimal("4.50"), Decimal("3.00")]
        truth.assert_nothing_is_left_over()

    def test_is_that_of_whose_money_it_spends(self, merchant: Merchant) -> None:
        self.set_plan(merchant, funding="debit", basis_points=100)
        self.set_plan(merchant, funding="prepaid", basis_points=400)

        found = [
            merchant.payment(merchant.captured(10_000, source))
            for source in ("pm_card_visa_debit", "pm_card_mastercard_prepaid", "pm_card_visa")
        ]
        assert [(payment.card["funding"], payment.fee) for payment in found] == [
            ("debit", Decimal("1.00")),
            ("prepaid", Decimal("4.00")),
            ("credit", Decimal("3.00")),
        ]
        truth.assert_nothing_is_left_over()

    @pytest.mark.parametrize(
        ("amount", "fee"), [(10_000, "2.00"), (5_000, "1.50"), (1_000, "1.00"), (60, "0.60")]
    )
    def test_has_a_minimum_and_a_cap_which_never_exceed_the_gross(
        self, merchant: Merchant, amount: int, fee: str
    ) -> None:
        self.set_plan(merchant, "US", basis_points=300, minimum=usd("1.00"), cap=usd("2.00"))

        assert merchant.payment(merchant.captured(amount)).fee == Decimal(fee)
        truth.assert_nothing_is_left_over()

    def test_that_begins_later_does_not_reach_a_payment_made_before(
        self, merchant: Merchant
    ) -> None:
        payment_id = str(merchant.pay(capture_method="manual").json()["id"])
        self.set_plan(merchant, "US", basis_points=1_000)
        merchant.post(f"/v1/payments/{payment_id}/capture")
        finish_runs()

        assert merchant.payment(payment_id).fee == Decimal("3.00")
