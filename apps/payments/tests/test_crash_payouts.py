"""Payouts and withdrawals, killed at every moment: sent once, ended once, given back once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from django.db import transaction

from apps.core import clock, ids
from apps.payments import services
from apps.payments.models import Payout
from apps.payments.tests import news, purses, truth
from apps.payments.tests.conftest import Merchant, make_merchant
from apps.payments.tests.killing import Axe, at_every_moment, survive
from apps.payments.tests.rows import execute
from apps.payments.tests.test_crash import killed_at
from apps.payments.tests.test_withdrawals import owner_of
from apps.payments.tests.tills import ARRIVES, URL, bank, earn, items_of, standing
from apps.payments.types import NewPayout
from apps.sagas import services as engine
from paysys.testing.simulator import Simulator

ORDER = NewPayout("USD", 4_000)
KNOWN_AT_ONCE_TO_BE_WRONG = "11BAD00"
UNLOCK = "UPDATE idempotency_key SET locked_until = clock_timestamp() - interval '1 s'"


@dataclass
class Owner:
    """Whose money is sent: a merchant's own, or that in a wallet of its customer's."""

    merchant: Merchant
    purse: str = ""

    def send(self) -> None:
        """Accept the order and work on it, as the web process does, all in this thread."""
        facts: dict[str, Any] = {
            "payout_id": ids.new_id(),
            "book_id": self.merchant.book_id,
            "order": ORDER,
            "actor": "system",
            "now": clock.now(),
        }
        with transaction.atomic():
            if self.purse:
                started = services.create_withdrawal(wallet=self.purse, **facts)
            else:
                started = services.create_payout(**facts)
        engine.advance_started(started.run, subject=started.subject, until_answer=False)

    def left(self) -> int:
        if self.purse:
            return purses.inside(self.merchant, self.purse)[0]
        return standing(self.merchant)["payable"]

    def payout(self) -> Payout | None:
        return Payout.objects.filter(book_id=self.merchant.book_id).first()


def merchants_own(number: str = ARRIVES) -> Owner:
    merchant = make_merchant()
    merchant.set_plan(basis_points=0)
    earn(merchant, 10_000)
    bank(merchant, number)
    return Owner(merchant)


def in_a_wallet(number: str = ARRIVES) -> Owner:
    merchant = make_merchant()
    purse = purses.wallet(merchant, 10_000)
    bank(merchant, number, customer_id=owner_of(purse))
    return Owner(merchant, purse)


Make = Callable[..., Owner]
pytestmark = pytest.mark.parametrize("make", [merchants_own, in_a_wallet])


def sent(make: Make) -> tuple[Owner, str]:
    """One on its way to the bank, and what the provider calls it."""
    owner = make()
    owner.send()
    payout = owner.payout()
    assert payout is not None
    assert payout.status == "IN_TRANSIT"
    return owner, payout.provider_reference


def make_due() -> None:
    """The date has come on which the bank should have spoken."""
    truth.pass_time()
    truth.make_payouts_due()


def ended(owner: Owner, simulator: Simulator, where: str) -> str:
    """Whoever comes after the dead finishes everything; how the payout, which is whole, stands."""
    truth.finish_everything()
    truth.make_payouts_due()
    truth.finish_everything()
    payout = owner.payout()
    try:
        truth.assert_nothing_is_left_over()
        if payout is None:
            assert owner.left() == 10_000
            return ""
        _assert_is_whole(owner, payout, simulator)
    except AssertionError as error:
        raise AssertionError(f"{where}: {error}") from error
    return str(payout.status)


def _assert_is_whole(owner: Owner, payout: Payout, simulator: Simulator) -> None:
    assert len(truth.kinds_of(payout.id)) == payout.version
    public_id = ids.encode("po", payout.id)
    outside = simulator.payouts_for(public_id)
    was_sent = payout.sent_at is not None
    assert [made["amount"] for made in outside] == [4_000] * was_sent
    is_back = payout.status in ("FAILED", "RETURNED")
    assert owner.left() == (10_000 if is_back else 6_000)
    is_open = payout.status in ("PENDING", "IN_TRANSIT")
    assert standing(owner.merchant)["in_transit"] == (4_000 if is_open else 0)
    items = [] if owner.purse else [4_000]
    assert [amount for _, amount in items_of(owner.merchant, public_id)] == items
    booked = truth.postings_in(owner.merchant)
    assert booked["payout_reserve"] == 1
    assert booked["payout"] == (payout.paid_at is not None)
    assert booked["undo payout_reserve"] == (payout.status == "FAILED")
    assert booked["payout_return"] == (payout.status == "RETURNED")


class TestSending:
    def test_happens_once_or_was_never_asked_for(self, make: Make, simulator: Simulator) -> None:
        def run(axe: Axe) -> None:
            owner = make()
            survive(axe, owner.send)
            assert ended(owner, simulator, axe.fell) in ("", "IN_TRANSIT")

        assert at_every_moment(run) >= 6

    @pytest.mark.parametrize(
        ("op", "kind"),
        [("add_bank", "reset_after"), ("pay_out", "error_after"), ("pay_out", "reset_before")],
    )
    def test_whose_answer_was_lost_happens_once(
        self, make: Make, simulator: Simulator, op: str, kind: str
    ) -> None:
        def run(axe: Axe) -> None:
            owner = make()
            simulator.clear_faults()
            simulator.fault(op, kind)

            def act() -> None:
                owner.send()
                truth.finish_everything()

            survive(axe, act)
            assert ended(owner, simulator, axe.fell) in ("", "IN_TRANSIT"), axe.fell

        assert at_every_moment(run) >= 13

    def test_that_is_refused_at_once_gives_everything_back(
        self, make: Make, simulator: Simulator
    ) -> None:
        def run(axe: Axe) -> None:
            owner = make(KNOWN_AT_ONCE_TO_BE_WRONG)
            survive(axe, owner.send)
            assert ended(owner, simulator, axe.fell) in ("", "FAILED")

        assert at_every_moment(run) >= 4


class TestTheBanksWord:
    @pytest.mark.parametrize(("word", "status"), [("pay", "PAID"), ("fail", "FAILED")])
    def test_is_asked_for_and_booked_once(
        self, make: Make, simulator: Simulator, word: str, status: str
    ) -> None:
        def run(axe: Axe) -> None:
            owner, reference = sent(make)
            simulator.end_payout(reference, word)
            make_due()

            survive(axe, engine.sweep)

            assert ended(owner, simulator, axe.fell) == status, axe.fell

        assert at_every_moment(run) >= 5

    def test_whose_answer_was_lost_is_asked_for_again(
        self, make: Make, simulator: Simulator
    ) -> None:
        def run(axe: Axe) -> None:
            owner, reference = sent(make)
            simulator.end_payout(reference, "pay")
            simulator.clear_faults()
            simulator.fault("retrieve_payout", "reset_after")
            make_due()

            survive(axe, truth.finish_everything)

            assert ended(owner, simulator, axe.fell) == "PAID", axe.fell

        assert at_every_moment(run) >= 14

    def test_told_while_a_worker_dies_is_not_lost(self, make: Make, simulator: Simulator) -> None:
        def run(axe: Axe) -> None:
            owner, reference = sent(make)
            simulator.end_payout(reference, "pay")
            [event] = simulator.events("payout.paid", object_id=reference)
            news.post(simulator.deliver(event))

            def act() -> None:
                news.apply_all()
                engine.sweep()

            survive(axe, act)
            news.apply_all()
            assert ended(owner, simulator, axe.fell) == "PAID", axe.fell

        assert at_every_moment(run) >= 6


class TestAReturn:
    def test_days_later_credits_once(self, make: Make, simulator: Simulator) -> None:
        def run(axe: Axe) -> None:
            owner, reference = sent(make)
            simulator.end_payout(reference, "pay")
            make_due()
            truth.finish_everything()
            simulator.end_payout(reference, "return")
            [event] = simulator.events("payout.failed", object_id=reference)
            news.post(simulator.deliver(event))

            def act() -> None:
                news.apply_all()
                engine.sweep()

            survive(axe, act)
            news.apply_all()
            assert ended(owner, simulator, axe.fell) == "RETURNED", axe.fell

        assert at_every_moment(run) >= 7


class TestAProcessThatIsKilled:
    """A real process, a real kill: nothing of it is left but what it had committed."""

    @pytest.mark.parametrize(
        "where", ["before add_bank", "after add_bank", "before pay_out", "after pay_out"]
    )
    def test_is_survived_by_what_it_sent(
        self, make: Make, simulator: Simulator, where: str
    ) -> None:
        owner = make()
        killed_at(where, owner.send)
        assert ended(owner, simulator, where) == "IN_TRANSIT"

    @pytest.mark.parametrize("word", ["pay", "fail"])
    def test_is_survived_by_the_banks_word(
        self, make: Make, simulator: Simulator, word: str
    ) -> None:
        owner, reference = sent(make)
        simulator.end_payout(reference, word)
        make_due()
        killed_at("after inspect_payout", engine.sweep)
        assert ended(owner, simulator, word) == {"pay": "PAID", "fail": "FAILED"}[word]

    def test_leaves_its_owner_the_key_to_the_same_payout(
        self, make: Make, simulator: Simulator
    ) -> None:
        owner = make()
        path = f"/v1/wallets/{owner.purse}/withdraw" if owner.purse else URL
        body = {"amount": 4_000} if owner.purse else {"amount": 4_000, "currency": "USD"}
        again = partial(owner.merchant.post, path, body, key="k")
        killed_at("after pay_out", again)

        assert again().status_code == 409
        execute(UNLOCK)
        assert again().status_code == 202

        assert ended(owner, simulator, "after pay_out") == "IN_TRANSIT"
        execute(UNLOCK)
        done = again()
        assert (done.status_code, done.json()["status"]) == (201, "IN_TRANSIT")
        assert Payout.objects.count() == 1
