"""What open positions gain and lose, as an accountant reads it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from apps.audit.models import AuditEntry
from apps.core import queue
from apps.core.money import Money, round_half_up
from apps.ledger import services as ledger
from apps.ledger.chart import PLATFORM_FX
from apps.ledger.selectors import booked_balances, list_books_with, transaction_by_reference
from apps.ledger.tests import books
from apps.payments import tasks
from apps.payments.services import fx_close, quotes
from apps.payments.tests.conftest import Merchant
from apps.payments.tests.threads import at_once

# The merchant's days are those of UTC, its currency the dollar.
FIRST, SECOND, THIRD = (date(2026, 11, day) for day in (17, 18, 19))
LONG_AFTER = datetime(2026, 11, 24, 12, tzinfo=UTC)

PAID_80_EUROS = """
    debit  payment:unallocated   80.00 EUR
    credit platform:fx           80.00 EUR
    debit  platform:fx          100.00 USD
    credit merchant:pending      99.00 USD
    credit platform:fx_revenue    1.00 USD
"""
STRIPE_CONVERTS_THEM_TO_97_DOLLARS = """
    debit  platform:fx               80.00 EUR
    credit provider:stripe:clearing  80.00 EUR
    debit  provider:stripe:clearing  97.00 USD
    credit platform:fx               97.00 USD
