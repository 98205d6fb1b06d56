"""What conversions and money nobody understands book; see `test_worked_examples`."""

import pytest

from apps.ledger.tests.books import balances, post, violations

pytestmark = pytest.mark.django_db(transaction=True)


class TestConversion:
    def test_a_payment_in_dollars_for_a_merchant_in_euros(self, book):
        post(book, "debit provider:stripe:clearing 108 USD\n credit payment:unallocated 108 USD")
        post(
            book,
            """
            debit  payment:unallocated  108.00 USD
            credit platform:fx          108.00 USD
            debit  platform:fx          100.00 EUR
            credit merchant:pending      99.00 EUR
            credit platform:fx_revenue    1.00 EUR
            """,
        )
        post(
            book,
            """
            debit  platform:fx               108.00 USD
            credit provider:stripe:clearing  108.00 USD
            debit  provider:stripe:clearing   99.50 EUR
            credit platform:fx                99.50 EUR
            """,
        )
        post(book, "debit platform:fx_result 0.50\n credit platform:fx 0.50")

        assert {key: str(total) for key, total in balances(book).items()} == {
            ("merchant:pending", "EUR"): "99.0000",
            ("platform:fx_result", "EUR"): "-0.5000",
            ("platform:fx_revenue", "EUR"): "1.0000",
            ("provider:stripe:clearing", "EUR"): "99.5000",
        }
        assert violations() == []

    def test_a_gain_at_revaluation(self, tell):
        assert tell("debit platform:fx 2\n credit platform:fx_result 2") == {
            "platform:fx": "-2.00",
            "platform:fx_result": "2.00",
        }


class TestNotUnderstood:
    def test_money_came_in_and_was_explained(self, tell):
        found = tell("debit platform:bank 12.34\n credit platform:suspense 12.34")
        assert found["platform:suspense"] == "12.34"

        assert tell("debit platform:suspense 12.34\n credit merchant:payable 12.34") == {
            "merchant:payable": "12.34",
            "platform:bank": "12.34",
        }

    def test_money_went_out(self, tell):
        found = tell("debit platform:suspense 5\n credit platform:bank 5")
        assert found["platform:suspense"] == "-5.00"

    def test_a_cent_is_written_off(self, tell):
        assert tell("debit platform:losses 0.01\n credit provider:stripe:clearing 0.01") == {
            "platform:losses": "0.01",
            "provider:stripe:clearing": "-0.01",
        }
