"""Providers' news in any order, several times or not at all: what is true in the end is one thing.

The worker comes by in between or not. Only the last news is sure to be told: nothing else would
make anybody ask about an object that had come to its end.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core import ids
from apps.gateways.models import InboundEvent
from apps.payments.tests import news, objections, truth
from apps.payments.tests.conftest import Merchant, finish_runs, make_merchant
from apps.payments.tests.tills import bank, bank_says, earn, look_again, paid_out, payout, standing
from paysys.testing.crowd import ROUNDS
from paysys.testing.paypal import PayPalSimulator
from paysys.testing.simulator import Simulator
from paysys.testing.tables import empty

pytestmark = pytest.mark.repeated

ACTION = "pm_card_threeDSecure2Required"

in_any_order = settings(
    max_examples=ROUNDS,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Teller:
    """Tells what a provider has to tell, as hypothesis likes it."""

    def __init__(self, provider: Simulator | PayPalSimulator, data: st.DataObject) -> None:
        self.provider: Any = provider
        self.data = data

    def tell_shuffled(self) -> None:
        """Whatever happened so far."""
        events = self.provider.events()
        every = st.integers(0, len(events) - 1)
        for place in self.data.draw(st.lists(every, max_size=2 * len(events))):
            self._tell(events[place])

    def tell_everything(self) -> None:
        """The same, but each of them at least once."""
        events = self.provider.events()
        again = self.data.draw(st.lists(st.integers(0, len(events) - 1), max_size=len(events)))
        for place in self.data.draw(st.permutations([*range(len(events)), *again])):
            self._tell(events[place])

    def _tell(self, event: dict[str, Any]) -> None:
        news.apply_event_of(self.provider.deliver(event))
        if self.data.draw(st.booleans()):
            finish_runs()


def begin(simulator: Simulator) -> Merchant:
    """What an earlier example left must not be taken for this one's."""
    simulator.reset()
    empty(connection)
    return make_merchant()


def end() -> None:
    """What was told while somebody was asking is told again by the sweep; then all has ended."""
    for _ in range(3):
        finish_runs()
        news.apply_all()
    finish_runs()
    assert not InboundEvent.objects.filter(processed_at=None).exists()
    truth.assert_nothing_is_left_over()


def refunded(merchant: Merchant, payment_id: str) -> str:
    answer = merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 4_000})
    assert answer.status_code == 201, answer.content
    finish_runs()
    return str(answer.json()["id"])


class TestAPaymentAtStripe:
    @in_any_order
    @given(data=st.data())
    def test_whose_refund_fails_at_the_bank_later(
        self, simulator: Simulator, data: st.DataObject
    ) -> None:
        """3-D Secure, a capture, a refund that had succeeded."""
        merchant, told = begin(simulator), Teller(simulator, data)
        payment_id = merchant.pay(source=ACTION).json()["id"]
        [intent] = simulator.effects(payment_id)["intents"]
        simulator.pass_3ds(intent)
        told.tell_shuffled()
        truth.make_due(merchant.payment(payment_id))
        finish_runs()
        assert merchant.payment(payment_id).status == "CAPTURED"
        refund_id = refunded(merchant, payment_id)
        assert merchant.refund(refund_id).status == "SUCCEEDED"
        simulator.fail_refund(simulator.effects(payment_id)["refund_ids"][0])

        told.tell_shuffled()
        news.tell(simulator, "refund.failed")
        end()

        payment = truth.assert_told_once(merchant, simulator, payment_id)
        assert (payment.status, payment.amount_refunded) == ("CAPTURED", 0)
        assert merchant.refund(refund_id).status == "FAILED"

    @in_any_order
    @given(data=st.data())
    def test_captured_in_part_and_refunded_twice(
        self, simulator: Simulator, data: st.DataObject
    ) -> None:
        merchant, told = begin(simulator), Teller(simulator, data)
        payment_id = merchant.pay(capture_method="manual").json()["id"]
        told.tell_shuffled()
        merchant.post(f"/v1/payments/{payment_id}/capture", {"amount": 8_000})
        told.tell_shuffled()
        truth.finish_everything()
        refunds = [refunded(merchant, payment_id), refunded(merchant, payment_id)]

        told.tell_everything()
        truth.make_refunds_due()
        end()

        payment = truth.assert_told_once(merchant, simulator, payment_id)
        assert (payment.status, payment.amount_refunded) == ("REFUNDED", Decimal(80))
        assert {merchant.refund(each).status for each in refunds} == {"SUCCEEDED"}


