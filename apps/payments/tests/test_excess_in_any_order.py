"""Refunds that fail, banks that decide, and people who decide, in any order: nobody bears the same
money twice, and what exceeds is always whose it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core.errors import DomainError
from apps.payments.models import ExcessCase
from apps.payments.services import excess
from apps.payments.tests import news, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.objections import EXCESS, PAYABLE, hear, open_dispute, usd
from apps.payments.tests.test_confluence import begin
from apps.payments.tests.test_excess import LOSSES, decide
from paysys.testing.crowd import ROUNDS
from paysys.testing.simulator import Simulator

pytestmark = pytest.mark.repeated

WHOLE = 100
# What a bank may say next, and what the dispute then takes of an amount.
SAYS: dict[str, dict[str, Callable[[int], int]]] = {
    "open": {"win": lambda _: 0, "win a part": lambda taken: taken - 20, "lose": lambda t: t},
    "lose": {"reverse": lambda _: 0},
}


class Story:
    """A payment of 100.00, what was given back of it, and what was disputed; beside, a model."""

    def __init__(self, merchant: Merchant, simulator: Simulator, data: st.DataObject) -> None:
        self.merchant, self.simulator, self.data = merchant, simulator, data
        self.payment = merchant.captured(WHOLE * 100)
        self.refunds: list[int] = []  # those that stand, in the order they were made
        self.failed = 0
        for amount in self.draw([(), (40,), (30, 50), (60, 40), (100,)]):
            answer = merchant.post(f"/v1/payments/{self.payment}/refund", {"amount": amount * 100})
            assert answer.json()["status"] == "SUCCEEDED"
            self.refunds.append(amount)
        self.sent = simulator.effects(self.payment)["refund_ids"]
        self.taken = self.draw([50, 100])
        self.charged = self.written_off = 0
        self.said = "open"
        self.dispute = open_dispute(simulator, self.payment, amount=self.taken * 100)
        hear(simulator)

    def draw(self, options: Any) -> Any:
        return self.data.draw(st.sampled_from(options))

    @property
    def excess(self) -> int:
        return max(sum(self.refunds) + self.taken - WHOLE, 0)

    def less(self) -> None:
        """What was decided of what exceeds no more comes back: ours, then the merchant's."""
        back = max(self.charged + self.written_off - self.excess, 0)
        ours = min(back, self.written_off)
        self.written_off -= ours
        self.charged -= back - ours

    def fail_a_refund(self) -> None:
        if self.refunds:
            self.simulator.fail_refund(self.sent[self.failed])
            self.failed += 1
            self.refunds.pop(0)
            self.less()
            news.tell(self.simulator, "refund.failed")
            finish_runs()

    def the_bank_decides(self) -> None:
        says = SAYS.get(self.said, {})
        if not says:
            return
        self.said = self.draw(sorted(says))
        self.taken = says[self.said](self.taken)
        part = {"amount": 2_000} if self.said == "win a part" else {}
        self.simulator.decide(self.dispute, self.said.split()[0], **part)
        self.less()
        hear(self.simulator)

    def somebody_decides(self) -> None:
        """Perhaps about more than there is, which is refused."""
        amount, what = self.draw([5, 10, 45]), self.draw(["charged", "written_off"])
        left = self.excess - self.charged - self.written_off
        if not ExcessCase.objects.exists():
            assert not left
            return
        decision = excess.charge if what == "charged" else excess.write_off
        try:
            decide(decision, f"{amount}.00")
        except DomainError:
            assert amount > left
            return
        assert amount <= left
        setattr(self, what, getattr(self, what) + amount)

    def check(self) -> None:
        """Every invariant holds, and each bears what is theirs."""
        assert truth.violations() == {}
        payment = self.merchant.payment(self.payment)
        assert payment.amount_excess == self.excess
        carried = self.excess - self.charged - self.written_off
        assert self.merchant.balance(EXCESS) == usd(f"{carried}.00")
        assert self.merchant.balance(LOSSES) == usd(f"{self.written_off}.00")
        borne = sum(self.refunds) + self.taken - self.excess + self.charged
        assert self.merchant.balance(PAYABLE) == usd(f"{-borne}.00")
        assert ExcessCase.objects.filter(closed_at=None).count() == (1 if carried else 0)


@settings(
    max_examples=ROUNDS,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_whoever_decides_first_each_bears_what_is_theirs(
    simulator: Simulator, data: st.DataObject
) -> None:
    merchant = begin(simulator)
    merchant.set_plan(basis_points=0)
    story = Story(merchant, simulator, data)
    story.check()
    steps = [story.fail_a_refund, story.the_bank_decides, story.somebody_decides]
    for step in data.draw(st.lists(st.sampled_from(steps), max_size=8)):
        step()
        story.check()
