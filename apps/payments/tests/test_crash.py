"""Killed at every commit and every call to the provider: in the end all is done, and done once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction

from apps.core import clock, db, ids
from apps.core.errors import Conflict
from apps.core.money import from_minor
from apps.payments import services
from apps.payments.models import Payment
from apps.payments.sagas.charge import CHARGE
from apps.payments.tests import truth
from apps.payments.tests.conftest import Merchant, make_merchant
from apps.payments.tests.killing import Axe, RealAxe, at_every_moment, survive
from apps.payments.tests.rows import execute
from apps.payments.types import CaptureMethod, NewPayment, NewRefund
from apps.sagas import definition
from apps.sagas import engine as turns
from apps.sagas import services as engine
from apps.sagas.definition import Context, Local
from paysys.testing.simulator import Simulator

VISA, ACTION = "pm_card_visa", "pm_card_threeDSecure2Required"


def pay(merchant: Merchant, source: str = VISA, *, manual: bool = False, **more: Any) -> UUID:
    """Accept a payment and work on it, as the web process does, all in this thread."""
    payment_id, now = ids.new_id(), clock.now()
    method = CaptureMethod.MANUAL if manual else CaptureMethod.AUTOMATIC
    order = NewPayment(from_minor(10_000, "USD"), source, capture_method=method, **more)
    with transaction.atomic() if order.spends_what_there_is else db.unit():
        started = services.create_payment(
            payment_id=payment_id, book_id=merchant.book_id, order=order, actor="system", now=now
        )
    engine.advance_started(started.run, subject=started.subject, until_answer=False)
    return payment_id


def order(what: Callable[..., Any], payment: Payment, **facts: Any) -> None:
    """Capture or void, as the web process does."""
    with transaction.atomic():
        what(
            book_id=payment.book_id,
            payment_id=payment.id,
            **{"actor": "system", "now": clock.now(), **facts},
        )
    run = truth.charge_run_of(payment)
    engine.advance(run_id=run.id)


def give_back(payment: Payment, amount_minor: int | None, wallet: str = "") -> None:
    with transaction.atomic():
        started = services.create_refund(
            refund_id=ids.new_id(),
            book_id=payment.book_id,
            payment_id=payment.id,
            order=NewRefund(amount_minor=amount_minor, wallet=wallet),
            actor="system",
            now=clock.now(),
        )
    engine.advance_started(started.run, subject=started.subject, until_answer=False)


def payment_of(merchant: Merchant) -> Payment | None:
    return Payment.objects.filter(book_id=merchant.book_id).first()


def ended(merchant: Merchant, simulator: Simulator, where: str, objects: int = 1) -> Payment | None:
    """Whoever comes after the dead finishes everything; then the payment must be whole."""
    truth.finish_everything()
    payment = payment_of(merchant)
    if payment is None:
        truth.assert_nothing_is_left_over()
        return None
    public_id = truth.public_id(payment)
    try:
        return truth.assert_told_once(merchant, simulator, public_id, objects=objects)
    except AssertionError as error:
        raise AssertionError(f"{where}: {error}") from error


class Stop(RealAxe):
    """Its process is asked to stop at a named place: what was answered is kept, no more done."""

    def pass_by(self, where: str) -> None:
        if where == self.where:
            turns.stopping.set()

    def __exit__(self, *details: Any) -> None:
        super().__exit__(*details)
        turns.stopping.clear()


class TestACharge:
    def test_is_made_once(self, simulator: Simulator) -> None:
        def run(axe: Axe) -> None:
            merchant = make_merchant()
            survive(axe, lambda: pay(merchant))
            payment = ended(merchant, simulator, axe.fell)
            if payment is not None:
                assert payment.status == "CAPTURED", axe.fell
                assert truth.postings_in(merchant) == {"capture": 1, "credit": 1}, axe.fell

        assert at_every_moment(run) >= 8

    @pytest.mark.parametrize(
        ("op", "kind"), [("confirm", "reset_after"), ("capture", "error_after")]
    )
    def test_whose_answer_was_lost_is_made_once(
        self, simulator: Simulator, op: str, kind: str
    ) -> None:
        def run(axe: Axe) -> None:
            merchant = make_merchant()
            simulator.clear_faults()
            simulator.fault(op, kind)

            def act() -> None:
                pay(merchant)
                truth.finish_everything()

            survive(axe, act)
            payment = ended(merchant, simulator, axe.fell)
            assert payment is None or payment.status == "CAPTURED", axe.fell

        assert at_every_moment(run) >= 15

    def test_that_is_declined_leaves_nothing_anywhere(self, simulator: Simulator) -> None:
        def run(axe: Axe) -> None:
            merchant = make_merchant()
            survive(axe, lambda: pay(merchant, "pm_card_visa_chargeDeclined"))
            payment = ended(merchant, simulator, axe.fell)
            if payment is not None:
                assert (payment.status, payment.failure_code) == ("FAILED", "card_declined")
                assert simulator.effects(truth.public_id(payment))["canceled"] == 1, axe.fell

        assert at_every_moment(run) >= 8

    def test_with_3_d_secure_is_made_once(self, simulator: Simulator) -> None:
        def run(axe: Axe) -> None:
            merchant = make_merchant()
            payment_id = truth.public(pay(merchant, ACTION))
            [intent] = simulator.effects(payment_id)["intents"]
            simulator.pass_3ds(intent)
            truth.make_due(merchant.payment(payment_id))

            survive(axe, engine.sweep)

            truth.make_due(merchant.payment(payment_id))
            payment = ended(merchant, simulator, axe.fell)
            assert payment is not None
            assert payment.status == "CAPTURED", axe.fell

        assert at_every_moment(run) >= 7

    def test_whose_worker_is_told_to_stop_while_the_customer_is_asked_waits_for_them(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        with Stop("after confirm"):
            payment = merchant.payment(truth.public(pay(merchant, ACTION)))

        truth.finish_everything()

        assert merchant.payment(truth.public_id(payment)).status == "REQUIRES_ACTION"
        [intent] = simulator.effects(truth.public_id(payment))["intents"]
        simulator.pass_3ds(intent)
        truth.make_due(payment)
        found = ended(merchant, simulator, "after confirm")
        assert found is not None
        assert found.status == "CAPTURED"


class TestAnOrder:
    def test_to_capture_a_part_takes_it_once(self, simulator: Simulator) -> None:
        def run(axe: Axe) -> None:
            merchant = make_merchant()
            before = merchant.payment(truth.public(pay(merchant, manual=True)))
            survive(axe, lambda: order(services.order_capture, before, amount_minor=6_000))
            payment = ended(merchant, simulator, axe.fell)
            assert payment is not None
            is_ordered = payment.capture_requested_amount is not None
            assert payment.status == ("CAPTURED" if is_ordered else "AUTHORIZED"), axe.fell
            assert payment.amount_captured == (60 if is_ordered else 0)

        assert at_every_moment(run) >= 6

    def test_to_void_is_carried_out_once(self, simulator: Simulator) -> None:
        def run(axe: Axe) -> None:
            merchant = make_merchant()
            before = merchant.payment(truth.public(pay(merchant, manual=True)))
            survive(axe, lambda: order(services.order_void, before))
            payment = ended(merchant, simulator, axe.fell)
            assert payment is not None
            is_ordered = payment.void_requested_at is not None
            assert payment.status == ("VOIDED" if is_ordered else "AUTHORIZED"), axe.fell
            outside = simulator.effects(truth.public_id(payment))
            assert outside["canceled"] == is_ordered, axe.fell

        assert at_every_moment(run) >= 11


class TestARefund:
    @pytest.mark.parametrize("source", [VISA, "pm_card_pendingRefund"])
    def test_pays_back_once(self, simulator: Simulator, source: str) -> None:
        def run(axe: Axe) -> None:
            merchant = make_merchant()
            before = merchant.payment(truth.public(pay(merchant, source)))
            survive(axe, lambda: give_back(before, 4_000))
            truth.finish_everything()
            simulator.settle()
            truth.make_refunds_due()
            payment = ended(merchant, simulator, axe.fell)
            assert payment is not None
            booked = truth.postings_in(merchant)
            assert booked["refund"] == booked["refund_reserve"] <= 1, axe.fell
            assert payment.amount_refunded == 40 * booked["refund"], axe.fell
            assert simulator.effects(truth.public_id(payment))["refunds"] == booked["refund"]

        assert at_every_moment(run) >= 5

    def test_that_fails_after_it_succeeded_goes_back_once(self, simulator: Simulator) -> None:
        def run(axe: Axe) -> None:
            merchant = make_merchant()
            payment_id = truth.public(pay(merchant))
            give_back(merchant.payment(payment_id), None)
            [refund] = truth.refunds_of(merchant, payment_id)
            simulator.fail_refund(refund.provider_reference)
            with db.unit():
                engine.start(
                    saga="refund_check",
                    book_id=merchant.book_id,
                    subject_id=refund.id,
                    now=clock.now(),
                )
            truth.pass_time()

            survive(axe, engine.sweep)

            payment = ended(merchant, simulator, axe.fell)
            assert payment is not None
            assert payment.status == "CAPTURED", axe.fell
            assert merchant.refund(ids.encode("re", refund.id)).status == "FAILED"
            booked = truth.postings_in(merchant)
            assert (booked["undo refund"], booked["undo refund_reserve"]) == (1, 1), axe.fell

        assert at_every_moment(run) >= 5


class Refused(Conflict):
    """A business error that production never raises at this point."""

    code = "planted"


@pytest.fixture
def crediting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A charge whose CREDIT_MERCHANT says no, after the money was taken."""

    def credit_merchant(_context: Context) -> None:
        raise Refused

    steps = tuple(
        Local(credit_merchant, undo=step.undo) if step.name == "CREDIT_MERCHANT" else step
        for step in CHARGE.steps
    )
    saga = replace(CHARGE, steps=steps)
    monkeypatch.setitem(definition._registered, (saga.name, saga.version), saga)


