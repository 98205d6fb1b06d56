"""A payment leaves an object that was never confirmed only once it is canceled and seen to be."""

from __future__ import annotations

from typing import Any

import pytest

from apps.core import clock
from apps.core.money import Money
from apps.gateways.models import ProviderCall
from apps.gateways.types import Declined, LineKind, Operation, StatementLine
from apps.payments import services
from apps.payments.models import Payment
from apps.payments.tests import purses, truth
from apps.payments.tests.cards import nobody_hurries, saved_card, stripe_refuses
from apps.payments.tests.conftest import Merchant, finish_runs, make_merchant
from apps.payments.tests.killing import at_every_moment, survive
from apps.payments.tests.news import tell
from apps.payments.tests.rows import sqlstate_of
from apps.payments.tests.test_crash import pay
from apps.payments.tests.test_fallback import INSERT, assert_charged_once, charges, creates
from apps.payments.tests.test_health import break_stripe
from apps.payments.tests.test_routing import set_rule
from apps.payments.tests.threads import at_once
from apps.sagas import services as engine
from paysys.testing.paypal import PayPalSimulator
from paysys.testing.simulator import Simulator

__all__ = ["nobody_hurries"]
OWN = "pm_card_chargeDeclinedProcessingError"
CONFIRM = frozenset({Operation.CONFIRM})


def asked(provider: str) -> list[str]:
    """What a provider was asked, in order, and how each ended."""
    found = ProviderCall.objects.filter(provider=provider).order_by("id")
    return [f"{call.call} {call.outcome}" for call in found]


LEFT = ["create SUCCEEDED", "confirm FAILED", "void SUCCEEDED", "inspect_void SUCCEEDED"]


