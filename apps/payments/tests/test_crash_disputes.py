"""Disputes killed at every commit and every call: followed, booked and answered, and once."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import pytest
from django.db import transaction

from apps.core import clock, ids
from apps.payments.models import Dispute, Payment
from apps.payments.services import dispute_orders
from apps.payments.tests import news, purses, truth
from apps.payments.tests.conftest import Merchant, finish_runs, make_merchant
from apps.payments.tests.killing import Axe, at_every_moment, survive
from apps.payments.tests.objections import (
    DISPUTED,
    EXCESS,
    PAYABLE,
    hear,
    only_dispute,
    open_dispute,
    reserve_refund,
    usd,
)
from apps.payments.tests.test_crash import pay
from apps.payments.tests.test_paypal import approve
from paysys.testing.paypal import PayPalSimulator
from paysys.testing.simulator import Simulator


def begin(simulator: Simulator) -> Merchant:
    """Nobody has news of an earlier round: else every round would have more moments to die at."""
    simulator.reset()
    return make_merchant()


def ended(merchant: Merchant, simulator: Simulator, where: str) -> Payment:
    """Whoever comes after the dead hears the news again, reads the statement, and finishes."""
    for _ in range(2):
        news.apply_all()
        truth.book_statement()
        truth.finish_everything()
    payment = Payment.objects.get(book_id=merchant.book_id)
    try:
        truth.assert_told_once(merchant, simulator, truth.public_id(payment))
        dispute = Dispute.objects.filter(book_id=merchant.book_id).first()
        if dispute is not None:
            assert len(truth.kinds_of(dispute.id)) == dispute.version
    except AssertionError as error:
        raise AssertionError(f"{where}: {error}") from error
    return payment


def disputed(merchant: Merchant, simulator: Simulator) -> str:
    """A dispute of a payment, which nobody here has heard of; the provider's name of it."""
    return open_dispute(simulator, truth.public(pay(merchant)))


@pytest.mark.parametrize(
    ("decided", "status", "payable"),
    [("", "DISPUTED", -115), ("win", "CAPTURED", -15)],
)
def test_one_that_is_heard_of_is_booked_once(
    simulator: Simulator, decided: str, status: str, payable: int
) -> None:
    def run(axe: Axe) -> None:
        merchant = begin(simulator)
        reference = disputed(merchant, simulator)
        if decided:
            hear(simulator)
            simulator.decide(reference, decided)
        survive(axe, lambda: hear(simulator))

        hear(simulator)
        payment = ended(merchant, simulator, axe.fell)

        assert payment.status == status, axe.fell
        assert merchant.balance(PAYABLE) == usd(f"{payable}.00"), axe.fell
        assert merchant.balance(DISPUTED) == usd("100.00" if not decided else "0.00"), axe.fell

    assert at_every_moment(run) >= 10


def test_its_lines_are_booked_once(simulator: Simulator) -> None:
    def run(axe: Axe) -> None:
        merchant = begin(simulator)
        disputed(merchant, simulator)
        survive(axe, truth.book_statement)

        payment = ended(merchant, simulator, axe.fell)

        assert payment.status == "DISPUTED", axe.fell
        assert truth.postings_in(merchant)["dispute_line"] == 1, axe.fell
        assert only_dispute(merchant).amount_withdrawn == 100, axe.fell

    assert at_every_moment(run) >= 3


def test_an_unsent_refund_is_canceled_or_sent_and_never_both(simulator: Simulator) -> None:
    def run(axe: Axe) -> None:
        merchant = begin(simulator)
        payment_id = truth.public(pay(merchant))
        refund_id = reserve_refund(merchant, payment_id, 4_000)
        open_dispute(simulator, payment_id)
        survive(axe, lambda: hear(simulator))

        hear(simulator)
        ended(merchant, simulator, axe.fell)

        was_sent = merchant.refund(refund_id).status == "SUCCEEDED"
        assert simulator.effects(payment_id)["refunds"] == was_sent, axe.fell
        assert only_dispute(merchant).excess == (40 if was_sent else 0), axe.fell

    assert at_every_moment(run) >= 10


