"""Payouts and withdrawals in any order, whatever banks say and whatever breaks.

After each step every invariant holds and every balance is what the model says; what is refused
leaves everything as it was; in the end each payout is where its bank says.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar

import pytest
from django.db import connection
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from apps.core import clock
from apps.merchants.types import Interval
from apps.payments import services
from apps.payments.models import Payout
from apps.payments.tests import news, purses, truth
from apps.payments.tests.conftest import finish_runs, make_merchant
from apps.payments.tests.killing import Axe, Killed
from apps.payments.tests.objections import hear, open_dispute
from apps.payments.tests.test_withdrawals import owner_of, withdraw
from apps.payments.tests.tills import agree, bank, pay_out, standing
from apps.sagas import services as engine
from paysys.testing.crowd import ROUNDS
from paysys.testing.simulator import Simulator
from paysys.testing.tables import empty

OPEN, BACK = ("PENDING", "IN_TRANSIT"), ("FAILED", "RETURNED")
amounts = st.sampled_from([1, 1_000, 2_500, 4_000, 9_000])
picks = st.integers(0, 99)
OPS = ["add_bank", "pay_out", "retrieve_payout"]
FAULTS = ["reset_before", "reset_after", "error_after", "unavailable", "rate_limit"]
# Where a payout is in the end, by what its bank said last.
ENDS = {
    None: {"IN_TRANSIT"},
    "pay": {"PAID"},
    "fail": {"FAILED"},
    "return": {"RETURNED", "FAILED"},  # FAILED, if it came back before we had asked
}


class Tills(RuleBasedStateMachine):
    """A merchant, a wallet of a customer's, a bank account of each, and two banks with a will."""

    simulator: ClassVar[Simulator]

    @initialize()
    def begin(self) -> None:
        empty(connection)
        self.simulator.reset()
        self.merchant = make_merchant()
        self.merchant.set_plan(basis_points=0)
        agree(self.merchant, interval=Interval.DAILY)
        self.purse = purses.wallet(self.merchant, 10_000)
        bank(self.merchant)
        bank(self.merchant, customer_id=owner_of(self.purse))
        self.pending, self.payable, self.is_frozen = 0, 0, False
        self.paid: list[tuple[str, int]] = []  # payments, and what is left of each
        self.disputed: dict[str, str] = {}  # by payment, what the provider calls its dispute
        self.decided: set[str] = set()
        self.said: dict[Any, str] = {}  # by payout, what its bank said last
        self.earn(9_000)
        self.release()

    # --- the model

    def taken(self, *, wallet: bool) -> int:
        """What payouts or withdrawals have taken and not given back."""
        found = Payout.objects.exclude(status__in=BACK).filter(wallet_id__isnull=not wallet)
        return sum(int(payout.amount * 100) for payout in found)

    def there(self) -> int:
        return self.payable - self.taken(wallet=False)

    def free(self) -> int:
        return min(self.there(), self.there() + self.pending)

    def expect(self, order: Callable[[], Any], *, is_allowed: bool, refusals: set[int]) -> None:
        """What may be is accepted; what may not is refused and changes nothing."""
        before = truth.counts(), standing(self.merchant), purses.inside(self.merchant, self.purse)
        answer = order()
        if is_allowed:
            assert answer.status_code in (201, 202), answer.content
            return
        assert answer.status_code in refusals, answer.content
        after = truth.counts(), standing(self.merchant), purses.inside(self.merchant, self.purse)
        assert after[1:] == before[1:]
        assert {**after[0], "idempotency_key": 0} == {**before[0], "idempotency_key": 0}

    # --- money comes in, and goes back

    @rule(amount=st.sampled_from([1_000, 5_000]))
    def earn(self, amount: int) -> None:
        self.paid.append((self.merchant.captured(amount), amount))
        self.pending += amount

    @rule()
    def release(self) -> None:
        services.release(now=clock.now())
        self.payable, self.pending = self.payable + self.pending, 0

    @rule(pick=picks, amount=st.sampled_from([500, 5_000]))
    def refund(self, pick: int, amount: int) -> None:
        """It takes from what is payable even what is not there."""
        payment, left = self.paid[pick % len(self.paid)]
        if payment in self.decided:  # the provider gives nothing back that was disputed once
            return
        self.expect(
            lambda: self.merchant.post(f"/v1/payments/{payment}/refund", {"amount": amount}),
            is_allowed=(is_allowed := amount <= left and payment not in self.disputed),
            refusals={409},
        )
        if is_allowed:
            self.paid[pick % len(self.paid)] = (payment, left - amount)
            self.payable -= amount

    @rule(pick=picks)
    def dispute(self, pick: int) -> None:
        """A cardholder objects: what is left of the payment is set aside, be it there or not."""
        payment, left = self.paid[pick % len(self.paid)]
        if payment in self.disputed:
            return
        self.disputed[payment] = open_dispute(self.simulator, payment)
        self.hear_of_disputes()
        self.payable -= left

    @precondition(lambda self: self.disputed)
    @rule(pick=picks, result=st.sampled_from(["win", "lose"]))
    def decide(self, pick: int, result: str) -> None:
        payment = sorted(self.disputed)[pick % len(self.disputed)]
        if payment in self.decided:
            return
        self.decided.add(payment)
        self.simulator.decide(self.disputed[payment], result)
        self.hear_of_disputes()
        if result == "win":
            self.payable += dict(self.paid)[payment]

    def hear_of_disputes(self) -> None:
        """All of it, whoever was in the middle of what."""
        truth.finish_everything()
        hear(self.simulator)
        truth.finish_everything()
        news.apply_all()
        truth.finish_everything()

    # --- money goes out

    @rule(amount=amounts)
    def pay_out(self, amount: int) -> None:
        self.expect(
            lambda: pay_out(self.merchant, amount),
            is_allowed=amount <= self.free(),
            refusals={409},
        )

    @rule()
    def pay_out_everything(self) -> None:
        free = self.free()
        self.expect(lambda: pay_out(self.merchant), is_allowed=free > 0, refusals={409})

    @rule()
    def pay_out_by_itself(self) -> None:
        """Once a day, and whatever else was taken out."""
        was_paid = Payout.objects.filter(kind="automatic").exists()
        is_due = self.free() > 0 and not was_paid
        assert services.pay_out_daily(now=clock.now()) == is_due

    @rule(amount=amounts)
    def withdraw(self, amount: int) -> None:
        left = 10_000 - self.taken(wallet=True)
        self.expect(
            lambda: withdraw(self.merchant, self.purse, amount),
            is_allowed=amount <= left and not self.is_frozen,
            refusals={409} if self.is_frozen else {402},
        )

    @rule(amount=amounts)
    def pay_out_to_a_new_account(self, amount: int) -> None:
        """Whoever has just named one has to wait."""
        account = bank(self.merchant)
        order = {"amount": amount, "currency": "USD", "bank_account": account}
        self.expect(
            lambda: self.merchant.post("/v1/payouts", order), is_allowed=False, refusals={409}
        )

    @rule()
    def freeze_or_unfreeze(self) -> None:
        self.is_frozen = not self.is_frozen
        purses.set_status(self.purse, "FROZEN" if self.is_frozen else "ACTIVE")

    # --- the bank, the provider, the workers

    @precondition(lambda self: Payout.objects.exclude(provider_reference="").exists())
    @rule(pick=picks, word=st.sampled_from(["pay", "pay", "fail"]), is_told=st.booleans())
    def speak(self, pick: int, word: str, is_told: bool) -> None:
        """The bank pays or does not; what it has paid it sends back. Somebody tells us, or not."""
        sent = list(Payout.objects.exclude(provider_reference="").order_by("id"))
        payout = sent[pick % len(sent)]
        said = self.said.get(payout.id)
        if said not in (None, "pay"):
            return
        self.said[payout.id] = "return" if said == "pay" else word
        self.simulator.end_payout(payout.provider_reference, self.said[payout.id])
        if is_told:
            self.tell()

    @rule(op=st.sampled_from(OPS), kind=st.sampled_from(FAULTS), times=st.integers(1, 3))
    def break_something(self, op: str, kind: str, times: int) -> None:
        self.simulator.fault(op, kind, times=times)

    @rule()
    def tell(self) -> None:
        """Everything the provider has to say about payouts, once more."""
        for event in self.simulator.events():
            if event["type"].startswith("payout."):
                news.apply_event_of(self.simulator.deliver(event))

    @rule()
    def work(self) -> None:
        finish_runs()

    @rule()
    def pass_time(self) -> None:
        truth.pass_time()
        truth.make_payouts_due()
        engine.sweep()

    @rule(moment=st.integers(1, 12))
    def die(self, moment: int) -> None:
        """A worker is killed in the middle of what it does."""
        truth.pass_time()
        truth.make_payouts_due()
        with Axe(moment), suppress(Killed):
            engine.sweep()

    # --- after every step

    @invariant()
    def every_invariant_holds(self) -> None:
        assert truth.violations() == {}

    @invariant()
    def every_balance_is_the_models(self) -> None:
        found = standing(self.merchant)
        still_open = Payout.objects.filter(status__in=OPEN)
        assert found == {
            "pending": self.pending,
            "payable": self.there(),
            "reserve": 0,
            "in_transit": sum(int(payout.amount * 100) for payout in still_open),
        }
        left = 10_000 - self.taken(wallet=True)
        assert purses.inside(self.merchant, self.purse) == (left, 0)

    def teardown(self) -> None:
        """Nothing breaks any more, all news is told, and time goes by."""
        if not hasattr(self, "merchant"):
            return
        self.simulator.clear_faults()
        for _ in range(2):
            truth.finish_everything()
            self.tell()
            news.apply_all()
            truth.make_payouts_due()
            truth.finish_everything()
        truth.assert_nothing_is_left_over()
        self.every_balance_is_the_models()
        for payout in Payout.objects.all():
            assert payout.status in ENDS[self.said.get(payout.id)]
            assert len(truth.kinds_of(payout.id)) == payout.version


@pytest.mark.repeated
def test_anything_in_any_order_ends_where_the_banks_say(simulator: Simulator) -> None:
    Tills.simulator = simulator
    run_state_machine_as_test(
        Tills,
        settings=settings(
            max_examples=ROUNDS,
            stateful_step_count=14,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
