"""To a second provider goes only what the first was provably never asked: one charge, or none."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.core import ids
from apps.core.money import Money
from apps.gateways.models import ProviderCall
from apps.gateways.types import Operation
from apps.payments.models import Payment
from apps.payments.sagas import rerouting
from apps.payments.tests import purses, truth
from apps.payments.tests.cards import saved_card, stripe_refuses
from apps.payments.tests.conftest import Merchant, finish_runs, make_merchant
from apps.payments.tests.killing import Axe, at_every_moment, survive
from apps.payments.tests.rows import sqlstate_of
from apps.payments.tests.test_crash import pay
from apps.payments.tests.threads import at_once
from apps.sagas import services as engine
from paysys.testing.paypal import PayPalSimulator
from paysys.testing.simulator import Simulator

CREATE = frozenset({Operation.CREATE})


def creates() -> list[str]:
    """Every call to make an object: at whom, and how it ended."""
    found = ProviderCall.objects.filter(call="create").order_by("id")
    return [f"{call.provider} {call.outcome} {call.code}".strip() for call in found]


def charges(simulator: Simulator, paypal: PayPalSimulator, payment_id: str) -> tuple[int, int]:
    """How often money was taken, at Stripe and at PayPal."""
    taken = paypal.effects(payment_id)["captures"]
    return simulator.charges_for(payment_id), taken


def assert_charged_once(
    merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator, payment_id: str, at: str
) -> Payment:
    payment = merchant.payment(payment_id)
    assert (payment.status, payment.provider) == ("CAPTURED", at)
    assert charges(simulator, paypal, payment_id) == ((1, 0) if at == "stripe" else (0, 1))
    assert truth.postings_in(merchant)["capture"] == 1
    assert len(truth.kinds_of(payment.id)) == payment.version
    truth.assert_nothing_is_left_over()
    return payment


class TestAProviderThatRefusesConnections:
    def test_loses_the_payment_to_the_next_who_has_a_token_in_the_same_answer(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator
    ) -> None:
        card = saved_card(merchant)
        with stripe_refuses(simulator):
            answer = merchant.pay(10_000, card)
            finish_runs()

        assert answer.status_code == 201
        shown = answer.json()
        assert (shown["status"], shown["provider"]) == ("AUTHORIZED", "paypal")
        payment = assert_charged_once(merchant, simulator, paypal, shown["id"], "paypal")
        assert creates() == ["stripe ABSENT not_sent", "paypal SUCCEEDED"]
        assert simulator.book() == []
        [step] = payment.route["fallbacks"]
        assert (step["from"], step["to"], step["why"]) == ("stripe", "paypal", "never_sent")
        trail = AuditEntry.objects.get(subject_id=payment.id, action="payment.rerouted")
        assert (trail.facts["from"], trail.facts["to"]) == ("stripe", "paypal")
        assert merchant.balance("provider:paypal:clearing") == Money("100.00", "USD")
        assert merchant.balance("provider:stripe:clearing") == Money("0.00", "USD")

    @pytest.mark.parametrize("at_paypal", [None, "detached meanwhile"])
    def test_keeps_it_where_nobody_else_has_a_token(
        self,
        merchant: Merchant,
        simulator: Simulator,
        paypal: PayPalSimulator,
        monkeypatch: pytest.MonkeyPatch,
        at_paypal: str | None,
    ) -> None:
        card = saved_card(merchant, at_paypal="payer_good" if at_paypal else "")
        with stripe_refuses(simulator) as stripe:
            if at_paypal:
                refused = stripe.unreached.send

                def detach_and_send(request: Any, **facts: Any) -> Any:
                    merchant.post(f"/v1/payment_methods/{card}/detach")
                    return refused(request, **facts)

                monkeypatch.setattr(stripe.unreached, "send", detach_and_send)
            payment_id = merchant.pay(10_000, card).json()["id"]
            truth.make_due(merchant.payment(payment_id))
            finish_runs()
            assert merchant.payment(payment_id).status == "VALIDATED"
        truth.finish_everything()

        assert_charged_once(merchant, simulator, paypal, payment_id, "stripe")
        assert paypal.book() == []

    def test_of_a_one_off_token_waits_for_it(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator
    ) -> None:
        with stripe_refuses(simulator):
            answer = merchant.pay()
            assert (answer.status_code, answer.json()["provider"]) == (202, "stripe")
        truth.finish_everything()

        assert_charged_once(merchant, simulator, paypal, answer.json()["id"], "stripe")

    def test_leaves_the_wallets_part_held_and_the_rest_to_the_next(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator
    ) -> None:
        purse, card = purses.wallet(merchant, 10_000), saved_card(merchant)
        with stripe_refuses(simulator):
            answer = merchant.pay(10_000, card, wallet=purse, wallet_amount=4_000)
        finish_runs()

        assert answer.json()["provider"] == "paypal"
        effects = paypal.effects(answer.json()["id"])
        assert effects["amount_captured"] == {"USD": "60.00"}
        assert purses.inside(merchant, purse) == (6_000, 0)
        truth.assert_nothing_is_left_over()

    def test_and_another_one_that_does_send_a_payment_to_and_fro_but_slowly(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        card = saved_card(merchant)
        simulator.fault("paypal_token", "unavailable", times=-1)
        with stripe_refuses(simulator):
            payment_id = merchant.pay(10_000, card).json()["id"]
            assert creates() == ["stripe ABSENT not_sent", "paypal ABSENT not_sent"]
            truth.make_due(merchant.payment(payment_id))
            finish_runs()
            assert creates()[2:] == ["paypal ABSENT not_sent"], "not back so soon"
            monkeypatch.setattr(rerouting, "NOT_BACK_WITHIN", timedelta(0))
            for _ in range(8):
                truth.make_due(merchant.payment(payment_id))
                finish_runs()
            assert len(merchant.payment(payment_id).route["fallbacks"]) == rerouting.LIMIT
        simulator.clear_faults()
        truth.finish_everything()

        payment = merchant.payment(payment_id)
        assert_charged_once(merchant, simulator, paypal, payment_id, payment.provider)

    def test_does_not_give_away_a_payment_that_the_merchant_gave_up(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        card = saved_card(merchant)
        with stripe_refuses(simulator) as stripe:
            refused = stripe.unreached.send

            def void_and_send(request: Any, **facts: Any) -> Any:
                payment_id = ids.encode("pay", request.payment_id)
                assert merchant.post(f"/v1/payments/{payment_id}/void").status_code == 202
                return refused(request, **facts)

            monkeypatch.setattr(stripe.unreached, "send", void_and_send)
            payment_id = merchant.pay(10_000, card).json()["id"]
            truth.finish_everything()

        assert merchant.payment(payment_id).status == "VOIDED"
        assert (simulator.book(), paypal.book()) == ([], [])
        truth.assert_nothing_is_left_over()


class TestWhatIsNoProof:
    @pytest.mark.parametrize(
        "kind",
        [
            *("timeout_before", "timeout_after", "reset_before", "reset_after"),
            *("error_before", "error_after", "unavailable", "rate_limit", "lock_timeout"),
        ],
    )
    @pytest.mark.parametrize("op", ["create", "confirm", "capture"])
    def test_never_sends_a_payment_to_another_provider(
        self,
        merchant: Merchant,
        simulator: Simulator,
        paypal: PayPalSimulator,
        op: str,
        kind: str,
    ) -> None:
        card = saved_card(merchant)
        simulator.fault(op, kind)
        payment_id = merchant.pay(10_000, card).json()["id"]
        truth.finish_everything()

        assert_charged_once(merchant, simulator, paypal, payment_id, "stripe")
        assert paypal.book() == []

    def test_is_a_refusal_to_look_at_the_request(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator
    ) -> None:
        """A 429 has left this machine, and the payment does not even try to leave."""
        simulator.fault("create", "rate_limit")
        payment_id = merchant.pay(10_000, saved_card(merchant)).json()["id"]
        truth.finish_everything()

        assert creates() == ["stripe ABSENT rate_limited", "stripe SUCCEEDED"]
        assert_charged_once(merchant, simulator, paypal, payment_id, "stripe")

    @pytest.mark.parametrize(
        "token",
        [
            *("pm_card_chargeDeclined", "pm_card_chargeDeclinedInsufficientFunds"),
            *("pm_card_chargeDeclinedLostCard", "pm_card_chargeDeclinedStolenCard"),
            *("pm_card_chargeDeclinedVelocityLimitExceeded", "pm_card_chargeDeclinedExpiredCard"),
            *("pm_card_chargeDeclinedIncorrectCvc", "pm_card_chargeDeclinedFraudulent"),
            *("pm_card_radarBlock", "pm_card_nobody_has"),
        ],
    )
    def test_is_a_refusal_that_is_not_the_providers_own(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator, token: str
    ) -> None:
        answer = merchant.pay(10_000, saved_card(merchant, token))
        truth.finish_everything()

        assert answer.status_code == 402
        payment_id = answer.json()["error"]["payment"]["id"]
        assert merchant.payment(payment_id).status == "FAILED"
        assert charges(simulator, paypal, payment_id) == (0, 0)
        assert paypal.book() == []

    @pytest.mark.parametrize("operations", [{"capture"}, {"confirm", "void"}])
    def test_is_a_refused_connection_once_there_is_an_object(
        self,
        merchant: Merchant,
        simulator: Simulator,
        paypal: PayPalSimulator,
        operations: set[str],
    ) -> None:
        """One that nobody can cancel either: see `test_leaving` for one that was canceled."""
        card = saved_card(merchant)
        with stripe_refuses(simulator, frozenset(map(Operation, operations))):
            payment_id = merchant.pay(10_000, card).json()["id"]
            truth.make_due(merchant.payment(payment_id))
            finish_runs()
        truth.finish_everything()

        assert_charged_once(merchant, simulator, paypal, payment_id, "stripe")
        assert paypal.book() == []

    @pytest.mark.parametrize("kind", ["error_before", "error_after"])
    def test_is_a_refused_connection_after_a_request_that_a_look_up_did_not_find(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator, kind: str
    ) -> None:
        """Its answer was lost and with it the name: there may be an object that nobody can find."""
        card = saved_card(merchant)
        simulator.fault("create", kind)
        payment_id = merchant.pay(10_000, card).json()["id"]
        with stripe_refuses(simulator):
            for _ in range(3):
                truth.make_due(merchant.payment(payment_id))
                finish_runs()
            assert creates() == [
                "stripe ABSENT",
                *["stripe ABSENT not_sent"] * (len(creates()) - 1),
            ]
            assert len(creates()) > 1
        truth.finish_everything()

        assert_charged_once(merchant, simulator, paypal, payment_id, "stripe")
        assert paypal.book() == []

    def test_is_a_refused_connection_to_who_comes_after_the_dead(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator
    ) -> None:
        """Whether the one who died had sent it, nobody can say."""
        saved_card(merchant)
        card = saved_card(merchant, "pm_card_mastercard")
        with stripe_refuses(simulator):
            axe = Axe()
            axe.pass_by = lambda where: axe.fall() if where == "before create" else None  # type: ignore[method-assign]
            survive(axe, lambda: pay(merchant, card))
            for _ in range(3):
                truth.pass_time()
                finish_runs()
            assert creates() == ["stripe UNKNOWN not_sent"]
        truth.finish_everything()

        payment = Payment.objects.get()
        assert_charged_once(merchant, simulator, paypal, truth.public_id(payment), "stripe")


class TestKilledAtAnyMoment:
    @pytest.mark.parametrize("is_back", [False, True])
    def test_a_payment_that_falls_back_is_charged_once(
        self, simulator: Simulator, paypal: PayPalSimulator, is_back: bool
    ) -> None:
        """Whoever comes after the dead finds Stripe refusing still, or back."""
        ended_at = set()

        def run(axe: Axe) -> None:
            merchant = make_merchant()
            card = saved_card(merchant)
            with stripe_refuses(simulator):
                survive(axe, lambda: pay(merchant, card))
                for _ in range(0 if is_back else 3):
                    truth.pass_time()
                    engine.sweep()
            truth.finish_everything()
            payment = Payment.objects.filter(book_id=merchant.book_id).first()
            if payment is not None:
                ended_at.add(payment.provider)
                public_id = truth.public_id(payment)
                assert_charged_once(merchant, simulator, paypal, public_id, payment.provider)

        assert at_every_moment(run) >= 10
        assert ended_at == {"stripe", "paypal"}

    def test_and_worked_on_by_many_at_once_it_is_charged_once(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator
    ) -> None:
        card = saved_card(merchant)
        with stripe_refuses(simulator, CREATE):
            payment_id = merchant.pay(10_000, card, capture_method="manual").json()["id"]
            others = [merchant.pay(10_000, card).json()["id"] for _ in range(3)]
            merchant.post(f"/v1/payments/{payment_id}/capture")
            at_once([engine.sweep for _ in range(4)])
        truth.finish_everything()

        for each in (payment_id, *others):
            assert charges(simulator, paypal, each) == (0, 1)
            assert merchant.payment(each).status == "CAPTURED"
        truth.assert_nothing_is_left_over()


INSERT = """
INSERT INTO gateways_provider_call (id, book_id, payment_id, subject_id, run_id, step, call,
    provider, op_key, request, outcome, code, message, result, provider_reference, answered,
    attempts, created_at)
