"""Every invariant of payouts can fail: each is shown a book that breaks it, and finds it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from apps.core import clock
from apps.payments import services
from apps.payments.payout_invariants import INVARIANTS
from apps.payments.tests import truth
from apps.payments.tests.conftest import Merchant
from apps.payments.tests.purses import set_status, wallet
from apps.payments.tests.rows import execute
from apps.payments.tests.test_withdrawals import give_to_merchant, owner_of, withdraw
from apps.payments.tests.tills import agree, bank, end, paid_out
from paysys.testing.simulator import Simulator

_STRAY = (
    "INSERT INTO ledger_transaction (id, book_id, reference, kind, occurred_at, booked_on,"
    " created_at, fingerprint) SELECT gen_random_uuid(), id, '{0}:' || id, '{0}', now(), now(),"
    " now(), '\\x00' FROM ledger_book"
)

# What breaks each of them, past every guard that there is.
BROKEN_BY = {
    "payouts: merchant:pending = what is not payable yet": [
        "UPDATE payments_balance_transaction SET payable_at = NULL, paid_out = 0"
        " WHERE kind = 'payment'"
    ],
    "payouts: merchant:payable = what is payable": [
        "DELETE FROM payments_balance_transaction WHERE kind = 'reserve_kept'"
    ],
    "payouts: what is payable no payout has taken": [
        "UPDATE payments_balance_transaction SET paid_out = net WHERE kind = 'payment'"
    ],
    "payouts: merchant:reserve = reserves not freed": ["DELETE FROM payments_reserve"],
    "payouts: payout:in_transit = open payouts": [
        "UPDATE payments_payout SET status = 'PAID' WHERE status = 'IN_TRANSIT'"
    ],
    "payouts: a payout is the sum of its items": [
        "UPDATE payments_payout_item SET amount = amount + 1"
    ],
    "payouts: what was paid out of a line = its standing items": [
        "DELETE FROM payments_payout_item"
    ],
    "payouts: every payout has its lines of the balance": [
        "DELETE FROM payments_balance_transaction WHERE kind = 'payout_return'"
    ],
    "payouts: what a withdrawal brings the merchant is in its balance": [
        "DELETE FROM payments_balance_transaction WHERE kind = 'withdrawal_return'"
    ],
    "payouts: what was paid, returned, released or kept has its posting": [
        "UPDATE payments_payout SET status = 'RETURNED' WHERE status = 'PAID'"
    ],
    "payouts: every such posting has its fact": [_STRAY.format("payout")],
    "payouts: a release is its lines": ["UPDATE payments_release SET lines = lines + 1"],
    "payouts: every change has its event and its audit row": [
        "DELETE FROM notifications_event WHERE kind = 'payout.paid'"
    ],
    "payouts: an open payout has an open run": [
        "UPDATE sagas_run SET status = 'COMPLETED', next_run_at = NULL, waiting_for = ''"
        " WHERE saga = 'payout'"
    ],
}
# The same two of them for every kind of posting.
KINDS = {
    "payout_reserve": "DELETE FROM payments_payout WHERE status = 'IN_TRANSIT'",
    "payout": "UPDATE payments_payout SET status = 'IN_TRANSIT' WHERE status = 'PAID'",
    "payout_return": "UPDATE payments_payout SET status = 'PAID' WHERE status = 'RETURNED'",
    "payout_to_merchant": "UPDATE payments_payout SET to_merchant_at = NULL",
    "release": "DELETE FROM payments_release",
    "reserve_keep": "DELETE FROM payments_reserve",
    "reserve_free": "UPDATE payments_reserve SET freed_at = NULL",
}


@pytest.fixture
def busy(merchant: Merchant, simulator: Simulator) -> Merchant:
    """Something of every kind: payouts on their way, paid, failed and returned; a reserve kept and
    one freed."""
    now = clock.now()
    agree(merchant, reserve_basis_points=1_000, reserve_days=1)
    for _ in range(2):
        merchant.captured(10_000)
        services.release(now=now)
        services.release(now=now + timedelta(days=1))
    merchant.captured(10_000)
    services.release(now=now)
    bank(merchant)
    for result in ("pay", "fail", "return"):
        end(simulator, merchant, paid_out(merchant, 1_000), result)
    paid_out(merchant, 1_000)
    purse = wallet(merchant, 2_000)
    bank(merchant, customer_id=owner_of(purse))
    withdrawn = withdraw(merchant, purse, 2_000).json()["id"]
    set_status(purse, "CLOSED")
    end(simulator, merchant, withdrawn, "fail")
    truth.finish_everything()
    give_to_merchant(merchant, withdrawn)
    truth.finish_everything()
    return merchant


def broken_by(*statements: str) -> dict[str, Any]:
    with transaction.atomic():
        execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            execute(statement)
        broken = truth.violations()
        transaction.set_rollback(True)
    return broken


class TestEveryInvariant:
    def test_has_its_violation_here(self) -> None:
        assert {invariant.name for invariant in INVARIANTS} == set(BROKEN_BY)

    def test_finds_what_breaks_it(self, busy: Merchant) -> None:
        assert truth.violations() == {}
        for name, statements in BROKEN_BY.items():
            assert name in broken_by(*statements), name
        assert truth.violations() == {}

    def test_knows_every_kind_of_posting(self, busy: Merchant) -> None:
        for kind, statement in KINDS.items():
            (name,) = (n for n in BROKEN_BY if n.startswith("payouts: every such posting"))
            found = broken_by(statement)[name]
            assert any(kind_of(reference) == kind for _, reference in found), kind

    def test_misses_every_kind_of_posting(self, busy: Merchant) -> None:
        (name,) = (n for n in BROKEN_BY if n.startswith("payouts: what was paid, returned"))
        for kind in KINDS:
            found = broken_by(f"UPDATE ledger_transaction SET kind = 'x' WHERE kind = '{kind}'")
            assert kind in {row[1] for row in found[name]}, kind


def kind_of(reference: str) -> str:
    words = {"reserve:keep": "reserve_keep", "reserve:free": "reserve_free"}
    words |= {"payout:reserve": "payout_reserve", "payout:return": "payout_return"}
    words |= {"payout:merchant": "payout_to_merchant"}
    start = reference.rpartition(":")[0]
    return words.get(start, start)
