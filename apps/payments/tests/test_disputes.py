"""A payer objects: what is set aside, what is lost, what comes back, whenever it is heard."""

from __future__ import annotations

import pytest

from apps.gateways.models import ProviderCall
from apps.notifications.models import Event
from apps.payments.tests import truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.objections import (
    CLEARING,
    DISPUTED,
    EXCESS,
    PAYABLE,
    WITHDRAWN,
    assert_whole,
    hear,
    make_the_balance_positive,
    only_dispute,
    open_dispute,
    usd,
)
from paysys.testing.simulator import Simulator


class TestAChargeback:
    def test_sets_the_money_aside_once_however_often_it_is_told(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000)
        open_dispute(simulator, payment_id, reason="product_not_received")

        for _ in range(3):
            hear(simulator)

        dispute = assert_whole(merchant, simulator, payment_id)
        assert (dispute.status, dispute.stage, dispute.reason) == (
            *("NEEDS_RESPONSE", "chargeback"),
            "not_received",
        )
        assert dispute.due_by is not None
        payment = merchant.payment(payment_id)
        assert (payment.status, payment.amount_disputed) == ("DISPUTED", 100)
        assert merchant.balance(PAYABLE) == usd("-100.00")
        assert merchant.balance(DISPUTED) == usd("100.00")
        assert merchant.balance("platform:fees") == usd("3.00"), "no fee comes back"
        assert truth.kinds_of(dispute.id) == ["dispute.created"]

    def test_that_is_lost_leaves_nothing_set_aside(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000)
        reference = open_dispute(simulator, payment_id)
        hear(simulator)
        simulator.decide(reference, "lose")

        hear(simulator)

        dispute = assert_whole(merchant, simulator, payment_id)
        assert (dispute.status, dispute.amount_lost) == ("LOST", 100)
        assert merchant.payment(payment_id).status == "CHARGED_BACK"
        assert merchant.balance(DISPUTED) == usd("0.00")
        assert merchant.balance(PAYABLE) == usd("-100.00")
        assert merchant.balance(WITHDRAWN) == usd("-100.00"), "its line is still to come"
        truth.settle(simulator)
        assert merchant.balance(WITHDRAWN) == usd("0.00")
        finish_runs()
        assert_whole(merchant, simulator, payment_id)

    def test_that_is_won_gives_everything_back(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000)
        reference = open_dispute(simulator, payment_id)
        hear(simulator)
        simulator.decide(reference, "win")

        hear(simulator)

        dispute = assert_whole(merchant, simulator, payment_id)
        assert dispute.status == "WON"
        assert truth.kinds_of(dispute.id) == ["dispute.created", "dispute.won"]
        assert merchant.payment(payment_id).status == "CAPTURED"
        for code in (DISPUTED, PAYABLE, EXCESS):
            assert merchant.balance(code) == usd("0.00"), code

    def test_that_is_won_in_part_gives_that_part_back(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000)
        reference = open_dispute(simulator, payment_id)
        hear(simulator)
        simulator.decide(reference, "win", amount=4_000)

        hear(simulator)

        dispute = assert_whole(merchant, simulator, payment_id)
        assert (dispute.status, dispute.amount_lost) == ("PART_LOST", 60)
        payment = merchant.payment(payment_id)
        assert (payment.status, payment.amount_charged_back) == ("CAPTURED", 60)
        assert merchant.balance(PAYABLE) == usd("-60.00")
        left = merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 4_001}).json()
        assert left["error"]["remaining"] == 4_000

    def test_that_was_lost_is_reversed_later(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000)
        reference = open_dispute(simulator, payment_id)
        simulator.decide(reference, "lose")
        hear(simulator)
        assert merchant.payment(payment_id).status == "CHARGED_BACK"
        simulator.decide(reference, "reverse")

        hear(simulator)

        dispute = assert_whole(merchant, simulator, payment_id)
        assert truth.kinds_of(dispute.id) == ["dispute.created", "dispute.lost", "dispute.reversed"]
        assert merchant.payment(payment_id).status == "CAPTURED"
        assert merchant.balance(PAYABLE) == usd("0.00")
        truth.book_statement()
        assert merchant.balance(WITHDRAWN) == usd("0.00")
        assert merchant.balance(CLEARING) == usd("85.00"), "100 came, 15 were kept"

    def test_of_a_payment_that_is_not_credited_yet_waits_until_it_is(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.pay(10_000).json()["id"]
        simulator.fault("capture", "reset_after")
        finish_runs()
        [charge] = simulator.effects(payment_id)["charge_ids"]
        simulator.dispute(charge)
        hear(simulator)
        assert merchant.payment(payment_id).status == "AUTHORIZED"
        assert not ProviderCall.objects.filter(call="inspect_dispute").exists(), "not even asked"
        assert not Event.objects.filter(kind__startswith="dispute.").exists()

        truth.finish_everything()

        assert_whole(merchant, simulator, payment_id)
        assert merchant.payment(payment_id).status == "DISPUTED"

    def test_of_a_payment_that_nobody_here_took_is_all_ours(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.pay(capture_method="manual").json()["id"]
        merchant.post(f"/v1/payments/{payment_id}/void")
        finish_runs()
        reference = open_dispute(simulator, payment_id, amount=10_000)

        hear(simulator)

        payment, dispute = merchant.payment(payment_id), only_dispute(merchant)
        assert (payment.status, payment.amount_excess) == ("VOIDED", 100)
        assert (dispute.budget_part, dispute.excess, dispute.bearer_amount) == (0, 100, 0)
        assert merchant.balance(EXCESS) == usd("100.00")
        assert merchant.balance(PAYABLE) == usd("0.00")
        simulator.decide(reference, "win")
        hear(simulator)
        assert (merchant.payment(payment_id).status, only_dispute(merchant).excess) == ("VOIDED", 0)
        assert merchant.balance(EXCESS) == usd("0.00")
        truth.assert_nothing_is_left_over()


class TestAnInquiry:
    def test_moves_nothing_and_refuses_no_refund(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000)
        open_dispute(simulator, payment_id, inquiry="yes")

        hear(simulator)

        dispute = assert_whole(merchant, simulator, payment_id)
        assert (dispute.stage, dispute.amount, dispute.amount_open) == ("inquiry", 100, 0)
        assert merchant.payment(payment_id).status == "CAPTURED"
        assert "dispute" not in truth.postings_in(merchant)
        assert merchant.post(f"/v1/payments/{payment_id}/refund", {}).status_code == 201

    def test_that_becomes_a_chargeback_sets_the_money_aside(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000)
        reference = open_dispute(simulator, payment_id, inquiry="yes")
        hear(simulator)
        simulator.decide(reference, "escalate")

        hear(simulator)

        dispute = assert_whole(merchant, simulator, payment_id)
        assert truth.kinds_of(dispute.id) == ["dispute.created", "dispute.escalated"]
        assert merchant.balance(DISPUTED) == usd("100.00")


class TestTheLines:
    @pytest.mark.parametrize("decided", ["", "lose", "win"])
    @pytest.mark.parametrize("lines_first", [True, False])
    def test_are_booked_whenever_they_come(
        self, merchant: Merchant, simulator: Simulator, lines_first: bool, decided: str
    ) -> None:
        payment_id = merchant.captured(10_000)
        reference = open_dispute(simulator, payment_id)
        if decided:
            simulator.decide(reference, decided)

        make_the_balance_positive(merchant)
        for step in (truth.settle, hear) if lines_first else (hear, truth.settle):
            step(simulator)
        finish_runs()

        dispute = assert_whole(merchant, simulator, payment_id, alone=False)
        returned = 100 if decided == "win" else 0
        assert (dispute.amount_withdrawn, dispute.amount_returned) == (100, returned)
        assert dispute.provider_fee == 15
        assert merchant.balance(WITHDRAWN) == usd("0.00" if decided else "100.00")
        taken = 0 if decided == "win" else 100
        assert merchant.balance(PAYABLE) == usd(f"{-taken - 15}.00"), "the fee is passed on"
        assert merchant.balance(CLEARING) == usd("0.00"), "all of it was paid out"

    def test_are_booked_before_the_provider_pays_them_out(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000)
        open_dispute(simulator, payment_id)

        truth.book_statement()
        truth.book_statement()
        finish_runs()

        assert merchant.balance(WITHDRAWN) == usd("100.00")
        assert merchant.balance(CLEARING) == usd("-15.00"), "100 came, 115 went"
        assert_whole(merchant, simulator, payment_id)
        assert merchant.payment(payment_id).status == "DISPUTED", "the line was news enough"
