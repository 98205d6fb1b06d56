"""What each event books, as an accountant would write it: the table of docs/money-flows.md.

Every story begins with an empty book and ends with the balances of all accounts that are not at
zero, each on its normal side. In between stands nothing but postings.
"""

import pytest

from apps.core.ids import new_id

pytestmark = pytest.mark.django_db(transaction=True)

CUSTOMER = new_id()
WALLET, HELD, PROMO = (f"wallet:{CUSTOMER}:{part}" for part in ("available", "held", "promo"))
OTHER_WALLET = f"wallet:{new_id()}:available"

CAPTURED = """
    debit  provider:stripe:clearing  100.00
    credit payment:unallocated       100.00
"""
CREDITED_WITH_FEE_OF_3 = """
    debit  payment:unallocated  100.00
    credit merchant:pending     100.00
    debit  merchant:pending       3.00
    credit platform:fees          3.00
"""
RELEASED = """
    debit  merchant:pending  97.00
    credit merchant:payable  97.00
"""


class TestSeedExample:
    def test_a_customer_pays_100_from_a_wallet_of_400_to_a_merchant_holding_500(self, tell):
        before = tell(
            f"debit platform:bank 400.00\n credit {WALLET} 400.00",
            "debit platform:bank 500.00\n credit merchant:payable 500.00",
        )
        assert before == {
            "merchant:payable": "500.00",
            "platform:bank": "900.00",
            WALLET: "400.00",
        }

        after = tell(
            f"debit {WALLET} 100.00\n credit {HELD} 100.00",
            f"debit {HELD} 100.00\n credit payment:unallocated 100.00",
            CREDITED_WITH_FEE_OF_3,
        )

        assert after[WALLET] == "300.00"
        assert float(after["merchant:pending"]) + float(after["merchant:payable"]) == 597
        assert after["platform:fees"] == "3.00"
        assert after["platform:bank"] == "900.00"


class TestCardPayment:
    def test_captured_credited_released_settled_and_in_the_bank(self, tell):
        assert tell(CAPTURED) == {
            "payment:unallocated": "100.00",
            "provider:stripe:clearing": "100.00",
        }
        assert tell(CREDITED_WITH_FEE_OF_3) == {
            "merchant:pending": "97.00",
            "platform:fees": "3.00",
            "provider:stripe:clearing": "100.00",
        }
        assert tell(
            RELEASED,
            "debit provider:stripe:fees 1.75\n credit provider:stripe:clearing 1.75",
            "debit bank:in_transit 98.25\n credit provider:stripe:clearing 98.25",
            "debit platform:bank 98.25\n credit bank:in_transit 98.25",
        ) == {
            "merchant:payable": "97.00",
            "platform:bank": "98.25",
            "platform:fees": "3.00",
            "provider:stripe:fees": "1.75",
        }

    def test_the_merchant_is_paid_out(self, tell):
        assert tell(
            CAPTURED,
            CREDITED_WITH_FEE_OF_3,
            RELEASED,
            "debit merchant:payable 97.00 guarded\n credit payout:in_transit 97.00",
            "debit payout:in_transit 97.00\n credit provider:stripe:clearing 97.00",
        ) == {"platform:fees": "3.00", "provider:stripe:clearing": "3.00"}

    def test_a_payout_comes_back_after_it_was_paid(self, tell):
        end = tell(
            CAPTURED,
            CREDITED_WITH_FEE_OF_3,
            RELEASED,
            "debit merchant:payable 97.00 guarded\n credit payout:in_transit 97.00",
            "debit payout:in_transit 97.00\n credit provider:stripe:clearing 97.00",
            "debit provider:stripe:clearing 97.00\n credit merchant:payable 97.00",
        )
        assert end["merchant:payable"] == "97.00"

    def test_a_payout_that_failed_before_leaving(self, tell):
        end = tell(
            CAPTURED,
            CREDITED_WITH_FEE_OF_3,
            RELEASED,
            "debit merchant:payable 97.00 guarded\n credit payout:in_transit 97.00",
            "debit payout:in_transit 97.00\n credit merchant:payable 97.00",
        )
        assert (end["merchant:payable"], end.get("payout:in_transit")) == ("97.00", None)

    def test_the_provider_debits_us_when_its_balance_is_negative(self, tell):
        assert tell(
            "debit provider:stripe:fees 2.00\n credit provider:stripe:clearing 2.00",
            "debit provider:stripe:clearing 2.00\n credit bank:in_transit 2.00",
            "debit bank:in_transit 2.00\n credit platform:bank 2.00",
        ) == {"platform:bank": "-2.00", "provider:stripe:fees": "2.00"}

    def test_a_reserve_is_kept_and_freed(self, tell):
        kept = tell(
            CAPTURED,
            CREDITED_WITH_FEE_OF_3,
            RELEASED,
            "debit merchant:payable 10.00\n credit merchant:reserve 10.00",
        )
        assert (kept["merchant:payable"], kept["merchant:reserve"]) == ("87.00", "10.00")

        freed = tell("debit merchant:reserve 10.00\n credit merchant:payable 10.00")
        assert (freed["merchant:payable"], freed.get("merchant:reserve")) == ("97.00", None)


