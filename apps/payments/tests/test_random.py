"""Whatever merchants do and whatever breaks, in any order: in the end books and outside agree."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.payments.models import Payment
from apps.payments.tests import news, purses, truth
from apps.payments.tests.conftest import Merchant, finish_runs, make_merchant
from apps.payments.tests.killing import Axe, Killed
from apps.sagas import services as engine
from paysys.testing.simulator import Simulator
from paysys.testing.tables import empty

CARDS = [
    *("pm_card_visa", "pm_card_visa", "pm_card_threeDSecure2Required", "pm_card_pendingRefund"),
    *("pm_card_refundFail", "pm_card_visa_chargeDeclined"),
]
OPS = ["create", "confirm", "capture", "cancel", "refund", "retrieve", "retrieve_refund"]
KINDS = [
    *("reset_before", "reset_after", "error_before", "error_after"),
    *("unavailable", "rate_limit", "lock_timeout"),
]
ENDS = ("AUTHORIZED", "CAPTURED", "SETTLED", "REFUNDED", "VOIDED", "FAILED")
ANSWERS = {200, 201, 202, 402, 409}


class Shop:
    """A merchant, and everything that can happen around it."""

    def __init__(self, simulator: Simulator, data: st.DataObject) -> None:
        self.simulator, self.data = simulator, data
        self.merchant: Merchant = make_merchant()
        self.payments: list[str] = []
        self.wallets = [purses.wallet(self.merchant, 12_000), purses.wallet(self.merchant)]

    def draw(self, options: Any) -> Any:
        return self.data.draw(st.sampled_from(options))

    def pay(self) -> None:
        purse, card = self.draw(self.wallets), self.draw(CARDS)
        who: dict[str, Any] = self.draw(
            [
                *({"source": card}, {"source": card}, {"source": purse}),
                {"source": card, "wallet": purse},
                {"source": card, "wallet": purse, "wallet_amount": 2_500},
                {"source": card, "destination": purse},
            ]
        )
        method = self.draw(["automatic", "manual"])
        answer = self.merchant.pay(10_000, **who, capture_method=method)
        shown = answer.json()
        if answer.status_code == 422:  # the wallet has left the card less than it is charged for
            assert shown["error"]["code"] == "amount_too_small"
            return
        assert answer.status_code in ANSWERS, answer.content
        shown = shown.get("error", {}).get("payment", shown)
        if "id" in shown:  # a wallet that has too little makes no payment
            self.payments.append(shown["id"])

    def transfer(self) -> None:
        source, target = self.data.draw(st.permutations(self.wallets))
        body = {"to": target, "amount": self.draw([1, 4_000])}
        answer = self.merchant.post(f"/v1/wallets/{source}/transfer", body)
        assert answer.status_code in ANSWERS, answer.content

    def order(self) -> None:
        order = self.draw(["capture", "void", "refund"])
        body: dict[str, Any] = {}
        if order != "void":
            body["amount"] = self.draw([3_000, 7_000, 10_000])
        if order == "refund" and self.draw([False, False, True]):
            body["wallet"] = self.draw(self.wallets)
        if not self.payments:
            return
        answer = self.merchant.post(f"/v1/payments/{self.draw(self.payments)}/{order}", body)
        assert answer.status_code in ANSWERS, answer.content

    def break_something(self) -> None:
        self.simulator.fault(self.draw(OPS), self.draw(KINDS), times=self.draw([1, 1, 2, 4]))

    def come_back(self) -> None:
        """A customer passes or fails 3-D Secure, if one was asked to."""
        for intent in self.simulator.book():
            if intent["status"] == "requires_action":
                answer = self.draw([self.simulator.pass_3ds, self.simulator.fail_3ds])
                answer(intent["id"])

    def lapse(self) -> None:
        """An authorization ends at the provider, if there is one."""
        for intent in self.simulator.book():
            if intent["status"] == "requires_capture":
                self.simulator.expire(intent["id"])
                return

    def tell(self) -> None:
        events = self.simulator.events()
        for _ in range(self.draw([1, 2, 3]) if events else 0):
            news.apply_event_of(self.simulator.deliver(self.draw(events)))

    def work(self) -> None:
        finish_runs()

    def pass_time(self) -> None:
        truth.pass_time()
        engine.sweep()

    def die(self) -> None:
        """A worker is killed in the middle of what it does."""
        truth.pass_time()
        with Axe(self.data.draw(st.integers(1, 12))), suppress(Killed):
            engine.sweep()

    def settle(self) -> None:
        self.simulator.settle()

    def end(self) -> None:
        """Nothing breaks any more, everybody does their part, and time goes by."""
        self.simulator.clear_faults()
        truth.finish_everything()
        self.simulator.settle()
        if self.simulator.events():  # wallets alone are no news to it
            news.tell(self.simulator)
        for intent in self.simulator.book():
            if intent["status"] == "requires_action":
                self.simulator.fail_3ds(intent["id"])
        for _ in range(2):
            for payment in Payment.objects.all():
                truth.make_due(payment)
            truth.make_refunds_due()
            truth.finish_everything()


ACTIONS = [
    *(Shop.pay, Shop.order, Shop.order, Shop.break_something, Shop.come_back, Shop.lapse),
    *(Shop.tell, Shop.work, Shop.pass_time, Shop.die, Shop.settle, Shop.pay, Shop.transfer),
]


class TestAnythingInAnyOrder:
    @settings(
        max_examples=20,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(data=st.data(), actions=st.lists(st.sampled_from(ACTIONS), min_size=3, max_size=14))
    def test_ends_with_books_that_agree_with_the_outside(
        self, simulator: Simulator, data: st.DataObject, actions: list[Any]
    ) -> None:
        simulator.reset()
        empty(connection)
        shop = Shop(simulator, data)
        shop.pay()
        for act in actions:
            act(shop)

        shop.end()

        for payment_id in shop.payments:
            payment = truth.assert_told_once(
                shop.merchant, simulator, payment_id, objects=99, alone=False
            )
            assert payment.status in ENDS
