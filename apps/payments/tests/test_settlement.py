"""The provider pays out: what it kept, what is on its way to the bank, and each line once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connections

from apps.core import clock
from apps.core.money import Money
from apps.gateways import statements
from apps.gateways.types import OutcomeUnknown, StatementLine
from apps.ledger.models import LedgerTransaction
from apps.payments import services, tasks
from apps.payments.models import SettlementLine
from apps.payments.services import news as told
from apps.payments.tests import news, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.rows import sqlstate_of
from paysys.testing.simulator import Simulator


def usd(amount: str) -> Money:
    return Money(amount, "USD")


def lines_of(simulator: Simulator) -> list[StatementLine]:
    [payout] = simulator.pay_out()
    return list(statements.fetch(provider="stripe", payout=payout["id"]))


class TestAPayout:
    def test_settles_the_payment_and_moves_its_money_towards_the_bank(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000)

        assert truth.settle(simulator) == 1

        payment = truth.assert_told_once(merchant, simulator, payment_id)
        assert payment.status == "SETTLED"
        assert truth.kinds_of(payment.id)[-1] == "payment.settled"
        shown = merchant.get(f"/v1/payments/{payment_id}?expand=ledger").json()
        assert shown["settled_at"]
        assert shown["ledger"][-1]["kind"] == "settlement"
        assert merchant.balance("provider:stripe:clearing") == usd("0.00")
        assert merchant.balance("provider:stripe:fees") == usd("1.75")
        assert merchant.balance("bank:in_transit") == usd("98.25")
        assert merchant.balance("merchant:pending") == usd("97.00")

    def test_read_again_books_nothing(self, merchant: Merchant, simulator: Simulator) -> None:
        payment_id = merchant.captured(10_000)
        truth.settle(simulator)
        before, version = LedgerTransaction.objects.count(), merchant.payment(payment_id).version

        for _ in range(2):
            assert truth.settle(simulator) == 0
            tasks.settle()

        assert LedgerTransaction.objects.count() == before
        assert merchant.payment(payment_id).version == version
        assert SettlementLine.objects.count() == 1

    def test_that_takes_too_long_stops_at_its_line_and_is_given_to_nobody_again(
        self, merchant: Merchant, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(2):
            merchant.captured(10_000)
        simulator.pay_out()
        asked: list[str] = []

        def is_too_late(line: StatementLine, **_: object) -> bool:
            asked.append(line.line_reference)
            raise SoftTimeLimitExceeded

        with monkeypatch.context() as patched, pytest.raises(SoftTimeLimitExceeded):
            patched.setattr(told, "apply_settlement", is_too_late)
            tasks.settle()

        assert len(asked) == 1
        assert SettlementLine.objects.count() == 0
        assert truth.book_statement() == 2

    def test_holds_refunds_and_those_that_failed(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(50_000, "pm_card_refundFail")
        merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 10_000})
        assert truth.settle(simulator) == 2
        assert merchant.balance("provider:stripe:clearing") == usd("0.00")
        assert merchant.payment(payment_id).status == "SETTLED"
        simulator.settle()
        news.tell(simulator, "refund.failed")
        finish_runs()
        assert merchant.balance("provider:stripe:clearing") == usd("100.00")

        assert truth.settle(simulator) == 1

        truth.assert_told_once(merchant, simulator, payment_id)
        assert merchant.balance("provider:stripe:clearing") == usd("0.00")
        net = 50_000 - SettlementLine.objects.get(kind="charge").provider_fee * 100
        assert merchant.balance("bank:in_transit") == usd(str(net / 100))

    def test_of_many_merchants_is_one_journal_for_each(
        self, merchant: Merchant, other_merchant: Merchant, simulator: Simulator
    ) -> None:
        merchant.captured(10_000)
        other_merchant.captured(20_000)
        other_merchant.captured(5_000)

        assert truth.settle(simulator) == 3

        in_transit = [m.balance("bank:in_transit").amount for m in (merchant, other_merchant)]
        [paid_out] = [line for line in self.payouts() if line.kind == "payout"]
        assert sum(in_transit) * 100 == -paid_out.gross_minor
        for each in (merchant, other_merchant):
            assert each.balance("provider:stripe:clearing") == usd("0.00")
        assert truth.violations() == {}

    def payouts(self) -> list[StatementLine]:
        since = clock.now() - timedelta(days=1)
        return list(statements.fetch(provider="stripe", since=since))

    def test_of_what_was_given_back_before_it_leaves_the_headline_as_it_is(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        merchant.captured(50_000)
        payment_id = merchant.captured(10_000)
        merchant.post(f"/v1/payments/{payment_id}/refund")

        truth.settle(simulator)

        payment = truth.assert_told_once(merchant, simulator, payment_id, alone=False)
        assert payment.status == "REFUNDED"
        assert payment.settled_at is not None

    def test_before_a_refund_does_not_keep_it_from_being_made(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000)
        truth.settle(simulator)

        part = merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 1})
        assert (part.status_code, merchant.payment(payment_id).status) == (201, "SETTLED")
        merchant.post(f"/v1/payments/{payment_id}/refund")

        assert truth.assert_told_once(merchant, simulator, payment_id).status == "REFUNDED"


class TestALine:
    def test_is_booked_once_by_however_many_at_once(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000)
        [line] = [line for line in lines_of(simulator) if line.payment_reference]
        together = Barrier(4)

        def apply(_: int) -> bool:
            try:
                together.wait()
                return services.apply_settlement(line, now=clock.now())
            finally:
                connections.close_all()

        with ThreadPoolExecutor(4) as threads:
            booked = list(threads.map(apply, range(4)))

        assert sorted(booked) == [False, False, False, True]
        payment = truth.assert_told_once(merchant, simulator, payment_id)
        assert truth.postings_in(merchant)["settlement"] == 1
        assert truth.kinds_of(payment.id).count("payment.settled") == 1

    def test_about_a_capture_that_we_have_not_heard_of_waits_until_we_have(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.pay().json()["id"]
        simulator.fault("capture", "reset_after")
        finish_runs()
        [line] = [line for line in lines_of(simulator) if line.payment_reference]

        assert services.apply_settlement(line, now=clock.now()) is False
        assert merchant.payment(payment_id).status == "AUTHORIZED"
        assert not truth.postings_in(merchant)

        truth.finish_everything()
        assert services.apply_settlement(line, now=clock.now()) is True
        assert truth.assert_told_once(merchant, simulator, payment_id).status == "SETTLED"

    def test_of_nobody_here_is_left_alone(self, merchant: Merchant, simulator: Simulator) -> None:
        merchant.captured(10_000)
        [payout] = [line for line in lines_of(simulator) if line.kind == "payout"]

        assert services.apply_settlement(payout, now=clock.now()) is False
        assert not SettlementLine.objects.exists()

    def test_that_is_not_paid_out_is_not_settled(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000)
        since = clock.now() - timedelta(days=1)
        [line] = statements.fetch(provider="stripe", since=since)

        assert services.apply_settlement(line, now=clock.now()) is False
        assert services.settle(provider="stripe", since=since, now=clock.now()) == 0
        assert merchant.payment(payment_id).status == "CAPTURED"

    def test_is_never_changed(self, merchant: Merchant, simulator: Simulator) -> None:
        merchant.captured(10_000)
        truth.settle(simulator)

        assert sqlstate_of("UPDATE payments_settlement_line SET gross = 1") == "PS002"
        assert sqlstate_of("DELETE FROM payments_settlement_line") == "PS002"
        assert sqlstate_of("TRUNCATE payments_settlement_line") == "PS002"

    @pytest.mark.parametrize("kind", ["unavailable", "reset_before"])
    def test_that_cannot_be_read_now_is_read_later(
        self, merchant: Merchant, simulator: Simulator, kind: str
    ) -> None:
        payment_id = merchant.captured(10_000)
        simulator.pay_out()
        since = clock.now() - timedelta(days=1)
        simulator.fault("list_lines", kind)

        with pytest.raises(OutcomeUnknown):
            services.settle(provider="stripe", since=since, now=clock.now())

        assert merchant.payment(payment_id).status == "CAPTURED"
        assert services.settle(provider="stripe", since=since, now=clock.now()) == 1
        assert truth.assert_told_once(merchant, simulator, payment_id).status == "SETTLED"