@pytest.mark.usefixtures("crediting_is_refused")
class TestACompensation:
    def test_gives_the_money_back_once(self, simulator: Simulator) -> None:
        def run(axe: Axe) -> None:
            merchant = make_merchant()
            survive(axe, lambda: pay(merchant))
            payment = ended(merchant, simulator, axe.fell)
            if payment is not None:
                assert payment.status == "REFUNDED", axe.fell
                assert truth.postings_in(merchant) == {
                    "capture": 1,
                    "refund_reserve": 1,
                    "refund": 1,
                }, axe.fell
                assert simulator.effects(truth.public_id(payment))["refunds"] == 1

        assert at_every_moment(run) >= 18


def killed_at(where: str, act: Callable[[], Any]) -> None:
    """Another process does it, and is killed with `kill -9` when it passes by that place."""
    connection.close()
    child = os.fork()
    if child == 0:
        try:
            engine._pool = None  # its threads did not come along
            with RealAxe(where):
                act()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


class TestAProcessThatIsKilled:
    """A real process, a real kill: nothing of it is left but what it had committed."""

    @pytest.mark.parametrize(
        "where",
        [
            *("before create", "after create", "before confirm", "after confirm"),
            *("before capture", "after capture", "after writing payments_payment+sagas_run"),
        ],
    )
    def test_is_survived_by_its_payment(self, simulator: Simulator, where: str) -> None:
        merchant = make_merchant()

        killed_at(where, lambda: pay(merchant))

        payment = ended(merchant, simulator, where)
        assert payment is not None
        assert payment.status == "CAPTURED"
        assert truth.postings_in(merchant) == {"capture": 1, "credit": 1}

    @pytest.mark.parametrize("where", ["before refund", "after refund"])
    def test_is_survived_by_its_refund(self, simulator: Simulator, where: str) -> None:
        merchant = make_merchant()
        before = merchant.payment(truth.public(pay(merchant)))

        killed_at(where, lambda: give_back(before, 4_000))

        payment = ended(merchant, simulator, where)
        assert payment is not None
        assert payment.amount_refunded == 40
        assert truth.postings_in(merchant)["refund"] == 1

    @pytest.mark.parametrize("where", ["before create", "after confirm"])
    def test_leaves_its_customer_the_key_to_the_same_payment(
        self, simulator: Simulator, where: str
    ) -> None:
        merchant = make_merchant()
        body = {"amount": 10_000, "currency": "USD", "source": VISA}
        killed_at(where, lambda: merchant.post("/v1/payments", body, key="k"))

        meanwhile = merchant.post("/v1/payments", body, key="k")
        assert (meanwhile.status_code, meanwhile["Retry-After"]) == (409, "1")
        execute("UPDATE idempotency_key SET locked_until = clock_timestamp() - interval '1 s'")
        taken_over = merchant.post("/v1/payments", body, key="k")

        payment = ended(merchant, simulator, where)
        assert payment is not None
        assert taken_over.status_code == 202
        assert taken_over.json()["id"] == truth.public_id(payment)
        done = merchant.post("/v1/payments", body, key="k")
        assert (done.status_code, done.json()["id"]) == (201, truth.public_id(payment))
        assert Payment.objects.count() == 1