class TestADeclineOfTheProvidersOwn:
    def test_sends_the_payment_on_once_its_object_is_canceled_and_seen_to_be(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator
    ) -> None:
        answer = merchant.pay(10_000, saved_card(merchant, OWN))
        finish_runs()

        assert answer.status_code == 201, answer.content
        shown = answer.json()
        assert (shown["status"], shown["provider"]) == ("AUTHORIZED", "paypal")
        payment = assert_charged_once(merchant, simulator, paypal, shown["id"], "paypal")
        assert asked("stripe") == LEFT
        assert [intent["status"] for intent in simulator.book()] == ["canceled"]
        [step] = payment.route["fallbacks"]
        assert (step["from"], step["to"], step["why"], step["code"]) == (
            *("stripe", "paypal", "declined", "processing_error"),
        )
        assert truth.kinds_of(payment.id) == [
            *("payment.created", "payment.rerouted", "payment.authorized", "payment.captured"),
            "payment.succeeded",
        ]
        assert merchant.balance("provider:paypal:clearing") == Money("100.00", "USD")
        assert merchant.balance("provider:stripe:clearing") == Money("0.00", "USD")

    def test_at_paypal_leaves_an_order_that_nobody_can_authorize(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator
    ) -> None:
        set_rule(("paypal", 100), ("stripe", 0))
        card = saved_card(merchant, at_paypal="payer_of_restricted_payee")

        answer = merchant.pay(10_000, card)
        finish_runs()

        assert (answer.status_code, answer.json()["provider"]) == (201, "stripe")
        assert_charged_once(merchant, simulator, paypal, answer.json()["id"], "stripe")
        assert asked("paypal") == LEFT
        assert [order["status"] for order in paypal.book()] == ["CREATED"]

    @pytest.mark.parametrize("kind", ["timeout_before", "reset_before"])
    def test_at_paypal_does_not_count_if_another_request_may_be_under_way(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator, kind: str
    ) -> None:
        """The order cannot be canceled: what is on its way may still authorize it."""
        set_rule(("paypal", 100), ("stripe", 0))
        simulator.fault("paypal_authorize", kind)
        card = saved_card(merchant, at_paypal="payer_of_restricted_payee")
        payment_id = merchant.pay(10_000, card).json()["id"]
        truth.finish_everything()

        assert merchant.payment(payment_id).failure_code == "account_restricted"
        assert charges(simulator, paypal, payment_id) == (0, 0)
        assert simulator.book() == []
        truth.assert_nothing_is_left_over()

    def test_of_a_create_has_nothing_to_cancel(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator
    ) -> None:
        with stripe_refuses(simulator, frozenset({Operation.CREATE})) as stripe:
            stripe.unreached = _TooMuch()  # type: ignore[assignment]
            answer = merchant.pay(10_000, saved_card(merchant))
        finish_runs()

        assert (answer.status_code, answer.json()["provider"]) == (201, "paypal")
        assert_charged_once(merchant, simulator, paypal, answer.json()["id"], "paypal")
        assert creates() == ["stripe FAILED amount_not_supported", "paypal SUCCEEDED"]
        assert simulator.book() == []

    def test_by_both_fails_the_payment_with_the_seconds_code_and_asks_nobody_again(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator
    ) -> None:
        card = saved_card(merchant, OWN, at_paypal="payer_of_restricted_payee")
        answer = merchant.pay(10_000, card)
        truth.finish_everything()

        assert answer.status_code == 402
        error = answer.json()["error"]
        assert error["decline_code"] == "account_restricted"
        assert error["payment"]["provider"] == "paypal"
        assert charges(simulator, paypal, error["payment"]["id"]) == (0, 0)
        assert asked("stripe") == LEFT
        assert asked("paypal") == ["create SUCCEEDED", "confirm FAILED", "void SUCCEEDED"]
        truth.assert_nothing_is_left_over()

    @pytest.mark.parametrize(
        ("at_paypal", "code"),
        [
            ("payer_instrument_declined", "card_declined"),
            ("payer_refused", "blocked_by_provider"),
            ("payer_denied", "card_declined"),
        ],
    )
    def test_followed_by_a_decline_of_the_issuers_releases_the_wallets_part_once(
        self,
        merchant: Merchant,
        simulator: Simulator,
        paypal: PayPalSimulator,
        at_paypal: str,
        code: str,
    ) -> None:
        purse = purses.wallet(merchant, 10_000)
        card = saved_card(merchant, OWN, at_paypal=at_paypal)
        answer = merchant.pay(10_000, card, wallet=purse, wallet_amount=4_000)
        truth.finish_everything()

        assert answer.json()["error"]["decline_code"] == code
        assert purses.inside(merchant, purse) == (10_000, 0)
        assert truth.postings_in(merchant) == {"cash": 1, "hold": 2}, "placed, and let go of once"
        truth.assert_nothing_is_left_over()

    @pytest.mark.parametrize(
        "at_paypal",
        [
            *("payer_instrument_declined", "payer_cannot_pay", "payer_locked", "payer_over_limit"),
            *("payer_refused", "payer_card_expired", "payer_agreement_canceled", "payer_denied"),
        ],
    )
    def test_is_nothing_that_paypal_says_of_the_payer(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator, at_paypal: str
    ) -> None:
        set_rule(("paypal", 100), ("stripe", 0))
        answer = merchant.pay(10_000, saved_card(merchant, at_paypal=at_paypal))
        truth.finish_everything()

        assert answer.status_code == 402
        assert simulator.book() == []
        truth.assert_nothing_is_left_over()

    def test_does_not_move_a_payment_that_the_merchant_gave_up_meanwhile(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator,
    ) -> None:  # fmt: skip
        card = saved_card(merchant, OWN)
        with stripe_refuses(simulator, frozenset({Operation.VOID})):
            payment_id = merchant.pay(10_000, card).json()["id"]
            assert merchant.post(f"/v1/payments/{payment_id}/void").status_code == 202
        truth.finish_everything()

        assert merchant.payment(payment_id).status == "VOIDED"
        assert [intent["status"] for intent in simulator.book()] == ["canceled"]
        assert paypal.book() == []
        truth.assert_nothing_is_left_over()


class _TooMuch:
    """A Stripe that takes no such amount."""

    def send(self, _request: Any, **_facts: Any) -> Any:
        raise Declined("amount_not_supported", provider_code="amount_too_large")