class TestAPaymentAtPayPal:
    @in_any_order
    @given(data=st.data())
    def test_whose_refund_fails_at_the_bank_later(
        self, simulator: Simulator, paypal: PayPalSimulator, data: st.DataObject
    ) -> None:
        """An approval, a capture, a refund that had succeeded."""
        merchant, told = begin(simulator), Teller(paypal, data)
        payment_id = merchant.pay(10_000, "paypal").json()["id"]
        [order] = paypal.book()
        paypal.approve(order["id"])
        told.tell_shuffled()
        truth.make_due(merchant.payment(payment_id))
        truth.finish_everything()
        assert merchant.payment(payment_id).status == "CAPTURED"
        refund_id = refunded(merchant, payment_id)
        told.tell_shuffled()
        assert merchant.refund(refund_id).status == "SUCCEEDED"
        paypal.fail_refund(merchant.refund(refund_id).provider_reference)

        told.tell_everything()
        end()

        payment = merchant.payment(payment_id)
        assert (payment.status, payment.amount_refunded) == ("CAPTURED", 0)
        assert merchant.refund(refund_id).status == "FAILED"
        assert len(truth.kinds_of(payment.id)) == payment.version
        effects = paypal.effects(payment_id)
        assert (effects["authorizations"], effects["captures"]) == (1, 1)
        assert truth.postings_in(merchant)["capture"] == 1


class TestADispute:
    # What its bank says one after the other, and where that leaves the payment and its money.
    SAYS: ClassVar[dict[tuple[str, ...], tuple[str, int]]] = {
        (): ("DISPUTED", 100),
        ("lose",): ("CHARGED_BACK", 100),
        ("win",): ("CAPTURED", 0),
        ("lose", "reverse"): ("CAPTURED", 0),
        ("escalate", "lose"): ("CHARGED_BACK", 100),
        ("escalate", "win"): ("CAPTURED", 0),
        ("close",): ("CAPTURED", 0),
    }

    @in_any_order
    @given(data=st.data(), says=st.sampled_from(sorted(SAYS)))
    def test_ends_as_its_bank_says(
        self, simulator: Simulator, data: st.DataObject, says: tuple[str, ...]
    ) -> None:
        """News and lines of statements, whichever comes first, and as often as they come."""
        merchant, told = begin(simulator), Teller(simulator, data)
        payment_id = merchant.captured(10_000)
        is_inquiry = says[:1] in (("escalate",), ("close",))
        facts = {"inquiry": "yes"} if is_inquiry else {}
        reference = objections.open_dispute(simulator, payment_id, **facts)
        for said in (None, *says):
            if said is not None:
                simulator.decide(reference, said)
            told.tell_shuffled()
            if data.draw(st.booleans()):
                truth.book_statement()

        told.tell_everything()
        truth.book_statement()
        end()

        objections.assert_whole(merchant, simulator, payment_id)
        status, taken = self.SAYS[says]
        fee = 0 if says == ("close",) else 15
        assert merchant.payment(payment_id).status == status
        assert merchant.balance(objections.PAYABLE) == objections.usd(f"{-taken - fee}.00")
        set_aside = objections.usd(f"{taken if not says else 0}.00")
        assert merchant.balance(objections.DISPUTED) == set_aside


class TestAPayout:
    @in_any_order
    @given(data=st.data(), says=st.sampled_from(["pay", "fail", "return"]))
    def test_ends_as_its_bank_says(
        self, simulator: Simulator, data: st.DataObject, says: str
    ) -> None:
        merchant, told = begin(simulator), Teller(simulator, data)
        earn(merchant, 10_000)
        bank(merchant)
        before = standing(merchant)
        payout_id = paid_out(merchant, 5_000)
        told.tell_shuffled()
        if says == "return":  # days later, when it is known to have arrived
            bank_says(simulator, merchant, payout_id, "pay")
            told.tell_shuffled()
            look_again()
            assert payout(merchant, payout_id).status == "PAID"

        bank_says(simulator, merchant, payout_id, says)
        told.tell_everything()
        end()

        found = payout(merchant, payout_id)
        assert found.status == {"pay": "PAID", "fail": "FAILED", "return": "RETURNED"}[says]
        assert len(truth.kinds_of(ids.decode("po", payout_id))) == found.version
        left = 5_000 if says == "pay" else 0
        assert standing(merchant) == {**before, "payable": before["payable"] - left}
        assert len(simulator.payouts_for(payout_id)) == 1
