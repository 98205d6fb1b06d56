"""A line in another currency than what it is about is not booked as if it were in that one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from apps.core import clock
from apps.gateways import statements
from apps.gateways.types import StatementLine
from apps.ledger.models import LedgerTransaction
from apps.payments import services
from apps.payments.models import DisputeLine, SettlementLine
from apps.payments.services import disputes
from apps.payments.tests import news, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.objections import hear, make_the_balance_positive, open_dispute
from apps.payments.tests.tills import bank, bank_says, earn, paid_out
from paysys.testing.simulator import Simulator


def foreign(kind: str, *, payout: str = "") -> StatementLine:
    """The provider's line of this kind, as if it had converted the money: another amount too."""
    asked = {"payout": payout} if payout else {"since": clock.now() - timedelta(days=1)}
    found = next(line for line in statements.fetch(provider="stripe", **asked) if line.kind == kind)
    gross, fee = found.gross_minor * 8 // 10, found.fee_minor * 8 // 10
    return replace(found, currency="EUR", gross_minor=gross, fee_minor=fee, net_minor=gross - fee)


def refused(
    apply: Callable[..., bool], line: StatementLine, caplog: pytest.LogCaptureFixture
) -> None:
    before = LedgerTransaction.objects.count()
    assert apply(line, now=clock.now()) is False
    assert "payments.line_in_another_currency" in caplog.text
    assert LedgerTransaction.objects.count() == before
    assert not SettlementLine.objects.filter(currency="EUR").exists()
    assert not DisputeLine.objects.exists()
    assert truth.violations() == {}


def test_of_a_charge(
    merchant: Merchant, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    payment_id = merchant.captured(10_000)
    [payout] = simulator.pay_out()

    refused(services.apply_settlement, foreign("charge", payout=payout["id"]), caplog)

    assert merchant.payment(payment_id).settled_at is None


@pytest.mark.parametrize("is_paid_out", [True, False])
def test_of_a_dispute(
    merchant: Merchant,
    simulator: Simulator,
    caplog: pytest.LogCaptureFixture,
    is_paid_out: bool,
) -> None:
    payment_id = merchant.captured(10_000)
    open_dispute(simulator, payment_id)
    hear(simulator)
    make_the_balance_positive(merchant)
    payout = simulator.pay_out()[0]["id"] if is_paid_out else ""

    apply = services.apply_settlement if is_paid_out else disputes.apply_line
    refused(apply, foreign("dispute", payout=payout), caplog)


def test_of_a_payout_that_we_ordered(
    merchant: Merchant, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    earn(merchant, 50_000)
    bank(merchant)
    bank_says(simulator, merchant, paid_out(merchant, 10_000), "pay")
    news.tell(simulator, "payout.paid")
    finish_runs()
    payout = simulator.pay_out()[-1]["id"]
    lines = statements.fetch(provider="stripe", payout=payout)
    ordered = next(line for line in lines if line.is_ordered)

    refused(services.apply_settlement, replace(ordered, currency="EUR"), caplog)
