"""One posting: what it books, what it refuses, and what a refusal leaves behind."""

from datetime import UTC, date, datetime

import pytest
from django.db import transaction

from apps.core import db
from apps.core.errors import DomainError
from apps.core.ids import new_id
from apps.ledger import selectors
from apps.ledger import services as ledger
from apps.ledger.tests.books import (
    NOON,
    balance,
    balances,
    counted,
    eur,
    in_euros,
    lines,
    post,
    query,
    usd,
    violations,
)
from apps.ledger.types import EntryType, credit, debit

pytestmark = pytest.mark.django_db(transaction=True)

CAPTURED = """
    debit  provider:stripe:clearing  100.00
    credit payment:unallocated       100.00
"""


def fund(book, wallet, amount="100.00"):
    post(book, f"debit platform:promotions {amount}\n credit {wallet} {amount}")


class TestBooked:
    def test_moves_both_accounts_and_can_be_found_by_its_reference(self, book):
        post(book, CAPTURED, reference="ch_1", kind="captured")

        assert in_euros(book) == {
            "payment:unallocated": "100.00",
            "provider:stripe:clearing": "100.00",
        }
        found = selectors.transaction_by_reference(book_id=book, reference="ch_1")
        assert (found.kind, found.occurred_at, found.booked_on) == (
            "captured",
            NOON,
            date(2026, 3, 10),
        )
        assert [(line.code, line.side, line.amount) for line in found.lines] == [
            ("payment:unallocated", EntryType.CREDIT, eur(100)),
            ("provider:stripe:clearing", EntryType.DEBIT, eur(100)),
        ]
        assert violations() == []

    def test_opens_the_accounts_it_names_once(self, book):
        post(book, CAPTURED)
        post(book, CAPTURED)

        assert counted() == (2, 2, 4)

    def test_keeps_books_apart(self, book):
        other = new_id()
        post(book, CAPTURED, reference="ch_1")
        post(other, CAPTURED.replace("100.00", "7.00"), reference="ch_1")

        assert balance(book, "payment:unallocated") == 100
        assert balance(other, "payment:unallocated") == 7

    def test_keeps_currencies_apart(self, book):
        post(book, CAPTURED)
        post(book, CAPTURED.replace("100.00", "30.00 USD"))

        assert balance(book, "payment:unallocated", "EUR") == 100
        assert balance(book, "payment:unallocated", "USD") == 30

    def test_takes_two_currencies_that_each_balance(self, book):
        post(
            book,
            """
            debit  payment:unallocated  100.00
            credit platform:fx          100.00
            debit  platform:fx          108.00 USD
            credit merchant:pending     107.00 USD
            credit platform:fx_revenue    1.00 USD
            """,
        )

        assert balance(book, "merchant:pending", "USD") == 107
        assert violations() == []

    def test_takes_both_sides_of_one_account(self, book):
        post(
            book,
            """
            debit  provider:stripe:clearing  20.00
            credit refund:payable            20.00
            debit  refund:payable            20.00
            credit merchant:payable          20.00
            """,
        )

        assert balance(book, "merchant:payable") == 20
        assert query("SELECT count(*) FROM ledger_entry") == [(4,)]

    def test_a_row_that_goes_down_and_up_in_one_posting_moves_by_the_sum(self, book, wallet):
        post(
            book,
            f"""
            debit  {wallet}             50.00
            credit platform:promotions  50.00
            debit  platform:promotions  60.00
            credit {wallet}             60.00
            """,
        )

        assert balance(book, wallet) == 10
        assert violations() == []

    def test_amounts_up_to_four_decimals_where_a_currency_has_them(self, book):
        post(book, CAPTURED.replace("100.00", "1.2345 CLF"))
        post(book, CAPTURED.replace("100.00", "5 JPY"))

        assert str(balance(book, "payment:unallocated", "CLF")) == "1.2345"
        assert balance(book, "payment:unallocated", "JPY") == 5


class TestDay:
    @pytest.mark.parametrize(
        ("zone", "occurred_at", "day"),
        [
            ("UTC", datetime(2026, 3, 10, 23, 59, tzinfo=UTC), date(2026, 3, 10)),
            ("Asia/Tokyo", datetime(2026, 3, 10, 15, 0, tzinfo=UTC), date(2026, 3, 11)),
            ("America/New_York", datetime(2026, 3, 11, 3, 59, tzinfo=UTC), date(2026, 3, 10)),
        ],
    )
    def test_is_the_day_it_happened_in_the_time_zone_of_the_book(
        self, book, zone, occurred_at, day
    ):
        with db.unit():
            ledger.open_book(book_id=book, time_zone=zone)

        reference = post(book, CAPTURED, occurred_at=occurred_at)

        found = selectors.transaction_by_reference(book_id=book, reference=reference)
        assert found.booked_on == day

    def test_no_such_time_zone(self, book):
        with pytest.raises(ValueError, match="no such time zone"), db.unit():
            ledger.open_book(book_id=book, time_zone="Mars/Olympus")
        with pytest.raises(ValueError, match="no such time zone"), db.unit():
            ledger.open_book(book_id=book, time_zone="../etc")