class TestUndone:
    def test_a_capture_is_promised_back_and_goes_back(self, tell):
        promised = tell(CAPTURED, "debit payment:unallocated 100\n credit refund:payable 100")
        assert promised == {"provider:stripe:clearing": "100.00", "refund:payable": "100.00"}

        assert tell("debit refund:payable 100\n credit provider:stripe:clearing 100") == {}

    def test_the_wallet_part_of_a_capture_goes_back_to_the_wallet(self, tell):
        assert tell(
            f"debit platform:bank 40\n credit {WALLET} 40",
            f"debit {WALLET} 40\n credit {HELD} 40",
            f"debit {HELD} 40\n credit payment:unallocated 40",
            f"debit payment:unallocated 40\n credit {WALLET} 40",
        ) == {"platform:bank": "40.00", WALLET: "40.00"}

    def test_a_credit_with_its_fee(self, tell):
        assert tell(
            CAPTURED,
            CREDITED_WITH_FEE_OF_3,
            """
            debit  merchant:pending     100.00
            debit  platform:fees          3.00
            credit payment:unallocated  100.00
            credit merchant:pending       3.00
            """,
        ) == {"payment:unallocated": "100.00", "provider:stripe:clearing": "100.00"}


class TestHold:
    def test_placed_and_released(self, tell):
        held = tell(
            f"debit platform:bank 50\n credit {WALLET} 50",
            f"debit {WALLET} 20\n credit {HELD} 20",
        )
        assert (held[WALLET], held[HELD]) == ("30.00", "20.00")

        released = tell(f"debit {HELD} 20\n credit {WALLET} 20")
        assert (released[WALLET], released.get(HELD)) == ("50.00", None)

    def test_promotional_credit_is_spent_first_and_comes_back_as_such(self, tell):
        held = tell(
            f"debit platform:promotions 5\n credit {PROMO} 5",
            f"debit platform:bank 50\n credit {WALLET} 50",
            f"debit {PROMO} 5\n debit {WALLET} 15\n credit {HELD} 20",
        )
        assert (held.get(PROMO), held[WALLET], held[HELD]) == (None, "35.00", "20.00")

        back = tell(f"debit {HELD} 20\n credit {PROMO} 5\n credit {WALLET} 15")
        assert (back[PROMO], back[WALLET]) == ("5.00", "50.00")

    def test_promotional_credit_expires(self, tell):
        assert (
            tell(
                f"debit platform:promotions 5\n credit {PROMO} 5",
                f"debit {PROMO} 5\n credit platform:promotions 5",
            )
            == {}
        )

    def test_a_transfer_between_wallets_of_one_book(self, tell):
        end = tell(
            f"debit platform:bank 50\n credit {WALLET} 50",
            f"debit {WALLET} 20\n credit {OTHER_WALLET} 20",
        )
        assert (end[WALLET], end[OTHER_WALLET]) == ("30.00", "20.00")

    def test_a_top_up_is_a_charge_that_ends_in_the_wallet(self, tell):
        assert tell(CAPTURED, f"debit payment:unallocated 100\n credit {WALLET} 100") == {
            "provider:stripe:clearing": "100.00",
            WALLET: "100.00",
        }


