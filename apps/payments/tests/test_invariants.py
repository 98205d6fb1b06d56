"""Every invariant of payments can fail: each is shown a book that breaks it, and finds it."""

from __future__ import annotations

import pytest
from django.db import transaction

from apps.payments.invariants import INVARIANTS
from apps.payments.tests import news, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.rows import execute
from paysys.testing import books
from paysys.testing.simulator import Simulator

_DROP = "ALTER TABLE payments_payment DROP CONSTRAINT "
_NEW_REFUND = (
    "INSERT INTO payments_refund (id, book_id, payment_id, status, currency, amount, fee_returned,"
    " reason, metadata, is_compensation, provider_reference, failure_code, version, created_by,"
    " created_at, updated_at, card_amount, bearer_amount, failed_amount, failed_bearer_amount,"
    " failed_fee, merchant_amount) SELECT gen_random_uuid(), book_id, id, '{}', currency, 7, 0, '',"
    " '{{}}', false, 're_x', '', 1, 'system', now(), now(), 7, 7, 0, 0, 0, 0 FROM payments_payment"
)
_ONE_MORE = (
    "INSERT INTO ledger_entry (transaction_id, line, book_id, account_id, entry_type, amount,"
    " currency, created_at) SELECT transaction_id, 9, book_id, account_id, entry_type, amount,"
    " currency, e.created_at FROM ledger_entry e WHERE account_id ="
    " (SELECT id FROM ledger_account WHERE code = '{}') LIMIT 1"
)

# What breaks each of them, past every guard that there is.
BROKEN_BY = {
    "payments: status is the headline of the facts": [
        _DROP + "payments_payment_headline",
        "UPDATE payments_payment SET status = 'CHARGED_BACK'",
    ],
    "payments: captured <= authorized <= amount": [
        _DROP + "payments_payment_captured",
        "UPDATE payments_payment SET amount_authorized = 99",
    ],
    "payments: the money-out budget": [
        _DROP + "payments_payment_money_out_budget",
        "UPDATE payments_payment SET refund_reserved = 101",
    ],
    "payments: counters = refunds and disputes": [
        "UPDATE payments_payment SET refund_reserved = 41"
    ],
    "payments: every capture has its posting": [
        "UPDATE payments_payment SET charge_reference = 'ch_x'"
    ],
    "payments: every capture posting has its payment": [
        "UPDATE ledger_transaction SET reference = 'capture:ch_x' WHERE kind = 'capture'"
    ],
    "payments: every refund has its posting": [
        "UPDATE payments_refund SET status = 'FAILED', failed_at = now()"
    ],
    "payments: every refund posting has its refund": [
        "UPDATE payments_refund SET provider_reference = 're_x'"
    ],
    "payments: refund:payable = open refunds": [_NEW_REFUND.format("PENDING")],
    "payments: nothing unallocated without a run": [_ONE_MORE.format("payment:unallocated")],
    "payments: platform:fees = fees of credited payments and disputes": [
        _ONE_MORE.format("platform:fees")
    ],
    "payments: every change has its event and its audit row": [
        "DELETE FROM audit_entry WHERE action = 'payment.captured'"
    ],
    "payments: every refund's change has its event and its audit row": [
        "DELETE FROM notifications_event WHERE kind = 'refund.succeeded'"
    ],
    "payments: a settled payment has its line": ["DELETE FROM payments_settlement_line"],
    "payments: every settlement line has its posting": [
        "UPDATE payments_settlement_line SET line_reference = 'txn_x' WHERE kind = 'refund'"
    ],
    "payments: every settlement posting has its line": [
        "DELETE FROM payments_settlement_line WHERE kind = 'refund'"
    ],
    "payments: every credit has its line of the balance": [
        "UPDATE payments_balance_transaction SET fee = 1, net = gross - 1 WHERE kind = 'payment'"
    ],
    "payments: every refund has its line of the balance": [
        "DELETE FROM payments_balance_transaction WHERE kind = 'refund'"
    ],
    "payments: what a refund brings the merchant is in the books and in its balance": [
        "UPDATE payments_refund SET merchant_amount = 1"
    ],
    "payments: a payment's hold is its own": [
        "UPDATE payments_payment SET wallet_id = id, hold_id = id, wallet_amount = 1,"
        " wallet_captured = 1"
    ],
    "payments: every transfer has its posting": [
        "INSERT INTO payments_transfer SELECT id, book_id, id, book_id, currency, 1, '', '{}',"
        " 'system', created_at FROM payments_payment"
    ],
    "payments: a conversion is what its quote promised": [
        _DROP + "payments_payment_conversion",
        "UPDATE payments_payment SET quote_id = id",
    ],
    "payments: platform:fx_revenue = spreads of credited payments": [
        _DROP + "payments_payment_conversion",
        "UPDATE payments_payment SET fx_spread = 1",
    ],
    "payments: an open payment has an open run": [
        _DROP + "payments_payment_captured_iff_status",
        "UPDATE payments_payment SET status = 'AUTHORIZED'",
    ],
    "payments: an open refund has an open run": [
        "UPDATE payments_refund SET status = 'PENDING'",
    ],
}


@pytest.fixture
def settled(merchant: Merchant, simulator: Simulator) -> str:
    """A payment that has been through everything: taken, given back in part, paid out."""
    payment_id = merchant.captured(10_000)
    merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 4_000})
    truth.settle(simulator)
    return payment_id


class TestEveryInvariant:
    def test_has_its_violation_here(self) -> None:
        assert {invariant.name for invariant in INVARIANTS} == set(BROKEN_BY)
        assert len({invariant.name for invariant in INVARIANTS}) == len(INVARIANTS)

    @pytest.mark.parametrize("name", BROKEN_BY)
    def test_finds_what_breaks_it(self, settled: str, name: str) -> None:
        assert truth.violations() == {}

        with transaction.atomic():
            execute("SET LOCAL session_replication_role = replica")
            for statement in BROKEN_BY[name]:
                execute(statement)
            broken = truth.violations()
            transaction.set_rollback(True)

        assert name in broken
        assert truth.violations() == {}

    def test_is_there_once_over_all_apps_and_says_what_it_is_about(self) -> None:
        found = books.invariants()

        assert len(found) > len(INVARIANTS)
        assert all(invariant.says for invariant in found.values())


class TestAllOfThem:
    def test_hold_in_the_middle_of_everything(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        """They are asked at any moment, not only when nothing is under way."""
        merchant.pay(source="pm_card_threeDSecure2Required")
        merchant.pay(capture_method="manual")
        simulator.fault("confirm", "reset_after")
        merchant.pay()
        payment_id = merchant.captured(10_000, "pm_card_pendingRefund")
        merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 3_000})
        simulator.fault("refund", "reset_after")
        merchant.post(f"/v1/payments/{merchant.captured()}/refund", {"amount": 3_000})
        merchant.pay(source="pm_card_visa_chargeDeclined")
        assert truth.violations() == {}

        simulator.settle()
        news.tell(simulator)
        finish_runs()

        assert truth.violations() == {}