class TestAnObjectThatCannotBeConfirmed:
    def test_is_canceled_and_the_payment_goes_on_elsewhere(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator
    ) -> None:
        card = saved_card(merchant)
        with stripe_refuses(simulator, CONFIRM):
            answer = merchant.pay(10_000, card)
        finish_runs()

        assert (answer.status_code, answer.json()["provider"]) == (201, "paypal")
        payment = assert_charged_once(merchant, simulator, paypal, answer.json()["id"], "paypal")
        assert asked("stripe") == ["create SUCCEEDED", "confirm ABSENT", *LEFT[2:]]
        assert payment.route["fallbacks"][0]["why"] == "canceled"

    def test_since_its_circuit_has_opened_is_canceled_too(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator, settings: Any
    ) -> None:
        """It met an error of the provider's, of which a look-up says that nothing came."""
        settings.PAYSYS_CIRCUIT_CALLS = 4
        card = saved_card(merchant)
        simulator.fault("confirm", "error_before")
        payment_id = merchant.pay(10_000, card).json()["id"]
        assert merchant.payment(payment_id).provider == "stripe"
        break_stripe(merchant, simulator, "confirm", "error_before")
        for _ in range(2):
            truth.make_due(merchant.payment(payment_id))
            finish_runs()

        assert_moved(merchant, simulator, paypal, payment_id)

    @pytest.mark.parametrize("op", ["cancel", "retrieve"])
    @pytest.mark.parametrize(
        "kind", ["timeout_before", "timeout_after", "error_before", "error_after", "unavailable"]
    )
    def test_is_not_left_while_nobody_knows_whether_it_is_canceled(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator, op: str, kind: str
    ) -> None:
        card = saved_card(merchant)
        simulator.fault(op, kind)
        with stripe_refuses(simulator, CONFIRM):
            payment_id = merchant.pay(10_000, card).json()["id"]
            assert creates() == ["stripe SUCCEEDED"]
            assert paypal.book() == []
            truth.finish_everything()

        assert_charged_once(merchant, simulator, paypal, payment_id, "paypal")
        assert [intent["status"] for intent in simulator.book()] == ["canceled"]

    def test_begins_anew_where_it_is_if_nobody_else_is_left_by_then(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator
    ) -> None:
        card = saved_card(merchant)
        with stripe_refuses(simulator, CONFIRM):
            simulator.fault("retrieve", "timeout_before")
            payment_id = merchant.pay(10_000, card).json()["id"]
            merchant.post(f"/v1/payment_methods/{card}/detach")
        truth.finish_everything()

        assert creates() == ["stripe SUCCEEDED"] * 2
        assert_charged_once(merchant, simulator, paypal, payment_id, "stripe")
        assert paypal.book() == []

    def test_is_not_left_once_the_customer_was_asked_there(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator, settings: Any
    ) -> None:
        settings.PAYSYS_CIRCUIT_CALLS = 4
        card = saved_card(merchant, "pm_card_threeDSecure2Required")
        payment_id = merchant.pay(10_000, card).json()["id"]
        assert merchant.payment(payment_id).status == "REQUIRES_ACTION"
        break_stripe(merchant, simulator, "confirm", "error_before")
        truth.make_due(merchant.payment(payment_id))
        finish_runs()
        assert merchant.payment(payment_id).provider == "stripe"
        intent = next(i for i in simulator.book() if i["status"] == "requires_action")
        simulator.pass_3ds(intent["id"])
        truth.make_due(merchant.payment(payment_id))
        finish_runs()

        assert merchant.payment(payment_id).status == "CAPTURED"
        assert charges(simulator, paypal, payment_id) == (1, 0)
        assert paypal.book() == []


def assert_moved(
    merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator, payment_id: str
) -> None:
    payment = merchant.payment(payment_id)
    assert (payment.status, payment.provider) == ("CAPTURED", "paypal")
    assert charges(simulator, paypal, payment_id) == (0, 1)
    assert payment.route["fallbacks"][0]["why"] == "canceled"
    assert simulator.effects(payment_id)["canceled"] == 1
    assert truth.violations() == {}


