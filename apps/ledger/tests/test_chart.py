"""The chart of accounts and its twin in the database."""

import re
from uuid import UUID

import pytest
from django.db import connection

from apps.ledger import chart
from apps.ledger.tests.books import query
from apps.ledger.types import AccountType, EntryType

WALLET = UUID("01a20760-0169-7265-8c6e-8ba6844f290e")
CODES = {
    chart.wallet_available(WALLET): (AccountType.LIABILITY, EntryType.CREDIT, True, 0),
    chart.wallet_held(WALLET): (AccountType.LIABILITY, EntryType.CREDIT, True, 0),
    chart.wallet_promo(WALLET): (AccountType.LIABILITY, EntryType.CREDIT, True, 0),
    chart.PAYMENT_UNALLOCATED: (AccountType.LIABILITY, EntryType.CREDIT, False, None),
    chart.MERCHANT_PENDING: (AccountType.LIABILITY, EntryType.CREDIT, False, None),
    chart.MERCHANT_PAYABLE: (AccountType.LIABILITY, EntryType.CREDIT, True, None),
    chart.MERCHANT_DISPUTED: (AccountType.LIABILITY, EntryType.CREDIT, False, None),
    chart.MERCHANT_RESERVE: (AccountType.LIABILITY, EntryType.CREDIT, True, 0),
    chart.REFUND_PAYABLE: (AccountType.LIABILITY, EntryType.CREDIT, False, None),
    chart.PAYOUT_IN_TRANSIT: (AccountType.LIABILITY, EntryType.CREDIT, False, None),
    chart.provider_clearing("stripe"): (AccountType.ASSET, EntryType.DEBIT, False, None),
    chart.provider_disputed("paypal"): (AccountType.ASSET, EntryType.DEBIT, False, None),
    chart.BANK_IN_TRANSIT: (AccountType.ASSET, EntryType.DEBIT, False, None),
    chart.PLATFORM_BANK: (AccountType.ASSET, EntryType.DEBIT, False, None),
    chart.PLATFORM_EXCESS: (AccountType.ASSET, EntryType.DEBIT, False, None),
    chart.provider_fees("stripe"): (AccountType.EXPENSE, EntryType.DEBIT, False, None),
    chart.PLATFORM_LOSSES: (AccountType.EXPENSE, EntryType.DEBIT, False, None),
    chart.PLATFORM_PROMOTIONS: (AccountType.EXPENSE, EntryType.DEBIT, False, None),
    chart.PLATFORM_FEES: (AccountType.REVENUE, EntryType.CREDIT, False, None),
    chart.PLATFORM_FX_REVENUE: (AccountType.REVENUE, EntryType.CREDIT, False, None),
    chart.PLATFORM_FX_RESULT: (AccountType.REVENUE, EntryType.CREDIT, False, None),
    chart.PLATFORM_FX: (AccountType.EQUITY, EntryType.CREDIT, False, None),
    chart.PLATFORM_SUSPENSE: (AccountType.LIABILITY, EntryType.CREDIT, False, None),
}
STRANGERS = [
    "merchant:other",
    "merchant:pending ",
    " merchant:pending",
    "merchant:pending\n",
    "MERCHANT:pending",
    "merchant:pending:x",
    "wallet::available",
    "wallet:1:available",
    "wallet:{}:spent",
    "wallet:" + str(WALLET).upper() + ":available",
    "provider::clearing",
    "provider:Stripe:clearing",
    "provider:" + 31 * "x" + ":clearing",
    "provider:a:b:clearing",
    "",
]


class TestChart:
    def test_every_account_is_in_this_test(self):
        assert {chart.rule_of(code) for code in CODES} == set(chart.CHART)

    @pytest.mark.parametrize("code", CODES)
    def test_type_side_row_and_floor(self, code):
        rule = chart.rule_of(code)
        assert (rule.account_type, rule.normal_side, rule.has_row, rule.floor) == CODES[code]

    @pytest.mark.parametrize("code", STRANGERS)
    def test_a_stranger_is_no_account(self, code):
        with pytest.raises(chart.UnknownCode):
            chart.rule_of(code)

    @pytest.mark.parametrize("code", CODES)
    def test_one_rule_a_code(self, code):
        assert sum(1 for pattern, _ in chart._COMPILED if pattern.fullmatch(code)) == 1


@pytest.mark.django_db
class TestTwin:
    def test_says_the_same_of_every_account(self):
        for code in CODES:
            rule = chart.rule_of(code)
            assert query("SELECT * FROM ledger_chart(%s)", [code]) == [
                (rule.pattern, rule.account_type, rule.normal_side, rule.has_row, rule.floor)
            ]

    def test_knows_no_account_more(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = 'ledger_chart'")
            source = cursor.fetchone()[0]
        assert len(re.findall(r"^ +\('", source, re.MULTILINE)) == len(chart.CHART)

    @pytest.mark.parametrize("code", STRANGERS)
    def test_knows_no_stranger(self, code):
        assert query("SELECT * FROM ledger_chart(%s)", [code]) == []