class TestRepeated:
    def test_the_same_reference_and_content_books_nothing_again(self, book):
        post(book, CAPTURED, reference="ch_1")
        before = counted()
        post(book, CAPTURED, reference="ch_1")

        assert counted() == before
        assert balance(book, "payment:unallocated") == 100

    def test_the_order_of_lines_and_a_later_time_are_the_same_content(self, book):
        post(book, CAPTURED, reference="ch_1")
        turned = "\n".join(reversed(CAPTURED.strip().splitlines()))
        post(book, turned, reference="ch_1", occurred_at=datetime(2026, 4, 1, tzinfo=UTC))

        found = selectors.transaction_by_reference(book_id=book, reference="ch_1")
        assert found.occurred_at == NOON

    @pytest.mark.parametrize(
        "other",
        [
            CAPTURED.replace("100.00", "100.01"),
            CAPTURED.replace("100.00", "100.00 USD"),
            CAPTURED.replace("stripe", "paypal"),
            CAPTURED.replace("debit", "x").replace("credit", "debit").replace("x ", "credit "),
        ],
    )
    def test_other_content_under_the_same_reference_is_a_bug(self, book, other):
        post(book, CAPTURED, reference="ch_1")
        before = counted(), balances(book)

        with pytest.raises(ledger.ReferenceReused) as refused:
            post(book, other, reference="ch_1")

        assert refused.value.facts == {"reference": "ch_1"}
        assert (counted(), balances(book)) == before

    def test_another_kind_is_other_content(self, book):
        post(book, CAPTURED, reference="ch_1", kind="captured")
        with pytest.raises(ledger.ReferenceReused):
            post(book, CAPTURED, reference="ch_1", kind="credited")

    def test_a_repeat_does_not_spend_again_what_is_gone(self, book, wallet):
        fund(book, wallet)
        spent = f"debit {wallet} 100.00\n credit merchant:pending 100.00"
        post(book, spent, reference="pay")

        post(book, spent, reference="pay")

        assert balance(book, wallet) == 0


class TestRefused:
    @pytest.mark.parametrize(
        ("error", "text"),
        [
            (ledger.Unbalanced, "debit merchant:pending 1.00\n credit platform:fees 0.99"),
            (ledger.Unbalanced, "debit merchant:pending 1.00"),
            (ledger.Unbalanced, ""),
            (ledger.Unbalanced, "debit merchant:pending 1.00\n credit platform:fees 1.00 USD"),
            (ledger.UnknownAccount, "debit merchant:pendign 1.00\n credit platform:fees 1.00"),
            (ledger.UnknownAccount, "debit wallet:7:available 1.00\n credit platform:fees 1.00"),
            (ledger.NotWhole, "debit merchant:pending 0\n credit platform:fees 0"),
            (ledger.NotWhole, "debit merchant:pending -1\n credit platform:fees -1"),
            (ledger.NotWhole, "debit merchant:pending 1.005\n credit platform:fees 1.005"),
            (ledger.NotWhole, "debit merchant:pending 1.5 JPY\n credit platform:fees 1.5 JPY"),
        ],
    )
    def test_at_the_call_what_is_no_posting(self, book, error, text):
        with pytest.raises(error), db.unit():
            ledger.post(
                book_id=book,
                reference="wrong",
                kind="test",
                lines=lines(text),
                occurred_at=NOON,
            )

        assert counted() == (0, 0, 0)

    def test_more_lines_than_any_event_has(self, book):
        many = [credit("platform:fees", eur(1)), debit("merchant:pending", eur(1))] * 51
        with pytest.raises(ledger.Unbalanced), db.unit():
            ledger.post(book_id=book, reference="long", kind="test", lines=many, occurred_at=NOON)

    def test_without_a_transaction(self, book):
        with pytest.raises(AssertionError, match="needs a transaction"):
            ledger.post(
                book_id=book,
                reference="r",
                kind="test",
                lines=lines(CAPTURED),
                occurred_at=NOON,
            )

    def test_a_bug_is_no_answer_to_a_merchant(self):
        assert not issubclass(ledger.Misposting, DomainError)


