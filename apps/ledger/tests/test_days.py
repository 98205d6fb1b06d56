"""Accounting days: closed in two steps, and nothing slips in behind."""

from datetime import UTC, date, datetime

import pytest
from django.db import transaction

from apps.core import db
from apps.core.errors import NotFound
from apps.core.ids import new_id
from apps.ledger import selectors
from apps.ledger import services as ledger
from apps.ledger.tests.books import (
    NOON,
    at_once,
    close_day,
    eur,
    post,
    post_many,
    posting,
    query,
    take_checkpoints,
    until_true,
    usd,
    violations,
)
from apps.ledger.tests.test_checkpoints import prepared_writer, slow_writer

pytestmark = pytest.mark.django_db(transaction=True)

TENTH, ELEVENTH, TWELFTH = (date(2026, 3, day) for day in (10, 11, 12))
AFTER = datetime(2026, 3, 11, 0, 30, tzinfo=UTC)
CREDITED = "debit payment:unallocated 10\n credit merchant:pending 10"


def booked_on(book, reference):
    return selectors.transaction_by_reference(book_id=book, reference=reference).booked_on


def close(book, day=TENTH, now=AFTER):
    close_day(book, day, now)


def finish(book):
    return ledger.finish_close_day(book_id=book, day=TENTH, now=AFTER)


def trial_balance(book, day):
    rows = selectors.trial_balance(book_id=book, day=day)
    for currency in {row.currency for row in rows}:
        of_currency = [row for row in rows if row.currency == currency]
        assert sum(row.debit for row in of_currency) == sum(row.credit for row in of_currency)
    return {row.code: row.debit or -row.credit for row in rows}


class TestClose:
    def test_what_comes_after_is_booked_on_the_next_day(self, book):
        before = post(book, CREDITED)
        ledger.begin_close_day(book_id=book, day=TENTH, now=AFTER)
        late = post(book, CREDITED)
        post_many(book, [posting(CREDITED, "late batch")])

        assert booked_on(book, before) == TENTH
        assert booked_on(book, late) == ELEVENTH
        assert booked_on(book, "late batch") == ELEVENTH

    def test_another_book_is_not_touched(self, book, wallet):
        other = new_id()
        close(book)

        assert booked_on(other, post(other, CREDITED)) == TENTH

    def test_it_closes_when_nobody_is_left(self, book):
        post(book, CREDITED)

        close(book)
        assert query("SELECT status, closed_at FROM ledger_day") == [("CLOSED", AFTER)]

    @pytest.mark.parametrize("writer", [slow_writer, prepared_writer])
    def test_it_waits_for_who_read_the_day_as_open(self, book, writer):
        with writer(book):
            ledger.begin_close_day(book_id=book, day=TENTH, now=AFTER)
            for _ in range(3):
                assert finish(book) is False
            assert query("SELECT count(*) FROM ledger_closing") == [(0,)]

        until_true(lambda: finish(book))
        assert trial_balance(book, TENTH) == {"merchant:pending": -10, "payment:unallocated": 10}
        assert violations() == []

    def test_it_waits_for_who_read_it_while_the_close_was_being_written(self, book):
        """Such a one has a higher transaction id than the close itself: hence the fence."""
        with transaction.atomic():
            ledger.begin_close_day(book_id=book, day=TENTH, now=AFTER)
            writer = slow_writer(book)
            writer.__enter__()
        assert finish(book) is False
        writer.__exit__(None, None, None)

        until_true(lambda: finish(book))
        assert trial_balance(book, TENTH) == {"merchant:pending": -10, "payment:unallocated": 10}

    def test_repeating_either_step_changes_nothing(self, book):
        post(book, CREDITED)
        close(book)
        before = query("SELECT * FROM ledger_day"), query("SELECT * FROM ledger_closing")

        close(book)
        assert (query("SELECT * FROM ledger_day"), query("SELECT * FROM ledger_closing")) == before

    def test_four_workers_close_it_once(self, book):
        post(book, CREDITED)
        ledger.begin_close_day(book_id=book, day=TENTH, now=AFTER)

        results = at_once([lambda: ledger.finish_close_day(book_id=book, day=TENTH, now=AFTER)] * 4)

        assert set(results) <= {True, False}
        until_true(lambda: finish(book))
        assert query("SELECT count(*) FROM ledger_closing") == [(2,)]