class TestKilledAtAnyMoment:
    @pytest.mark.parametrize("way", ["declined", "unreached"])
    def test_a_payment_that_leaves_is_charged_once(
        self, simulator: Simulator, paypal: PayPalSimulator, way: str
    ) -> None:
        ended_at = set()

        def run(axe: Any) -> None:
            merchant = make_merchant()
            card = saved_card(merchant, OWN if way == "declined" else "pm_card_visa")
            with stripe_refuses(simulator, CONFIRM if way == "unreached" else frozenset()):
                survive(axe, lambda: pay(merchant, card))
                for _ in range(3):
                    truth.pass_time()
                    engine.sweep()
            truth.finish_everything()
            payment = Payment.objects.filter(book_id=merchant.book_id).first()
            if payment is not None:
                ended_at.add(payment.provider)
                public_id = truth.public_id(payment)
                assert_charged_once(merchant, simulator, paypal, public_id, payment.provider)

        assert at_every_moment(run) >= 16
        assert "paypal" in ended_at
        if way == "declined":
            assert ended_at == {"paypal"}

    def test_and_worked_on_by_many_at_once_it_is_charged_once(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator
    ) -> None:
        card, refused = saved_card(merchant), saved_card(merchant, OWN)
        simulator.fault("cancel", "timeout_after", times=2)
        with stripe_refuses(simulator, CONFIRM):
            payments = [merchant.pay(10_000, source).json()["id"] for source in (card, refused)]
            truth.pass_time()
            at_once([engine.sweep for _ in range(4)])
        truth.finish_everything()

        for each in payments:
            assert charges(simulator, paypal, each) == (0, 1)
            assert merchant.payment(each).status == "CAPTURED"
        truth.assert_nothing_is_left_over()


class TestNewsOfTheFirstObject:
    def test_that_comes_after_the_charge_changes_nothing(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator
    ) -> None:
        payment_id = merchant.captured(10_000, saved_card(merchant, OWN))
        before = merchant.payment(payment_id)

        tell(simulator)
        truth.finish_everything()

        payment = assert_charged_once(merchant, simulator, paypal, payment_id, "paypal")
        assert payment.version == before.version
        assert asked("stripe") == LEFT

    def test_that_money_came_in_is_not_booked_as_the_payments(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator
    ) -> None:
        payment_id = merchant.captured(10_000, saved_card(merchant, OWN))
        [intent] = simulator.book()
        now = clock.now()
        line = StatementLine(
            provider="stripe", line_reference="txn_1", kind=LineKind.CHARGE, gross_minor=10_000,
            fee_minor=0, net_minor=10_000, currency="USD", occurred_at=now, available_on=now,
            payment_reference=intent["id"], payout_reference="po_1",
        )  # fmt: skip

        assert services.apply_settlement(line, now=now) is False
        assert merchant.payment(payment_id).settled_at is None
        assert truth.postings_in(merchant)["settlement"] == 0


MARK = "UPDATE gateways_provider_call SET canceled_at = now() WHERE call = 'create'"


class TestTheDatabase:
    def test_believes_nobody_that_an_object_is_over(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator
    ) -> None:
        with stripe_refuses(simulator, CONFIRM | {Operation.INSPECT_VOID}):
            merchant.pay(10_000, saved_card(merchant))
            assert asked("stripe")[-2:] == ["void SUCCEEDED", "inspect_void ABSENT"]
            assert sqlstate_of(MARK) == "GW006"
            assert sqlstate_of(INSERT, "paypal", 9) == "GW005"
            assert sqlstate_of(INSERT, "stripe", 9) == "23505"

    def test_does_not_believe_it_of_an_object_that_was_confirmed(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.pay(10_000, capture_method="manual").json()["id"]
        merchant.post(f"/v1/payments/{payment_id}/void")
        truth.finish_everything()
        assert merchant.payment(payment_id).status == "VOIDED"

        assert sqlstate_of(MARK) == "GW006"

    def test_takes_no_promise_that_is_over_before_it_is_made(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        merchant.captured()

        promise = INSERT.replace("created_at)", "created_at, canceled_at)").replace(
            "created_at\nFROM", "created_at, created_at\nFROM"
        )
        assert sqlstate_of(promise, "stripe", 9) == "GW004"