"""


def set_rate(day: date, dollars: str, currency: str = "USD") -> None:
    """So many dollars for one euro at the end of the day."""
    quotes.set_rate(
        currency=currency, day=day, per_euro=Decimal(dollars), actor="system", now=LONG_AFTER
    )


def happened(book_id: UUID, text: str, day: date) -> str:
    noon = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=12)
    return books.post(book_id, text, occurred_at=noon)


def revalue(book_id: UUID, day: date, now: datetime = LONG_AFTER) -> Money | None:
    return fx_close.revalue(book_id=book_id, day=day, now=now)


def dollars(amount: str) -> Money:
    return Money(amount, "USD")


def position(merchant: Merchant, day: date = THIRD) -> dict[str, str]:
    found = booked_balances(book_id=merchant.book_id, code=PLATFORM_FX, day=day)
    return {money.currency.code: f"{money.amount:.2f}" for money in found}


class TestAPositionOfEightyEuros:
    def test_from_the_conversion_to_the_payout(self, merchant: Merchant) -> None:
        """The example of docs/money-flows.md."""
        book_id = merchant.book_id
        happened(book_id, PAID_80_EUROS, FIRST)
        set_rate(FIRST, "1.25")
        assert revalue(book_id, FIRST) == dollars("0")  # 80.00 x 1.25 = 100.00
        assert position(merchant) == {"EUR": "80.00", "USD": "-100.00"}

        set_rate(SECOND, "1.20")
        assert revalue(book_id, SECOND) == dollars("-4.00")  # 96.00 for what we owe as 100.00
        assert position(merchant) == {"EUR": "80.00", "USD": "-96.00"}
        assert merchant.balance("platform:fx_result") == dollars("-4.00")

        set_rate(THIRD, "1.22")
        assert revalue(book_id, THIRD) == dollars("1.60")
        assert merchant.balance("platform:fx_result") == dollars("-2.40")

        happened(book_id, STRIPE_CONVERTS_THEM_TO_97_DOLLARS, date(2026, 11, 20))
        assert revalue(book_id, date(2026, 11, 20)) == dollars("-0.60")
        assert position(merchant, date(2026, 11, 20)) == {}
        # All in all: 97.00 received for what was owed as 100.00, and the spread beside it.
        assert merchant.balance("platform:fx_result") == dollars("-3.00")
        assert merchant.balance("platform:fx_revenue") == dollars("1.00")
        assert books.violations() == []

    def test_result_is_booked_on_the_day_and_says_what_it_is(self, merchant: Merchant) -> None:
        happened(merchant.book_id, PAID_80_EUROS, FIRST)
        set_rate(FIRST, "1.20")
        revalue(merchant.book_id, FIRST)

        posting = transaction_by_reference(book_id=merchant.book_id, reference="revalue:2026-11-17")
        assert posting is not None
        assert (posting.kind, posting.booked_on) == ("revaluation", FIRST)
        assert [(line.code, line.side.name, line.amount) for line in posting.lines] == [
            ("platform:fx", "CREDIT", dollars("4.00")),
            ("platform:fx_result", "DEBIT", dollars("4.00")),
        ]
        (entry,) = AuditEntry.objects.filter(action="fx_position.revalued")
        assert entry.book_id == merchant.book_id
        assert entry.facts == {
            "reference": "revalue:2026-11-17",
            "result": -400,
            "positions": {"EUR": 8_000, "USD": -10_000},
            "rates": {"EUR": "1.200000000000"},
        }

    def test_second_time_of_a_day_books_nothing(self, merchant: Merchant) -> None:
        happened(merchant.book_id, PAID_80_EUROS, FIRST)
        set_rate(FIRST, "1.20")
        revalue(merchant.book_id, FIRST)
        happened(merchant.book_id, PAID_80_EUROS, FIRST)  # late news of the same day
        before = books.counted()

        assert revalue(merchant.book_id, FIRST) is None
        assert books.counted() == before
        set_rate(SECOND, "1.20")
        assert revalue(merchant.book_id, SECOND) == dollars("-4.00")  # the late one's

    def test_two_workers_at_once_book_it_once(self, merchant: Merchant) -> None:
        happened(merchant.book_id, PAID_80_EUROS, FIRST)
        set_rate(FIRST, "1.20")
        for day in (FIRST, SECOND, THIRD):
            answers = at_once([partial(revalue, merchant.book_id, day)] * 4)
            assert set(answers) <= {None, dollars("-4.00"), dollars("0")}

        assert merchant.balance("platform:fx_result") == dollars("-4.00")
        assert AuditEntry.objects.filter(action="fx_position.revalued").count() == 1

    def test_what_happens_after_the_day_is_not_in_it(self, merchant: Merchant) -> None:
        happened(merchant.book_id, PAID_80_EUROS, FIRST)
        happened(merchant.book_id, PAID_80_EUROS, SECOND)
        set_rate(FIRST, "1.20")

        assert revalue(merchant.book_id, FIRST) == dollars("-4.00")
        assert position(merchant, FIRST) == {"EUR": "80.00", "USD": "-96.00"}
        assert position(merchant, SECOND) == {"EUR": "160.00", "USD": "-196.00"}

    def test_day_that_has_closed_leaves_it_to_the_next(self, merchant: Merchant) -> None:
        happened(merchant.book_id, PAID_80_EUROS, FIRST)
        books.close_day(merchant.book_id, FIRST, LONG_AFTER)
        set_rate(FIRST, "1.20")

        assert revalue(merchant.book_id, FIRST) == dollars("-4.00")
        posting = transaction_by_reference(book_id=merchant.book_id, reference="revalue:2026-11-17")
        assert posting is not None
        assert posting.booked_on == SECOND
        set_rate(SECOND, "1.20")
        assert revalue(merchant.book_id, SECOND) == dollars("0")
        assert books.violations() == []

    def test_rounding_never_piles_up(self, merchant: Merchant) -> None:
        happened(merchant.book_id, PAID_80_EUROS, FIRST)
        total = Decimal(0)
        for number in range(1, 24):
            day = date(2026, 11, number)
            rate = f"1.2{number:02}37"
            set_rate(day, rate)
            revalue(merchant.book_id, day)
            total = round_half_up(Decimal(80) * Decimal(rate) - 100, "USD").amount
            if day >= FIRST:
                assert merchant.balance("platform:fx_result").amount == total
        assert total


class TestWhenThereIsNothingToDo:
    def test_book_that_never_converted(self, merchant: Merchant) -> None:
        assert revalue(merchant.book_id, FIRST) == dollars("0")
        assert merchant.book_id not in list_books_with(code=PLATFORM_FX)

    def test_day_that_is_not_over_in_the_books_time_zone(self, merchant: Merchant) -> None:
        happened(merchant.book_id, PAID_80_EUROS, FIRST)
        set_rate(FIRST, "1.20")
        midnight = datetime(2026, 11, 18, tzinfo=UTC)

        with pytest.raises(ledger.DayNotOver):
            revalue(merchant.book_id, FIRST, midnight - timedelta(microseconds=1))
        assert revalue(merchant.book_id, FIRST, midnight) == dollars("-4.00")

    def test_without_a_rate_it_is_left_to_the_next_day(
        self, merchant: Merchant, settings: Any
    ) -> None:
        happened(merchant.book_id, PAID_80_EUROS, FIRST)
        settings.PAYSYS_FX_MAX_AGE_DAYS = -1  # not even the day's own will do
        before = books.counted()
        with capture_logs() as logged:
            assert revalue(merchant.book_id, FIRST) is None

        assert books.counted() == before
        (line,) = [entry for entry in logged if entry["event"] == "fx.not_revalued"]
        assert (line["log_level"], line["day"]) == ("warning", "2026-11-17")
        assert "EUR to USD" in line["reason"]

        settings.PAYSYS_FX_MAX_AGE_DAYS = 7
        set_rate(SECOND, "1.20")
        assert revalue(merchant.book_id, SECOND) == dollars("-4.00")

    def test_currency_that_nobody_quotes_stops_nothing_else(self, merchant: Merchant) -> None:
        happened(merchant.book_id, PAID_80_EUROS.replace("EUR", "KWD"), FIRST)
        set_rate(FIRST, "1.20")
        assert revalue(merchant.book_id, FIRST) is None

        set_rate(SECOND, "0.40", currency="KWD")
        assert revalue(merchant.book_id, SECOND) == dollars("140.00")  # 80 x 1.2 / 0.4 - 100


class TestTheTask:
    def test_rings_for_every_book_that_has_converted(
        self, merchant: Merchant, other_merchant: Merchant
    ) -> None:
        happened(merchant.book_id, PAID_80_EUROS, FIRST)
        with queue.recorded() as bells:
            tasks.revalue()

        assert bells == [("payments.revalue_book", (str(merchant.book_id),))]

    def test_revalues_the_last_day_that_is_over(self, merchant: Merchant) -> None:
        now = datetime.now(UTC)
        today = now.date()
        yesterday = today - timedelta(days=1)
        happened(merchant.book_id, PAID_80_EUROS, yesterday)
        quotes.set_rate(
            currency="USD", day=yesterday, per_euro=Decimal("1.20"), actor="system", now=now
        )
        tasks.revalue_book(str(merchant.book_id))

        posting = transaction_by_reference(
            book_id=merchant.book_id, reference=f"revalue:{yesterday}"
        )
        assert posting is not None
        assert {line.amount for line in posting.lines} == {dollars("4.00")}
