"""What a payment costs: which plan decides, what it comes to, and what a change cannot reach."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from apps.audit import selectors as audit
from apps.core import clock
from apps.core.errors import Conflict, InvalidRequest, NotFound
from apps.core.ids import new_id
from apps.core.money import Money
from apps.merchants import selectors, services
from apps.merchants.models import FeePlan
from apps.merchants.tests.makers import make_shop
from apps.merchants.types import fee_on

pytestmark = pytest.mark.django_db


def usd(amount: str) -> Money:
    return Money(Decimal(amount), "USD")


@pytest.fixture
def book_id():
    return make_shop().book_id


def set_plan(book_id, *, valid_from=None, method="card", currency="USD", basis_points=290, **more):
    now = clock.now()
    return services.set_fee_plan(
        book_id=book_id,
        method=method,
        currency=currency,
        basis_points=basis_points,
        valid_from=valid_from or now,
        actor="staff:1",
        now=now,
        **more,
    )


def fee(book_id, amount: Money, *, method="card", now=None) -> Money:
    return selectors.fee_for(book_id=book_id, method=method, amount=amount, now=now).fee


class TestTheFee:
    @pytest.mark.parametrize(
        ("gross", "basis_points", "fixed", "expected"),
        [
            ("100.00", 300, "0", "3.00"),
            ("100.00", 290, "0.30", "3.20"),
            ("0.50", 100, "0", "0.01"),  # half a cent goes up
            ("0.49", 100, "0", "0.00"),
            ("0.20", 290, "0.30", "0.20"),  # never above the gross
            ("0.01", 10_000, "0", "0.01"),
            ("0.01", 0, "0", "0.00"),
            ("9999999999.99", 290, "0.30", "290000000.30"),
        ],
    )
    def test_is_the_fraction_rounded_plus_the_fixed_part_within_the_gross(
        self, gross, basis_points, fixed, expected
    ):
        assert fee_on(usd(gross), basis_points=basis_points, fixed=usd(fixed)) == usd(expected)

    def test_currency_without_decimals_has_a_fee_without_decimals(self, book_id):
        assert fee(book_id, Money(1050, "JPY")) == Money(32, "JPY")

    def test_quote_holds_every_number_that_a_payment_keeps(self, book_id):
        plan = set_plan(book_id, fixed=usd("0.30"), returns_percentage=False, returns_fixed=True)
        quote = selectors.fee_for(book_id=book_id, method="card", amount=usd("100"))

        assert (quote.plan_id, quote.basis_points, quote.fixed) == (plan.id, 290, usd("0.30"))
        assert (quote.returns_percentage, quote.returns_fixed) == (False, True)

    def test_percentage_goes_back_with_a_refund_and_the_fixed_part_does_not(self, book_id):
        quote = selectors.fee_for(book_id=book_id, method="card", amount=usd("100"))
        assert (quote.returns_percentage, quote.returns_fixed) == (True, False)


class TestWhichPlanDecides:
    def test_one_plan_of_a_new_merchant_covers_everything_since_ever(self, book_id):
        long_ago = clock.now() - timedelta(days=10_000)
        assert fee(book_id, usd("100"), now=long_ago) == usd("3.00")
        assert fee(book_id, Money(100, "KWD"), method="bank") == Money(3, "KWD")

    def test_the_closest_plan_wins(self, book_id):
        set_plan(book_id, method=FeePlan.ANY, currency="USD", basis_points=200)
        assert fee(book_id, usd("100")) == usd("2.00")
        set_plan(book_id, method="card", currency=FeePlan.ANY, basis_points=150)
        assert fee(book_id, usd("100")) == usd("1.50")
        set_plan(book_id, method="card", currency="USD", basis_points=100)
        assert fee(book_id, usd("100")) == usd("1.00")
        assert fee(book_id, usd("100"), method="bank") == usd("2.00")
        assert fee(book_id, Money(100, "EUR")) == Money("1.50", "EUR")

    def test_plan_begins_at_its_moment_and_ends_with_its_successor(self, book_id):
        start = clock.now() + timedelta(days=1)
        set_plan(book_id, valid_from=start, basis_points=100)
        set_plan(book_id, valid_from=start + timedelta(days=1), basis_points=50)

        assert fee(book_id, usd("100"), now=start - timedelta(seconds=1)) == usd("3.00")
        assert fee(book_id, usd("100"), now=start) == usd("1.00")
        assert fee(book_id, usd("100"), now=start + timedelta(days=1)) == usd("0.50")

    def test_fixed_part_of_a_new_merchant_applies_in_its_own_currency_only(self):
        merchant = services.onboard(
            name="Harbor",
            country="NL",
            default_currency="EUR",
            basis_points=100,
            fixed=Money("0.25", "EUR"),
            actor="system",
            now=clock.now(),
        )
        assert fee(merchant.id, Money(100, "EUR")) == Money("1.25", "EUR")
        assert fee(merchant.id, usd("100")) == usd("1.00")

    def test_nobody_is_charged_for_what_nobody_agreed(self):
        with pytest.raises(selectors.NoFeePlan):
            fee(new_id(), usd("100"))

    def test_plan_of_another_merchant_does_not_count(self, book_id):
        set_plan(make_shop().book_id, basis_points=1)
        assert fee(book_id, usd("100")) == usd("3.00")


class TestHistory:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE merchants_fee_plan SET basis_points = 1",
            "DELETE FROM merchants_fee_plan",
            "TRUNCATE merchants_fee_plan",
        ],
    )
    def test_plan_in_use_is_never_changed(self, book_id, statement):
        with (
            pytest.raises(DatabaseError, match="append-only"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(statement)
        assert fee(book_id, usd("100")) == usd("3.00")

    def test_plan_cannot_begin_in_the_past(self, book_id):
        with pytest.raises(services.PlanInThePast):
            set_plan(book_id, valid_from=clock.now() - timedelta(seconds=1))
        assert FeePlan.objects.count() == 1

    def test_two_plans_cannot_begin_at_one_moment(self, book_id):
        start = clock.now() + timedelta(hours=1)
        set_plan(book_id, valid_from=start)
        with pytest.raises(Conflict):
            set_plan(book_id, valid_from=start, basis_points=1)
        assert fee(book_id, usd("100"), now=start) == usd("2.90")

    @pytest.mark.parametrize(
        ("wrong", "param"),
        [
            ({"currency": "XXX"}, "currency"),
            ({"basis_points": -1}, "basis_points"),
            ({"basis_points": 10_001}, "basis_points"),
            ({"fixed": usd("-0.01")}, "fixed"),
            ({"fixed": usd("0.001")}, "fixed"),
            ({"fixed": Money("0.30", "EUR")}, "fixed"),
            ({"currency": FeePlan.ANY, "fixed": usd("0.30")}, "fixed"),
        ],
    )
    def test_plan_that_cannot_be_is_refused(self, book_id, wrong, param):
        with pytest.raises(InvalidRequest) as caught:
            set_plan(book_id, **wrong)
        assert caught.value.param == param
        assert FeePlan.objects.count() == 1

    def test_plan_of_nobody_is_refused(self):
        with pytest.raises(NotFound):
            set_plan(new_id())

    def test_fixed_part_without_a_currency_is_refused_by_the_table_too(self, book_id):
        with pytest.raises(IntegrityError), transaction.atomic():
            FeePlan.objects.create(
                book_id=book_id,
                method="card",
                currency=FeePlan.ANY,
                basis_points=1,
                fixed_amount=1,
                returns_percentage=True,
                returns_fixed=True,
                valid_from=clock.now(),
            )

    def test_who_set_a_plan_is_in_the_trail(self, book_id):
        plan = set_plan(book_id)
        entry = audit.list_entries(book_id=book_id, subject_id=book_id).last()
        assert (entry.actor, entry.facts) == ("staff:1", {"plan": str(plan.id)})


@pytest.mark.django_db(transaction=True)
class TestCost:
    def test_quote_costs_a_query_and_then_none(self, book_id, django_assert_num_queries):
        selectors.plans.forget_all()
        with django_assert_num_queries(1):
            fee(book_id, usd("100"))
        with django_assert_num_queries(0):
            fee(book_id, usd("7"))
            fee(book_id, Money(7, "EUR"), method="bank")

    def test_new_plan_counts_at_once_where_it_was_set(self, book_id):
        assert fee(book_id, usd("100")) == usd("3.00")
        set_plan(book_id, basis_points=100)
        assert fee(book_id, usd("100")) == usd("1.00")


class TestInvariants:
    def test_all_of_them_hold_and_each_can_fail(self, book_id):
        def violated() -> set[str]:
            names = set()
            for invariant in selectors.INVARIANTS:
                with connection.cursor() as cursor:
                    cursor.execute(invariant.sql)
                    if cursor.fetchall():
                        names.add(invariant.name)
            return names

        assert violated() == set()
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute("DELETE FROM merchants_fee_plan")
            cursor.execute("UPDATE merchants_api_key SET digest = 'plaintext'")
            cursor.execute("SET LOCAL session_replication_role = DEFAULT")
        assert violated() == {invariant.name for invariant in selectors.INVARIANTS}