class TestRefused:
    def test_a_day_that_is_not_over_in_the_time_zone_of_the_book(self, book):
        with db.unit():
            ledger.open_book(book_id=book, time_zone="America/New_York")

        with pytest.raises(ledger.DayNotOver):
            ledger.begin_close_day(book_id=book, day=TENTH, now=AFTER)

        assert query("SELECT count(*) FROM ledger_day") == [(0,)]
        assert booked_on(book, post(book, CREDITED)) == TENTH

    def test_a_second_day_before_the_first_is_closed(self, book):
        ledger.begin_close_day(book_id=book, day=TENTH, now=AFTER)
        with pytest.raises(ledger.DayStillClosing):
            ledger.begin_close_day(book_id=book, day=ELEVENTH, now=AFTER.replace(day=12))

    def test_finishing_what_nobody_began(self, book):
        with pytest.raises(NotFound):
            ledger.finish_close_day(book_id=book, day=TENTH, now=AFTER)

    def test_finishing_inside_a_transaction_would_see_nobody_else(self, book):
        with transaction.atomic(), pytest.raises(AssertionError):
            ledger.finish_close_day(book_id=book, day=TENTH, now=AFTER)


class TestTrialBalance:
    def test_reads_closed_days_from_what_was_written_and_later_ones_from_entries(self, book):
        post(book, CREDITED)
        close(book)
        post(book, CREDITED, occurred_at=NOON.replace(day=11))
        post(book, "debit merchant:pending 3\n credit platform:fees 3")
        close(book, ELEVENTH, AFTER.replace(day=12))
        post(book, CREDITED, occurred_at=NOON.replace(day=12))

        first = {"merchant:pending": -10, "payment:unallocated": 10}
        second = {"merchant:pending": -17, "payment:unallocated": 20, "platform:fees": -3}
        third = {"merchant:pending": -27, "payment:unallocated": 30, "platform:fees": -3}
        assert trial_balance(book, date(2026, 3, 9)) == {}
        assert trial_balance(book, TENTH) == first
        assert trial_balance(book, ELEVENTH) == second
        assert trial_balance(book, TWELFTH) == third
        assert violations() == []

    def test_days_left_out_are_closed_with_the_next_one(self, book):
        post(book, CREDITED)
        post(book, CREDITED, occurred_at=NOON.replace(day=11))
        close(book, TWELFTH, AFTER.replace(day=13))

        assert trial_balance(book, TWELFTH)["merchant:pending"] == -20
        assert booked_on(book, post(book, CREDITED)) == date(2026, 3, 13)

    def test_each_currency_adds_up(self, book):
        post(book, CREDITED)
        post(book, CREDITED.replace("10", "7 USD"))

        rows = selectors.trial_balance(book_id=book, day=TENTH)
        assert [(row.code, row.currency, row.debit, row.credit) for row in rows] == [
            ("merchant:pending", "EUR", 0, 10),
            ("payment:unallocated", "EUR", 10, 0),
            ("merchant:pending", "USD", 0, 7),
            ("payment:unallocated", "USD", 7, 0),
        ]


class TestOneAccountsBalanceByDay:
    def test_is_the_trial_balances_in_every_currency(self, book):
        post(book, CREDITED)
        take_checkpoints()
        post(book, CREDITED.replace("10", "7 USD"))
        close(book)
        post(book, CREDITED, occurred_at=NOON.replace(day=12))
        post(book, "debit merchant:pending 3\n credit platform:fees 3")  # booked on the 11th

        def pending(day):
            return selectors.booked_balances(book_id=book, code="merchant:pending", day=day)

        assert pending(date(2026, 3, 9)) == []
        assert pending(TENTH) == [eur(10), usd(7)]
        assert pending(ELEVENTH) == [eur(7), usd(7)]
        assert pending(TWELFTH) == [eur(17), usd(7)]
        assert trial_balance(book, ELEVENTH)["platform:fees"] == -3

    def test_books_that_have_the_account_are_known(self, book):
        with db.unit():
            ledger.open_book(book_id=book, time_zone="UTC")
            ledger.open_book(book_id=new_id(), time_zone="UTC")
        post(book, CREDITED)

        assert selectors.list_books_with(code="merchant:pending") == [book]
        assert selectors.list_books_with(code="platform:fx") == []
