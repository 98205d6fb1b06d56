"""Many at once: row accounts give what they have and no more, and nobody waits for ever."""

import random

import pytest
from django.db import transaction

from apps.core.ids import new_id
from apps.ledger import services as ledger
from apps.ledger.tests.books import (
    NOON,
    at_once,
    balance,
    counted,
    post,
    post_many,
    posting,
    violations,
)
from apps.ledger.types import Posting

pytestmark = pytest.mark.django_db(transaction=True)


def outcomes(results):
    """How many went through, and that the others were refused for want of funds."""
    refused = [result for result in results if isinstance(result, Exception)]
    assert {type(error) for error in refused} <= {ledger.InsufficientFunds}
    return len(results) - len(refused)


class TestOneRow:
    def test_fifty_spend_30_of_100_and_three_get_it(self, book, wallet):
        post(book, f"debit platform:bank 100\n credit {wallet} 100")
        spend = f"debit {wallet} 30\n credit merchant:pending 30"

        results = at_once([lambda: post(book, spend)] * 50)

        assert outcomes(results) == 3
        assert balance(book, wallet) == 10
        assert violations() == []

    def test_twenty_payouts_of_a_payable_that_a_refund_meets(self, book):
        post(book, "debit merchant:pending 100\n credit merchant:payable 100")
        payout = "debit merchant:payable 30 guarded\n credit payout:in_transit 30"
        refund = "debit merchant:payable 50\n credit refund:payable 50"

        results = at_once([lambda: post(book, payout)] * 20 + [lambda: post(book, refund)])

        paid_out = outcomes(results) - 1  # the refund is never refused
        assert 1 <= paid_out <= 3
        assert balance(book, "merchant:payable") == 50 - 30 * paid_out
        assert violations() == []

    def test_batches_and_single_postings_share_the_floor(self, book, wallet):
        post(book, f"debit platform:bank 100\n credit {wallet} 100")
        spend = f"debit {wallet} 10\n credit merchant:pending 10"

        results = at_once(
            [lambda: post_many(book, [posting(spend)] * 3)] * 6 + [lambda: post(book, spend)] * 10
        )

        outcomes(results)
        left = balance(book, wallet)
        assert 0 <= left < 30
        assert violations() == []

    def test_batches_of_guarded_payouts_share_what_is_payable(self, book):
        """No CHECK stands behind a guarded line: the lock before the look is all there is."""
        post(book, "debit merchant:pending 100\n credit merchant:payable 100")
        payout = posting("debit merchant:payable 30 guarded\n credit payout:in_transit 30").lines

        def batch():
            post_many(book, [Posting(f"payout {new_id()}", "payout", payout, NOON)])

        results = at_once([batch] * 20)

        assert outcomes(results) == 3
        assert balance(book, "merchant:payable") == 10
        assert violations() == []


class TestOneReference:
    def test_thirty_posts_of_one_reference_book_once(self, book, wallet):
        post(book, f"debit platform:bank 100\n credit {wallet} 100")
        spend = f"debit {wallet} 30\n credit merchant:pending 30"

        results = at_once([lambda: post(book, spend, reference="pay")] * 30)

        assert outcomes(results) == 30
        assert balance(book, wallet) == 70
        assert violations() == []


class TestNobodyWaitsForEver:
    def test_transfers_to_and_fro_lock_in_one_order(self, book):
        wallets = [f"wallet:{new_id()}:available" for _ in range(4)]
        for code in wallets:
            post(book, f"debit platform:bank 1000\n credit {code} 1000")

        def transfers(seed):
            chance = random.Random(seed)
            for _ in range(25):
                one, two = chance.sample(wallets, 2)
                if chance.random() < 0.2:
                    three, four = chance.sample(wallets, 2)
                    post_many(
                        book,
                        [
                            posting(f"debit {one} 1\n credit {two} 1"),
                            posting(f"debit {three} 1\n credit {four} 1"),
                        ],
                    )
                else:
                    post(book, f"debit {one} 1\n credit {two} 1")

        results = at_once([lambda seed=seed: transfers(seed) for seed in range(8)])

        assert results == [None] * 8
        assert sum(balance(book, code) for code in wallets) == 4000
        assert violations() == []

    def test_first_postings_of_a_book_open_its_accounts_together(self, book):
        text = """
            debit  payment:unallocated  100
            credit merchant:pending     100
            debit  merchant:pending       3
            credit platform:fees          3
        """

        results = at_once([lambda: post(book, text)] * 16)

        assert all(isinstance(result, str) for result in results), results
        assert counted() == (3, 16, 64)
        assert violations() == []

    def test_an_account_without_a_row_is_never_locked(self, book, wallet):
        """A payment goes through while another one of the same merchant is not committed."""
        text = "debit payment:unallocated 100\n credit merchant:pending 100"
        post(book, text)

        with transaction.atomic():
            post(book, text)
            (other,) = at_once([lambda: post(book, text)])

        assert isinstance(other, str), other
        assert balance(book, "merchant:pending") == 300