class TestFloor:
    def test_a_wallet_gives_its_last_cent_and_not_one_more(self, book, wallet):
        fund(book, wallet)
        post(book, f"debit {wallet} 99.99\n credit merchant:pending 99.99")
        post(book, f"debit {wallet} 0.01\n credit merchant:pending 0.01")

        before = counted(), balances(book)
        with pytest.raises(ledger.InsufficientFunds) as refused:
            post(book, f"debit {wallet} 0.01\n credit merchant:pending 0.01", reference="more")

        assert (refused.value.status, refused.value.code) == (402, "insufficient_funds")
        assert refused.value.facts == {
            "reference": "more",
            "account": wallet,
            "currency": "EUR",
            "balance": 0,
        }
        assert (counted(), balances(book)) == before

    def test_the_refusal_tells_the_merchant_what_there_is_and_not_whose_account(self, book, wallet):
        with pytest.raises(ledger.InsufficientFunds) as refused:
            post(book, f"debit {wallet} 1\n credit merchant:pending 1")

        assert wallet not in refused.value.message
        assert refused.value.extra == {"available": 0, "currency": "EUR"}

    def test_a_refused_posting_opens_no_account(self, book, wallet):
        with pytest.raises(ledger.InsufficientFunds):
            post(book, f"debit {wallet} 1\n credit merchant:pending 1")

        assert counted() == (0, 0, 0)

    def test_other_currencies_do_not_help(self, book, wallet):
        fund(book, wallet)
        with pytest.raises(ledger.InsufficientFunds):
            post(book, f"debit {wallet} 1 USD\n credit merchant:pending 1 USD")

    def test_an_account_without_a_row_has_no_floor(self, book):
        post(book, "debit merchant:pending 5\n credit refund:payable 5")

        assert balance(book, "merchant:pending") == -5


class TestGuardedLine:
    PAYOUT = "debit merchant:payable {} guarded\n credit payout:in_transit {}"

    def release(self, book, amount):
        post(book, f"debit merchant:pending {amount}\n credit merchant:payable {amount}")

    def test_a_payout_takes_what_is_there(self, book):
        self.release(book, 100)
        post(book, self.PAYOUT.format(100, 100))

        assert balance(book, "merchant:payable") == 0

    def test_a_payout_takes_no_more_than_is_there(self, book):
        self.release(book, 100)
        before = counted(), balances(book)

        with pytest.raises(ledger.InsufficientFunds):
            post(book, self.PAYOUT.format("100.01", "100.01"))

        assert (counted(), balances(book)) == before

    def test_a_refund_is_not_guarded_and_blocks_the_next_payout(self, book):
        post(book, "debit merchant:payable 30\n credit refund:payable 30")
        assert balance(book, "merchant:payable") == -30

        with pytest.raises(ledger.InsufficientFunds):
            post(book, self.PAYOUT.format(1, 1))

    def test_money_coming_in_is_never_refused(self, book):
        post(book, "debit merchant:payable 30\n credit refund:payable 30")
        post(book, "credit merchant:payable 10 guarded\n debit refund:payable 10")

        assert balance(book, "merchant:payable") == -20

    def test_what_comes_in_with_it_pays_for_it_and_what_goes_out_counts_too(self, book):
        out = "debit merchant:payable 30 guarded\n credit payout:in_transit 30"
        post(book, f"{out}\n debit merchant:pending 30\n credit merchant:payable 30")
        with pytest.raises(ledger.InsufficientFunds):
            post(
                book,
                f"""
                {out}
                debit  merchant:pending   35
                credit merchant:payable   35
                debit  merchant:payable    6
                credit refund:payable      6
                """,
            )

        assert balance(book, "merchant:payable") == 0

    def test_an_account_without_a_row_cannot_be_guarded(self, book):
        with pytest.raises(ledger.NoRow):
            post(book, "debit merchant:pending 1 guarded\n credit refund:payable 1")
        assert counted() == (0, 0, 0)


class TestUnit:
    def test_an_error_of_the_database_comes_when_the_unit_is_sent(self, book, wallet):
        reached = []
        with pytest.raises(ledger.InsufficientFunds), db.unit():
            ledger.post(
                book_id=book,
                reference="first",
                kind="test",
                lines=lines(CAPTURED),
                occurred_at=NOON,
            )
            ledger.post(
                book_id=book,
                reference="second",
                kind="test",
                lines=lines(f"debit {wallet} 1\n credit merchant:pending 1"),
                occurred_at=NOON,
            )
            reached.append("the end of the block")

        assert reached == ["the end of the block"]
        assert counted() == (0, 0, 0)

    def test_inside_atomic_it_comes_at_the_call(self, book, wallet):
        reached = []
        with pytest.raises(ledger.InsufficientFunds), transaction.atomic():
            ledger.post(
                book_id=book,
                reference="first",
                kind="test",
                lines=[debit(wallet, usd(1)), credit("merchant:pending", usd(1))],
                occurred_at=NOON,
            )
            reached.append("after the call")

        assert reached == []
        assert counted() == (0, 0, 0)
