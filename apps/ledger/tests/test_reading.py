"""Looking up what was posted, and balances of several accounts."""

import pytest

from apps.ledger import chart, selectors
from apps.ledger.tests.books import balance, eur, post, query, settle, usd

pytestmark = pytest.mark.django_db(transaction=True)


class TestLookUp:
    def test_nothing_was_posted(self, book):
        assert selectors.transaction_by_reference(book_id=book, reference="r") is None

    def test_an_account_nobody_posted_to_is_zero_and_stays_closed(self, book):
        assert balance(book, "merchant:payable") == 0
        assert query("SELECT count(*) FROM ledger_account") == [(0,)]

    def test_a_code_that_is_not_of_the_chart_is_a_bug(self, book):
        with pytest.raises(chart.UnknownCode):
            balance(book, "merchant:balance")


class TestBalances:
    def test_of_several_accounts_come_in_the_order_asked_for(self, book, wallet):
        post(book, f"debit platform:bank 10\n credit {wallet} 10")
        post(book, "debit platform:bank 3 USD\n credit merchant:pending 3 USD")

        found = selectors.balances(
            book_id=book,
            accounts=[("merchant:pending", "USD"), (wallet, "EUR"), ("merchant:payable", "EUR")],
        )

        assert found == [usd(3), eur(10), eur(0)]

    def test_of_no_account_is_no_balance(self, book):
        assert selectors.balances(book_id=book, accounts=[]) == []

    def test_of_a_moment_are_of_that_moment(self, book, wallet):
        post(book, f"debit platform:bank 10\n credit {wallet} 10")
        settle()
        at = selectors.settled_until()
        post(book, f"debit {wallet} 4\n credit merchant:pending 4")
        settle()

        accounts = [(wallet, "EUR"), ("merchant:pending", "EUR")]
        then = selectors.balances(book_id=book, accounts=accounts, at=at)
        assert then == [eur(10), eur(0)]
        assert selectors.balances(book_id=book, accounts=accounts) == [eur(6), eur(4)]
