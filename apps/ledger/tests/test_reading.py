"""Statements, page by page, and looking up what was posted."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from apps.core.ids import new_id
from apps.ledger import chart, selectors
from apps.ledger.tests.books import balance, eur, post, post_many, posting, query, take_checkpoints
from apps.ledger.types import EntryType

pytestmark = pytest.mark.django_db(transaction=True)

BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)


def statement(book, code="merchant:pending", since=BEGINNING, until=None, **options):
    take_checkpoints()
    return selectors.statement(
        book_id=book,
        code=code,
        currency="EUR",
        since=since,
        until=until or selectors.settled_until(),
        **options,
    )


class TestStatement:
    def test_reads_like_a_bank_statement(self, book):
        post(book, "debit payment:unallocated 100\n credit merchant:pending 100", kind="credited")
        post(book, "debit merchant:pending 3\n credit platform:fees 3", kind="fee", reference="f")

        page = statement(book)

        assert (page.opening, page.closing, page.more) == (eur(0), eur(97), False)
        assert [(line.kind, line.side, line.amount, line.balance) for line in page.lines] == [
            ("credited", EntryType.CREDIT, eur(100), eur(100)),
            ("fee", EntryType.DEBIT, eur(3), eur(97)),
        ]
        assert page.lines[1].reference == "f"

    def test_of_an_asset_grows_by_debits(self, book):
        post(book, "debit platform:bank 10\n credit platform:suspense 10")
        post(book, "debit platform:suspense 4\n credit platform:bank 4")

        page = statement(book, "platform:bank")
        assert [line.balance for line in page.lines] == [eur(10), eur(6)]

    @pytest.mark.parametrize("limit", [1, 2, 3, 7])
    def test_pages_add_up_also_within_one_moment(self, book, limit):
        post_many(
            book,
            [
                posting(f"debit payment:unallocated {n}\n credit merchant:pending {n}")
                for n in range(1, 8)
            ],
        )
        post(
            book,
            """
            debit  payment:unallocated  10
            credit merchant:pending     10
            debit  merchant:pending      2
            credit platform:fees         2
            """,
        )
        lines, opening, after, more = [], Decimal(0), None, True
        while more:
            page = statement(book, after=after, limit=limit)
            assert page.opening.amount == opening
            assert len(page.lines) <= limit
            lines += page.lines
            opening, after, more = page.closing.amount, page.lines[-1].place, page.more

        assert len(lines) == 9
        assert len({line.place for line in lines}) == 9
        assert lines[-1].balance == eur(36)
        assert balance(book, "merchant:pending") == 36

    def test_begins_after_since_with_what_was_there(self, book):
        post(book, "debit payment:unallocated 100\n credit merchant:pending 100")
        take_checkpoints()
        since = selectors.settled_until()
        post(book, "debit payment:unallocated 50\n credit merchant:pending 50")

        page = statement(book, since=since)
        assert (page.opening, len(page.lines), page.closing) == (eur(100), 1, eur(150))

    def test_of_an_account_nobody_posted_to_is_empty(self, book):
        page = statement(book)
        assert (page.opening, page.lines, page.closing) == (eur(0), (), eur(0))

    def test_does_not_reach_into_what_is_not_settled(self, book):
        post(book, "debit payment:unallocated 100\n credit merchant:pending 100")
        with pytest.raises(selectors.NotSettled):
            statement(book, until=datetime.now(UTC) + timedelta(hours=1))

    def test_another_book_is_not_shown(self, book):
        post(new_id(), "debit payment:unallocated 100\n credit merchant:pending 100")
        assert statement(book).lines == ()


class TestLookUp:
    def test_nothing_was_posted(self, book):
        assert selectors.transaction_by_reference(book_id=book, reference="r") is None

    def test_an_account_nobody_posted_to_is_zero_and_stays_closed(self, book):
        assert balance(book, "merchant:payable") == 0
        assert query("SELECT count(*) FROM ledger_account") == [(0,)]

    def test_a_code_that_is_not_of_the_chart_is_a_bug(self, book):
        with pytest.raises(chart.UnknownCode):
            balance(book, "merchant:balance")