def test_a_top_up_takes_what_the_wallet_has_once(simulator: Simulator) -> None:
    def run(axe: Axe) -> None:
        merchant = begin(simulator)
        wallet = purses.wallet(merchant)
        open_dispute(simulator, truth.public(pay(merchant, destination=wallet)))
        survive(axe, lambda: hear(simulator))

        hear(simulator)
        ended(merchant, simulator, axe.fell)

        assert purses.inside(merchant, wallet) == (0, 0), axe.fell
        assert merchant.balance(EXCESS) == usd("0.00"), axe.fell

    assert at_every_moment(run) >= 14


PDF = b"%PDF-1.7 signed"


def give_evidence(merchant: Merchant, dispute: Dispute) -> None:
    """With a file, which Stripe is given before and PayPal with it."""
    file_id = ids.new_id()
    with transaction.atomic():
        dispute_orders.add_file(
            file_id=file_id,
            book_id=merchant.book_id,
            dispute_id=dispute.id,
            name="proof.pdf",
            content=PDF,
            actor="system",
            now=clock.now(),
        )
        dispute_orders.give_evidence(
            book_id=merchant.book_id,
            dispute_id=dispute.id,
            texts={"uncategorized_text": "It was delivered."},
            files={"receipt": file_id},
            submit=True,
            actor="system",
            now=clock.now(),
        )


def give_up(merchant: Merchant, dispute: Dispute) -> None:
    with transaction.atomic():
        dispute_orders.accept(
            book_id=merchant.book_id, dispute_id=dispute.id, actor="system", now=clock.now()
        )


@pytest.mark.parametrize(
    ("order", "status", "fault"),
    [(give_evidence, "UNDER_REVIEW", "reset_after"), (give_up, "LOST", "")],
)
def test_an_order_is_carried_out_once(
    simulator: Simulator, order: Callable[[Merchant, Dispute], None], status: str, fault: str
) -> None:
    """Also where the provider's answer is lost."""
    op = "submit_evidence" if order is give_evidence else "accept_dispute"

    def run(axe: Axe) -> None:
        merchant = begin(simulator)
        reference = disputed(merchant, simulator)
        hear(simulator)
        dispute = only_dispute(merchant)
        if fault:
            simulator.fault(op, fault)

        def act() -> None:
            order(merchant, dispute)
            truth.finish_everything()

        survive(axe, act)
        ended(merchant, simulator, axe.fell)

        found = only_dispute(merchant)
        is_ordered = bool(found.evidence_ordered_at or found.accept_ordered_at)
        assert found.status == (status if is_ordered else "NEEDS_RESPONSE"), axe.fell
        outside = simulator.find_dispute(reference)
        sent = is_ordered and order is give_evidence
        assert outside["evidence_details"]["submission_count"] == sent, axe.fell
        files = {file["id"]: file["sha256"] for file in simulator.files()}
        named = outside["evidence"]["receipt"]
        assert files == ({named: sha256(PDF).hexdigest()} if sent else {}), axe.fell

    assert at_every_moment(run) >= 13


def test_an_answer_at_paypal_is_given_once_without_a_key(
    simulator: Simulator, paypal: PayPalSimulator
) -> None:
    """Nothing but the dispute itself says whether it was: its answer is lost as well."""

    def run(axe: Axe) -> None:
        merchant = begin(simulator)
        payment_id = merchant.pay(10_000, "paypal").json()["id"]
        approve(merchant, paypal, payment_id)
        [order] = paypal.book()
        reference = paypal.dispute(order["captures"][0]["id"])["dispute_id"]
        for event in paypal.events("CUSTOMER.DISPUTE.CREATED"):
            news.apply_event_of(paypal.deliver(event))
        finish_runs()
        dispute = only_dispute(merchant)
        simulator.fault("paypal_provide_evidence", "reset_after")

        def act() -> None:
            give_evidence(merchant, dispute)
            truth.finish_everything()

        survive(axe, act)
        truth.finish_everything()

        found, outside = only_dispute(merchant), paypal.find_dispute(reference)
        is_ordered = found.evidence_ordered_at is not None
        assert found.status == ("UNDER_REVIEW" if is_ordered else "NEEDS_RESPONSE"), axe.fell
        assert outside["submissions"] == is_ordered, axe.fell
        digests = [file["sha256"] for file in outside["files"]]
        assert digests == [sha256(PDF).hexdigest()] * is_ordered, axe.fell
        truth.assert_nothing_is_left_over()

    assert at_every_moment(run) >= 13
