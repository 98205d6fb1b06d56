"""Corrections: a new, offsetting transaction, once, and never an edit."""

import pytest

from apps.core.ids import new_id
from apps.ledger import selectors
from apps.ledger import services as ledger
from apps.ledger.tests.books import (
    at_once,
    balance,
    balances,
    counted,
    in_euros,
    post,
    reverse,
    violations,
)

pytestmark = pytest.mark.django_db(transaction=True)

SPLIT = """
    debit  payment:unallocated  100.00
    credit merchant:pending     100.00
    debit  merchant:pending       3.00
    credit platform:fees          3.00
    debit  merchant:pending       5.00 USD
    credit merchant:payable       5.00 USD
"""


class TestReverse:
    def test_leaves_every_account_as_it_was_and_both_transactions_in_the_books(self, book):
        post(book, SPLIT, reference="credit", kind="credited")
        reverse(book, "credit", reversal="credit undone")

        assert balances(book) == {}
        undone = selectors.transaction_by_reference(book_id=book, reference="credit undone")
        first = selectors.transaction_by_reference(book_id=book, reference="credit")
        assert undone.reverses_id == first.id
        assert (undone.kind, len(undone.lines)) == ("credited", 6)
        assert violations() == []

    def test_repeated_it_books_nothing_again(self, book):
        post(book, SPLIT, reference="credit")
        reverse(book, "credit", reversal="undone")
        before = counted()
        reverse(book, "credit", reversal="undone")

        assert counted() == before

    def test_happens_once(self, book):
        post(book, SPLIT, reference="credit")
        reverse(book, "credit", reversal="undone")

        with pytest.raises(ledger.AlreadyReversed) as refused:
            reverse(book, "credit", reversal="undone again")

        assert refused.value.facts == {"reference": "credit"}
        assert balances(book) == {}

    def test_happens_once_also_when_eight_try_together(self, book):
        post(book, SPLIT, reference="credit")

        results = at_once([lambda n=n: reverse(book, "credit", reversal=f"r{n}") for n in range(8)])

        refused = [result for result in results if isinstance(result, ledger.AlreadyReversed)]
        assert len(refused) == 7
        assert balances(book) == {}

    def test_a_reversal_can_be_reversed(self, book):
        post(book, SPLIT, reference="credit")
        before = balances(book)
        reverse(book, "credit", reversal="undone")
        reverse(book, "undone", reversal="redone")

        assert balances(book) == before
        assert violations() == []

    def test_obeys_floors(self, book, wallet):
        post(book, f"debit platform:bank 10\n credit {wallet} 10", reference="top-up")
        post(book, f"debit {wallet} 4\n credit merchant:pending 4")

        with pytest.raises(ledger.InsufficientFunds):
            reverse(book, "top-up")

        assert balance(book, wallet) == 6

    def test_there_must_be_something_to_reverse(self, book):
        with pytest.raises(ledger.UnknownTransaction):
            reverse(book, "never posted")

    def test_nothing_of_another_book(self, book):
        post(book, SPLIT, reference="credit")
        with pytest.raises(ledger.UnknownTransaction):
            reverse(new_id(), "credit")

    def test_its_reference_must_be_free(self, book):
        post(book, SPLIT, reference="credit")
        post(book, "debit platform:bank 1\n credit platform:suspense 1", reference="taken")

        with pytest.raises(ledger.ReferenceReused):
            reverse(book, "credit", reversal="taken")

        assert in_euros(book)["platform:fees"] == "3.00"
