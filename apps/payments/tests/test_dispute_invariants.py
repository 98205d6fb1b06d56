"""Every invariant of disputes can fail: each is shown a book that breaks it, and finds it."""

from __future__ import annotations

import pytest

from apps.payments.dispute_invariants import INVARIANTS
from apps.payments.services import excess
from apps.payments.tests import truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.objections import hear, open_dispute
from apps.payments.tests.test_excess import decide
from apps.payments.tests.test_payout_invariants import _STRAY, broken_by
from paysys.testing.simulator import Simulator

# What breaks each of them, past every guard that there is.
BROKEN_BY = {
    "disputes: merchant:disputed = open disputes": (
        "UPDATE payments_dispute SET amount_open = 0, amount_lost = amount WHERE amount_open > 0"
    ),
    "disputes: provider:disputed = withdrawn and undecided": "DELETE FROM payments_dispute_line",
    "disputes: platform:excess = what exceeds budgets and wallets": (
        "UPDATE payments_dispute SET excess = excess_charged + excess_written_off, "
        "budget_part = amount - excess_charged - excess_written_off WHERE excess > 0"
    ),
    "disputes: platform:losses = what was written off of them": (
        "UPDATE payments_dispute SET excess_written_off = 0, excess = excess - 5, "
        "budget_part = budget_part + 5 WHERE excess_written_off > 0"
    ),
    "disputes: excess is what exceeds": (
        "UPDATE payments_payment SET amount_excess = amount_excess + 1 WHERE amount_disputed > 0"
    ),
    "disputes: what exceeds has an open case": (
        "UPDATE payments_excess_case SET closed_at = now() WHERE closed_at IS NULL"
    ),
    "disputes: a dispute is its moves": "DELETE FROM payments_dispute_move",
    "disputes: a dispute is over or set aside": (
        "UPDATE payments_dispute SET status = 'WON' WHERE status = 'NEEDS_RESPONSE'"
    ),
    "disputes: every move has its posting": (
        "UPDATE ledger_transaction SET reference = 'x' || id WHERE kind = 'dispute'"
    ),
    "disputes: every such posting has its move": _STRAY.format("dispute"),
    "disputes: every line has its posting": (
        "UPDATE ledger_transaction SET reference = 'x' || id WHERE kind = 'dispute_line'"
    ),
    "disputes: every posting of a line has its line": _STRAY.format("dispute_line"),
    "disputes: a line that is paid out was booked before": "DELETE FROM payments_dispute_line",
    "disputes: a dispute counts its lines": "UPDATE payments_dispute SET provider_fee = 1",
    "disputes: what they take is in the merchant's balance": (
        "DELETE FROM payments_balance_transaction WHERE kind = 'dispute_fee'"
    ),
    "disputes: every change has its event and its audit row": (
        "DELETE FROM notifications_event WHERE kind = 'dispute.created'"
    ),
    "disputes: an order is carried out, or a run is about to": (
        "UPDATE payments_dispute SET accept_ordered_at = now() WHERE status = 'NEEDS_RESPONSE'"
    ),
}


@pytest.fixture
def disputed(merchant: Merchant, simulator: Simulator) -> None:
    """One that is open and exceeds its budget, one that is lost; their lines are paid out."""
    payment_id = merchant.captured(10_000)
    merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 3_000})
    open_dispute(simulator, payment_id)
    lost = open_dispute(simulator, merchant.captured(5_000))
    merchant.captured(90_000)  # so that there is something to pay out
    simulator.decide(lost, "lose")
    hear(simulator)
    truth.settle(simulator)
    finish_runs()
    decide(excess.write_off, "5.00")
    decide(excess.charge, "5.00")
    assert truth.violations() == {}


def test_each_has_its_violation_here() -> None:
    assert {invariant.name for invariant in INVARIANTS} == set(BROKEN_BY)


@pytest.mark.usefixtures("disputed")
def test_each_finds_what_breaks_it() -> None:
    """One after the other on one book: what an earlier one broke is mended by its end."""
    for name, statement in BROKEN_BY.items():
        assert name in broken_by(statement), name
    assert truth.violations() == {}