SELECT gen_random_uuid(), book_id, payment_id, subject_id, run_id, step, call, %s,
    subject_id || ':AUTHORIZE.create:' || %s, request, 'PENDING', '', '', '{}', '', false, 0,
    created_at
FROM gateways_provider_call WHERE call = 'create' LIMIT 1
"""


class TestTheDatabase:
    @pytest.mark.parametrize(("provider", "state"), [("stripe", "23505"), ("paypal", "GW005")])
    def test_refuses_a_second_object_while_there_is_one(
        self, merchant: Merchant, simulator: Simulator, provider: str, state: str
    ) -> None:
        merchant.captured()

        assert sqlstate_of(INSERT, provider, 2) == state

    def test_refuses_another_provider_after_a_request_that_was_never_proved_unsent(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        simulator.fault("create", "error_after")
        merchant.pay()
        with stripe_refuses(simulator):
            truth.pass_time()
            finish_runs()
            assert creates()[0] == "stripe ABSENT"
            assert sqlstate_of(INSERT, "paypal", 9) == "GW005"
            assert truth.violations() == {}


def test_no_token_of_a_provider_that_is_not_offered_is_used(
    merchant: Merchant, settings: Any
) -> None:
    card = saved_card(merchant)
    settings.PAYPAL_CLIENT_ID = ""

    payment = merchant.payment(merchant.pay(10_000, card).json()["id"])

    assert payment.route["alternatives"] == []
