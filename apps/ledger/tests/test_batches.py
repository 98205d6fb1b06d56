"""Batches: the same books as one by one, and all of a batch or nothing of it."""

from decimal import Decimal

import pytest

from apps.core.ids import new_id
from apps.ledger import selectors
from apps.ledger import services as ledger
from apps.ledger.tests.books import (
    balance,
    balances,
    counted,
    post,
    post_many,
    posting,
    query,
    reverse,
    violations,
)

pytestmark = pytest.mark.django_db(transaction=True)


def top_up(wallet, amount, reference=""):
    return posting(f"debit platform:bank {amount}\n credit {wallet} {amount}", reference)


def spend(wallet, amount, reference=""):
    return posting(f"debit {wallet} {amount}\n credit merchant:pending {amount}", reference)


class TestBooked:
    def test_a_hundred_postings_make_the_same_books_as_one_by_one(self, wallet):
        one_by_one, batch = new_id(), new_id()
        texts = [f"debit platform:bank 900\n credit {wallet} 900"] + [
            f"""
            debit  {wallet}          {n}.50
            credit merchant:pending  {n}.50
            debit  merchant:pending  0.{n:02}
            credit platform:fees     0.{n:02}
            """
            for n in range(1, 41)
        ]
        texts += ["debit merchant:pending 1.00 USD\n credit merchant:payable 1.00 USD"] * 59
        for text in texts:
            post(one_by_one, text)

        post_many(batch, [posting(text) for text in texts])

        assert balances(batch) == balances(one_by_one)
        assert balance(batch, wallet) == balance(one_by_one, wallet) == 60
        assert violations() == []

    def test_an_empty_batch_is_nothing(self, book):
        post_many(book, [])
        assert counted() == (0, 0, 0)

    def test_too_large_a_batch_is_refused(self, book, wallet):
        with pytest.raises(ValueError, match="1000 are the most"):
            post_many(book, [top_up(wallet, 1)] * 1_001)

    def test_references_and_kinds_may_hold_any_character(self, book, wallet):
        odd = """ch_"1",{2}\\ 'x' NULL % é €"""
        one = top_up(wallet, 1, odd)
        post_many(book, [one, top_up(wallet, 2, "null"), top_up(wallet, 3, "a,b")])

        found = selectors.transaction_by_reference(book_id=book, reference=odd)
        assert (found.reference, found.kind) == (odd, "test")
        post(book, f"debit platform:bank 1\n credit {wallet} 1", reference=odd)
        assert balance(book, wallet) == 6

    def test_a_reversal_of_one_of_them(self, book, wallet):
        post_many(book, [top_up(wallet, 5, "a"), top_up(wallet, 7, "b")])
        reverse(book, "a")

        assert balance(book, wallet) == 7


class TestRepeated:
    def test_books_only_what_is_new(self, book, wallet):
        batch = [top_up(wallet, 1, f"line {n}") for n in range(100)]
        post_many(book, batch[:50])
        post_many(book, batch)
        post_many(book, batch)
        post(book, f"debit platform:bank 1\n credit {wallet} 1", reference="line 7")

        assert balance(book, wallet) == 100
        assert query("SELECT count(*) FROM ledger_entry") == [(200,)]
        assert violations() == []

    def test_the_same_reference_twice_in_one_batch_is_booked_once(self, book, wallet):
        post_many(book, [top_up(wallet, 5, "a"), top_up(wallet, 5, "a")])

        assert balance(book, wallet) == 5

    def test_a_spent_reference_does_not_spend_again(self, book, wallet):
        post(book, f"debit platform:bank 10\n credit {wallet} 10")
        batch = [spend(wallet, 10, "a")]
        post_many(book, batch)
        post_many(book, batch)

        assert balance(book, wallet) == 0


class TestRefused:
    def refused(self, book, error, batch):
        before = counted(), balances(book)
        with pytest.raises(error) as caught:
            post_many(book, batch)
        assert (counted(), balances(book)) == before
        return caught.value.facts

    def test_an_unbalanced_one_is_named(self, book, wallet):
        wrong = posting(f"debit {wallet} 5\n credit merchant:pending 4", "wrong")
        facts = self.refused(book, ledger.Unbalanced, [top_up(wallet, 9), wrong, spend(wallet, 1)])
        assert facts == {"position": 2, "reference": "wrong"}

    def test_an_unknown_account_is_named(self, book, wallet):
        wrong = posting("debit merchant:x 5\n credit merchant:pending 5", "wrong")
        facts = self.refused(book, ledger.UnknownAccount, [top_up(wallet, 9), wrong])
        assert facts == {"position": 2, "reference": "wrong", "account": "merchant:x"}

    def test_other_content_under_a_used_reference_is_named(self, book, wallet):
        post_many(book, [top_up(wallet, 5, "a")])
        facts = self.refused(
            book, ledger.ReferenceReused, [top_up(wallet, 1, "b"), top_up(wallet, 6, "a")]
        )
        assert facts == {"position": 2, "reference": "a"}

    def test_other_content_under_a_reference_of_the_same_batch_is_named(self, book, wallet):
        facts = self.refused(
            book, ledger.ReferenceReused, [top_up(wallet, 5, "a"), top_up(wallet, 6, "a")]
        )
        assert facts == {"position": 2, "reference": "a"}

    def test_an_overdraft_is_named(self, book, wallet):
        post(book, f"debit platform:bank 10\n credit {wallet} 10")
        batch = [spend(wallet, 5), spend(wallet, 5), spend(wallet, "0.01", "last")]
        facts = self.refused(book, ledger.InsufficientFunds, batch)
        assert facts == {
            "position": 3,
            "reference": "last",
            "account": wallet,
            "currency": "EUR",
            "balance": 10,
        }

    def test_a_later_credit_does_not_pay_for_an_earlier_debit(self, book, wallet):
        batch = [spend(wallet, 5, "early"), top_up(wallet, 10)]
        facts = self.refused(book, ledger.InsufficientFunds, batch)
        assert facts["position"] == 1

    def test_an_earlier_credit_pays_for_a_later_debit(self, book, wallet):
        post_many(book, [top_up(wallet, 10), spend(wallet, 10)])

        assert balance(book, wallet) == 0
        assert balance(book, "merchant:pending") == 10

    def test_a_guarded_line_is_guarded_here_too(self, book):
        post(book, "debit merchant:pending 10\n credit merchant:payable 10")
        payout = "debit merchant:payable 6 guarded\n credit payout:in_transit 6"
        facts = self.refused(
            book, ledger.InsufficientFunds, [posting(payout), posting(payout, "second")]
        )
        assert (facts["position"], facts["reference"]) == (2, "second")

        post_many(book, [posting(payout), posting(payout.replace(" guarded", ""))])
        assert balance(book, "merchant:payable") == Decimal(-2)

    def test_a_guarded_line_on_an_account_without_a_row(self, book, wallet):
        wrong = posting("debit merchant:pending 6 guarded\n credit payout:in_transit 6", "wrong")
        facts = self.refused(book, ledger.NoRow, [top_up(wallet, 1), wrong])
        assert facts == {"position": 2, "reference": "wrong", "account": "merchant:pending"}