class TestRefund:
    PAID = (CAPTURED, CREDITED_WITH_FEE_OF_3, RELEASED)
    RESERVED = "debit merchant:payable 40\n credit refund:payable 40"
    CONFIRMED = "debit refund:payable 40\n credit provider:stripe:clearing 40"

    def test_reserved_confirmed_and_its_part_of_the_fee_returned(self, tell):
        assert tell(
            *self.PAID,
            self.RESERVED,
            self.CONFIRMED,
            "debit platform:fees 1.20\n credit merchant:payable 1.20",
        ) == {
            "merchant:payable": "58.20",
            "platform:fees": "1.80",
            "provider:stripe:clearing": "60.00",
        }

    def test_failed_before_it_was_confirmed(self, tell):
        end = tell(
            *self.PAID, self.RESERVED, "debit refund:payable 40\n credit merchant:payable 40"
        )
        assert end["merchant:payable"] == "97.00"
        assert end["provider:stripe:clearing"] == "100.00"

    def test_failed_weeks_after_it_was_confirmed(self, tell):
        end = tell(
            *self.PAID,
            self.RESERVED,
            self.CONFIRMED,
            """
            debit  provider:stripe:clearing  40.00
            credit refund:payable            40.00
            debit  refund:payable            40.00
            credit merchant:payable          40.00
            """,
        )
        assert end["merchant:payable"] == "97.00"
        assert end["provider:stripe:clearing"] == "100.00"
        assert "refund:payable" not in end

    def test_to_the_wallet(self, tell):
        end = tell(*self.PAID, f"debit merchant:payable 40\n credit {WALLET} 40")
        assert (end["merchant:payable"], end[WALLET]) == ("57.00", "40.00")

    def test_of_more_than_is_payable_leaves_the_merchant_in_debt(self, tell):
        end = tell(CAPTURED, CREDITED_WITH_FEE_OF_3, self.RESERVED)
        assert (end["merchant:pending"], end["merchant:payable"]) == ("97.00", "-40.00")

    def test_the_provider_returns_its_fee(self, tell):
        assert (
            tell(
                "debit provider:stripe:fees 1.75\n credit provider:stripe:clearing 1.75",
                "debit provider:stripe:clearing 1.75\n credit provider:stripe:fees 1.75",
            )
            == {}
        )


class TestDispute:
    PAID = (CAPTURED, CREDITED_WITH_FEE_OF_3, RELEASED)
    OPENED = "debit merchant:payable 100\n credit merchant:disputed 100"
    WITHDRAWN = "debit provider:stripe:disputed 100\n credit provider:stripe:clearing 100"
    FEE = (
        "debit provider:stripe:fees 15\n credit provider:stripe:clearing 15",
        "debit merchant:payable 15\n credit platform:fees 15",
    )

    def test_won(self, tell):
        end = tell(
            *self.PAID,
            self.OPENED,
            self.WITHDRAWN,
            "debit merchant:disputed 100\n credit merchant:payable 100",
            "debit provider:stripe:clearing 100\n credit provider:stripe:disputed 100",
        )
        assert end["merchant:payable"] == "97.00"
        assert end["provider:stripe:clearing"] == "100.00"

    def test_lost_with_its_fee_passed_on(self, tell):
        assert tell(
            *self.PAID,
            self.OPENED,
            self.WITHDRAWN,
            *self.FEE,
            "debit merchant:disputed 100\n credit provider:stripe:disputed 100",
        ) == {
            "merchant:payable": "-18.00",
            "platform:fees": "18.00",
            "provider:stripe:clearing": "-15.00",
            "provider:stripe:fees": "15.00",
        }

    def test_lost_and_carried_by_us(self, tell):
        end = tell(
            *self.PAID,
            self.OPENED,
            self.WITHDRAWN,
            "debit merchant:disputed 100\n credit provider:stripe:disputed 100",
            "debit platform:losses 100\n credit merchant:payable 100",
        )
        assert (end["merchant:payable"], end["platform:losses"]) == ("97.00", "100.00")

    def test_reversed_long_after_it_was_lost(self, tell):
        end = tell(
            *self.PAID,
            self.OPENED,
            self.WITHDRAWN,
            "debit merchant:disputed 100\n credit provider:stripe:disputed 100",
            "debit provider:stripe:clearing 100\n credit merchant:payable 100",
        )
        assert end["merchant:payable"] == "97.00"

    def test_beyond_the_budget_the_rest_has_a_case(self, tell):
        opened = tell(
            *self.PAID,
            "debit merchant:payable 70\n debit platform:excess 30\n credit merchant:disputed 100",
        )
        assert (opened["platform:excess"], opened["merchant:disputed"]) == ("30.00", "100.00")

        charged = tell("debit merchant:payable 20\n credit platform:excess 20")
        assert (charged["merchant:payable"], charged["platform:excess"]) == ("7.00", "10.00")

        written_off = tell("debit platform:losses 10\n credit platform:excess 10")
        assert written_off["platform:losses"] == "10.00"
        assert "platform:excess" not in written_off

    def test_on_a_top_up_takes_what_is_left_in_the_wallet(self, tell):
        end = tell(
            CAPTURED,
            f"debit payment:unallocated 100\n credit {WALLET} 100",
            f"debit {WALLET} 60\n credit merchant:pending 60",
            f"debit {WALLET} 40\n debit platform:excess 60\n credit merchant:disputed 100",
        )
        assert (end.get(WALLET), end["platform:excess"]) == (None, "60.00")
