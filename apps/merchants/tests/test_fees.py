"""What a payment costs: which plan decides, what it comes to, and what a change cannot reach."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from apps.audit import selectors as audit
from apps.core import clock
from apps.core.errors import Conflict, InvalidRequest, NotFound
from apps.core.ids import new_id
from apps.core.money import Money, from_minor, to_minor
from apps.merchants import selectors, services
from apps.merchants.models import BankAccount, FeePlan
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


def fee(book_id, amount: Money, *, method="card", country="", funding="", now=None) -> Money:
    quote = selectors.fee_for(
        book_id=book_id, method=method, amount=amount, country=country, funding=funding, now=now
    )
    return quote.fee


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

    @pytest.mark.parametrize(
        ("gross", "minimum", "cap", "expected"),
        [
            ("100.00", "0", None, "3.00"),
            ("100.00", "5.00", None, "5.00"),
            ("100.00", "0", "2.00", "2.00"),
            ("100.00", "1.00", "2.00", "2.00"),
            ("10.00", "1.00", "2.00", "1.00"),
            ("50.00", "1.00", "2.00", "1.50"),
            ("0.40", "1.00", "2.00", "0.40"),  # the minimum is never above the gross either
            ("100.00", "0", "0", "0.00"),
        ],
    )
    def test_is_within_the_plans_minimum_and_cap(self, gross, minimum, cap, expected):
        fee = fee_on(
            usd(gross),
            basis_points=300,
            fixed=usd("0"),
            minimum=usd(minimum),
            cap=None if cap is None else usd(cap),
        )
        assert fee == usd(expected)

    @given(
        code=st.sampled_from(["JPY", "USD", "KWD", "CLP", "MRU", "BHD", "EUR"]),
        units=st.integers(0, 10**12),
        basis_points=st.integers(0, 10_000),
        fixed=st.integers(0, 10**6),
        minimum=st.integers(0, 10**6),
        above=st.none() | st.integers(0, 10**6),
    )
    def test_is_whole_and_within_all_its_bounds(
        self, code, units, basis_points, fixed, minimum, above
    ):
        gross = from_minor(units, code)
        cap = None if above is None else from_minor(minimum + above, code)
        fee = fee_on(
            gross,
            basis_points=basis_points,
            fixed=from_minor(fixed, code),
            minimum=from_minor(minimum, code),
            cap=cap,
        )

        assert fee.currency == gross.currency
        assert 0 <= to_minor(fee) <= units  # and `to_minor` refuses what is not whole
        assert to_minor(fee) >= min(minimum, units)
        assert cap is None or fee <= cap

    def test_currency_without_decimals_has_a_fee_without_decimals(self, book_id):
        assert fee(book_id, Money(1050, "JPY")) == Money(32, "JPY")

    def test_quote_holds_every_number_that_a_payment_keeps(self, book_id):
        plan = set_plan(
            book_id,
            fixed=usd("0.30"),
            minimum=usd("1"),
            cap=usd("3"),
            returns_percentage=False,
            returns_fixed=True,
        )
        quote = selectors.fee_for(book_id=book_id, method="card", amount=usd("100"))

        assert (quote.plan_id, quote.basis_points, quote.fixed) == (plan.id, 290, usd("0.30"))
        assert (quote.minimum, quote.cap, quote.fee) == (usd("1"), usd("3"), usd("3"))
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

    def test_method_tells_more_than_currency_and_currency_more_than_country(self, book_id):
        any_ = FeePlan.ANY
        from_least_specific = [
            (any_, any_, "BR"),
            (any_, "USD", any_),
            (any_, "USD", "BR"),
            ("card", any_, any_),
            ("card", any_, "BR"),
            ("card", "USD", any_),
            ("card", "USD", "BR"),
        ]
        for points, (method, currency, country) in enumerate(from_least_specific, 1):
            set_plan(
                book_id, method=method, currency=currency, country=country, basis_points=points
            )
            assert fee(book_id, usd("100"), country="BR") == usd(f"0.0{points}")

        assert fee(book_id, usd("100"), country="US") == usd("0.06")
        assert fee(book_id, usd("100")) == usd("0.06")  # not known yet
        assert fee(book_id, Money(100, "EUR"), country="BR") == Money("0.05", "EUR")
        assert fee(book_id, usd("100"), method="wallet", country="BR") == usd("0.03")
        assert fee(book_id, Money(100, "EUR"), method="wallet") == Money(3, "EUR")

    def test_country_tells_more_than_whose_money_a_card_spends(self, book_id):
        set_plan(book_id, funding="debit", basis_points=100)
        set_plan(book_id, funding="prepaid", basis_points=400)
        set_plan(book_id, country="BR", basis_points=450)
        set_plan(book_id, country="BR", funding="debit", basis_points=50)
        fees = {
            (country, funding): fee(book_id, usd("100"), country=country, funding=funding)
            for country in ("US", "BR")
            for funding in ("credit", "debit", "prepaid")
        }

        assert fees == {
            ("US", "credit"): usd("3.00"),
            ("US", "debit"): usd("1.00"),
            ("US", "prepaid"): usd("4.00"),
            ("BR", "credit"): usd("4.50"),
            ("BR", "debit"): usd("0.50"),
            ("BR", "prepaid"): usd("4.50"),
        }
        assert fee(book_id, usd("100")) == usd("3.00")  # not known yet
        assert fee(book_id, usd("100"), funding="unknown") == usd("3.00")
        assert fee(book_id, usd("100"), method="wallet", funding="debit") == usd("3.00")

    def test_plan_of_a_country_has_a_history_of_its_own(self, book_id):
        start = clock.now() + timedelta(days=1)
        set_plan(book_id, country="BR", valid_from=start, basis_points=450)
        set_plan(book_id, country="US", valid_from=start, basis_points=150)

        assert fee(book_id, usd("100"), country="BR", now=start) == usd("4.50")
        assert fee(book_id, usd("100"), country="US", now=start) == usd("1.50")
        assert fee(book_id, usd("100"), country="BR") == usd("3.00")

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
            ({"currency": FeePlan.ANY, "cap": usd("3")}, "cap"),
            ({"minimum": usd("-0.01")}, "minimum"),
            ({"minimum": usd("0.001")}, "minimum"),
            ({"minimum": Money("0.30", "EUR")}, "minimum"),
            ({"cap": usd("-1")}, "cap"),
            ({"cap": Money("3", "EUR")}, "cap"),
            ({"minimum": usd("2"), "cap": usd("1.99")}, "cap"),
            ({"country": "us"}, "country"),
            ({"country": "USA"}, "country"),
            ({"country": ""}, "country"),
            ({"funding": "CREDIT"}, "funding"),
            ({"funding": ""}, "funding"),
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
        BankAccount.objects.create(
            book_id=book_id,
            holder_encrypted="Ada",
            number_encrypted="000123456789",
            country="US",
            currency="USD",
            usable_from=clock.now(),
            removed_at=clock.now(),
        )
        assert violated() == {invariant.name for invariant in selectors.INVARIANTS}
