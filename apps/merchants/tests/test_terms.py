"""On which terms a merchant is paid out: agreed, remembered, refused."""

from __future__ import annotations

from uuid import UUID

import pytest

from apps.audit import selectors as audit
from apps.core import clock
from apps.core.errors import InvalidRequest, NotFound
from apps.core.ids import new_id
from apps.core.money import from_minor
from apps.merchants import selectors, services
from apps.merchants.models import PayoutTerms
from apps.merchants.tests.makers import make_shop
from apps.merchants.types import Interval, Terms

pytestmark = pytest.mark.django_db

DAILY = {"interval": Interval.DAILY, "delay_days": 1}


@pytest.fixture
def book_id() -> UUID:
    return make_shop().book_id


def agree(book_id: UUID, **terms: object) -> None:
    facts: dict = {**DAILY, **terms}
    services.set_payout_terms(book_id=book_id, actor="staff:1", now=clock.now(), **facts)


class TestTerms:
    def test_merchant_with_whom_nothing_is_agreed_has_the_settings(self, book_id, settings):
        settings.PAYSYS_PAYOUT_DELAY_DAYS = 5
        selectors.terms.forget_all()

        assert selectors.payout_terms(book_id) == Terms(delay_days=5)
        assert selectors.payout_terms(book_id).interval is Interval.MANUAL
        assert selectors.payout_terms(book_id).minimum("USD") == from_minor(0, "USD")

    def test_what_is_agreed_replaces_all_there_was(self, book_id):
        agree(book_id, reserve_basis_points=500, reserve_days=90, minimums={"USD": 2500})
        agree(book_id, delay_days=7, minimums={"JPY": 100})

        terms = selectors.payout_terms(book_id)
        assert terms == Terms(delay_days=7, interval=Interval.DAILY, minimums={"JPY": 100})
        assert terms.minimum("JPY") == from_minor(100, "JPY")
        assert PayoutTerms.objects.count() == 1

    def test_who_agreed_is_in_the_trail(self, book_id):
        agree(book_id, delay_days=3)
        entry = audit.list_entries(book_id=book_id, subject_id=book_id).last()
        assert (entry.actor, entry.action) == ("staff:1", "payout_terms.set")
        assert entry.facts["delay_days"] == 3

    @pytest.mark.parametrize(
        ("wrong", "param"),
        [
            ({"delay_days": -1}, "delay_days"),
            ({"delay_days": 731}, "delay_days"),
            ({"reserve_basis_points": 10_001, "reserve_days": 1}, "reserve_basis_points"),
            ({"reserve_basis_points": 100}, "reserve_days"),
            ({"reserve_days": 10}, "reserve_days"),
            ({"minimums": {"XXX": 1}}, "minimums"),
            ({"minimums": {"USD": 0}}, "minimums"),
            ({"minimums": {"USD": 1.5}}, "minimums"),
        ],
    )
    def test_terms_that_cannot_be_are_refused_and_nothing_is_written(self, book_id, wrong, param):
        with pytest.raises(InvalidRequest) as refused:
            agree(book_id, **wrong)
        assert refused.value.param == param
        assert not PayoutTerms.objects.exists()

    def test_nobody_is_no_merchant(self):
        with pytest.raises(NotFound):
            agree(new_id())
        assert not PayoutTerms.objects.exists()


@pytest.mark.django_db(transaction=True)
class TestWhatAProcessRemembers:
    def test_terms_cost_a_query_and_then_none_also_where_none_are_agreed(
        self, book_id, django_assert_num_queries
    ):
        selectors.terms.forget_all()
        with django_assert_num_queries(1):
            selectors.payout_terms(book_id)
        with django_assert_num_queries(0):
            selectors.payout_terms(book_id)

    def test_new_terms_count_at_once_where_they_were_agreed(self, book_id):
        selectors.payout_terms(book_id)
        agree(book_id, delay_days=9)
        assert selectors.payout_terms(book_id).delay_days == 9
