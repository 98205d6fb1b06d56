"""A balance that is looked at under a lock stays what it is until the transaction ends."""

from threading import Event, Thread

import pytest
from django.db import connection, transaction

from apps.core.ids import new_id
from apps.core.money import Money
from apps.ledger import chart
from apps.ledger import services as ledger
from apps.ledger.tests.books import balance, post, until_somebody_waits

pytestmark = pytest.mark.django_db(transaction=True)


def locked(book, code):
    return ledger.lock_balance(book_id=book, code=code, currency="EUR")


class TestALockedBalance:
    def test_is_what_the_row_holds(self, book):
        post(book, "debit platform:bank 10\n credit merchant:payable 10")
        with transaction.atomic():
            assert locked(book, chart.MERCHANT_PAYABLE) == Money(10, "EUR")

    def test_of_an_account_nobody_has_posted_to_is_zero(self, book):
        with transaction.atomic():
            assert locked(book, chart.wallet_available(new_id())) == Money(0, "EUR")

    def test_lets_no_posting_pass_before_the_commit(self, book):
        post(book, "debit platform:bank 10\n credit merchant:payable 10")
        done = Event()

        def spend():
            post(book, "debit merchant:payable 4\n credit platform:bank 4")
            done.set()
            connection.close()

        other = Thread(target=spend)
        with transaction.atomic():
            locked(book, chart.MERCHANT_PAYABLE)
            other.start()
            until_somebody_waits()
            assert locked(book, chart.MERCHANT_PAYABLE) == Money(10, "EUR")
            assert not done.is_set()
        other.join(30)

        assert balance(book, chart.MERCHANT_PAYABLE) == 6

    def test_is_only_for_accounts_that_keep_one(self, book):
        with pytest.raises(ledger.NoRow), transaction.atomic():
            locked(book, chart.MERCHANT_PENDING)
