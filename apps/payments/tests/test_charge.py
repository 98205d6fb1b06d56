"""Charging: what is taken, what it costs, and what becomes of a card that says no."""

from __future__ import annotations

import pytest

from apps.core import ids
from apps.core.money import Money, from_minor
from apps.gateways import types as gateways
from apps.merchants import selectors as merchants
from apps.payments.models import Payment
from apps.payments.sagas import refusals
from apps.payments.tests import truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.rows import behind_triggers, execute
from apps.payments.types import advice
from apps.wallets.models import PaymentMethod
from paysys.testing.simulator import Simulator

DECLINES = {
    "pm_card_visa_chargeDeclined": "card_declined",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_card_visa_chargeDeclinedLostCard": "lost_card",
    "pm_card_visa_chargeDeclinedStolenCard": "stolen_card",
    "pm_card_visa_chargeDeclinedVelocityLimitExceeded": "limit_exceeded",
    "pm_card_chargeDeclinedExpiredCard": "expired_card",
    "pm_card_chargeDeclinedIncorrectCvc": "incorrect_cvc",
    "pm_card_chargeDeclinedProcessingError": "processing_error",
    "pm_card_chargeDeclinedFraudulent": "fraudulent",
    "pm_card_chargeCustomerFail": "card_declined",
    "pm_card_radarBlock": "fraudulent",
}
CHARGED = [
    "payment.created",
    "payment.authorized",
    "payment.captured",
    "payment.succeeded",
]


class TestAPaymentThatIsTakenAtOnce:
    def test_ends_captured_with_one_charge_one_posting_of_each_kind_and_every_event(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000)

        payment = truth.assert_told_once(merchant, simulator, payment_id)
        assert payment.status == "CAPTURED"
        assert truth.kinds_of(payment.id) == CHARGED
        assert truth.postings_in(merchant) == {"capture": 1, "credit": 1}
        assert merchant.charge_run(payment_id).status == "COMPLETED"

    def test_shows_its_saga_and_what_was_booked(self, merchant: Merchant) -> None:
        payment_id = merchant.captured(10_000)
        merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 1_000})

        shown = merchant.get(f"/v1/payments/{payment_id}?expand=refunds,saga,ledger").json()

        assert [refund["amount"] for refund in shown["refunds"]] == [1_000]
        run = merchant.charge_run(payment_id)
        assert shown["saga"] == {
            "saga_id": ids.encode("saga", run.id),
            "payment_id": payment_id,
            "current_step": "",
            "completed_steps": [
                *("RESERVE", "FRAUD_CHECK", "AUTHORIZE", "CAPTURE"),
                *("CREDIT_MERCHANT", "CONFIRM"),
            ],
            "status": "COMPLETED",
        }
        assert [posting["kind"] for posting in shown["ledger"]] == [
            *("capture", "credit", "refund_reserve", "refund"),
        ]
        for posting in shown["ledger"]:
            sides = {"DEBIT": 0, "CREDIT": 0}
            for line in posting["lines"]:
                sides[line["side"]] += line["amount"]
            assert sides["DEBIT"] == sides["CREDIT"]

    @pytest.mark.parametrize(
        ("currency", "amount", "fee"),
        [("JPY", 10_007, 300), ("KWD", 12_340, 370), ("ISK", 5_000, 150), ("EUR", 99, 3)],
    )
    def test_is_counted_in_its_currencys_own_minor_unit(
        self, merchant: Merchant, simulator: Simulator, currency: str, amount: int, fee: int
    ) -> None:
        answer = merchant.pay(amount, currency=currency)
        assert answer.status_code == 201, answer.content
        finish_runs()

        shown = merchant.get(f"/v1/payments/{answer.json()['id']}").json()
        assert [shown[name] for name in ("amount_captured", "fee", "net")] == [
            *(amount, fee, amount - fee)
        ]
        net = from_minor(amount - fee, currency)
        assert merchant.balance("merchant:pending", currency) == net
        assert truth.violations() == {}

    @pytest.mark.parametrize(
        ("amount", "currency", "code"),
        [(12_345, "KWD", "amount_not_expressible"), (49, "USD", "amount_too_small")],
    )
    def test_of_an_amount_that_the_provider_does_not_charge_is_refused_before_anybody_is_asked(
        self, merchant: Merchant, simulator: Simulator, amount: int, currency: str, code: str
    ) -> None:
        before = truth.counts()

        answer = merchant.pay(amount, currency=currency)

        assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)
        assert simulator.book() == []
        assert truth.counts() == before


class TestAdvice:
    def test_is_given_for_every_reason_of_our_own(self) -> None:
        ours = {
            found.code
            for found in vars(refusals).values()
            if isinstance(found, type) and found.__module__ == refusals.__name__
        } - {refusals.Voided.code}

        assert {code: advice(code) for code in sorted(ours)} == {
            "authentication_timed_out": (gateways.Action.AUTHENTICATE, True),
            "authorization_expired": (gateways.Action.PAY_AGAIN, False),
            "authorization_voided": (gateways.Action.PAY_AGAIN, False),
            "payment_rejected": (gateways.Action.OTHER_METHOD, False),
            "provider_unavailable": (gateways.Action.LATER, True),
            "transfer_not_received": (gateways.Action.PAY_AGAIN, True),
        }

    def test_of_what_nobody_has_foreseen_is_to_ask_us(self) -> None:
        assert advice("new_in_2027") == (gateways.Action.CONTACT_US, False)

    def test_of_a_thief_is_to_pay_otherwise_and_never_again(self) -> None:
        for code in ("lost_card", "stolen_card", "pickup_card", "fraudulent"):
            assert advice(code) == (gateways.Action.OTHER_METHOD, False)


class TestADeclinedCard:
    @pytest.mark.parametrize(("card", "code"), DECLINES.items())
    def test_fails_the_payment_with_its_code_and_leaves_nothing_behind(
        self, merchant: Merchant, simulator: Simulator, card: str, code: str
    ) -> None:
        answer = merchant.pay(source=card)

        assert answer.status_code == 402, answer.content
        error = answer.json()["error"]
        assert (error["type"], error["code"], error["decline_code"]) == (
            *("card_error", "card_declined"),
            code,
        )
        assert error["payment"]["status"] == "FAILED"
        assert error["payment"]["failure"] == {
            "code": code,
            "decline_code": code,
            "message": gateways.DECLINES[code].message,
            "retryable": gateways.DECLINES[code].retryable,
            "suggested_action": gateways.DECLINES[code].action,
        }
        assert error["message"] == gateways.DECLINES[code].message
        payment_id = error["payment"]["id"]
        truth.assert_told_once(merchant, simulator, payment_id)
        assert simulator.effects(payment_id)["canceled"] == 1
        assert merchant.charge_run(payment_id).status == "COMPENSATED"

    def test_says_so_again_and_charges_nobody_when_the_request_is_repeated(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        body = {"amount": 500, "currency": "USD", "source": "pm_card_visa_chargeDeclined"}
        first = merchant.post("/v1/payments", body, key="once")

        again = merchant.post("/v1/payments", body, key="once")

        assert (again.status_code, again.content) == (402, first.content)
        assert again["Idempotent-Replayed"] == "true"
        assert len(simulator.book()) == 1

    def test_that_nobody_knows_is_declined_and_not_an_error_of_ours(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        answer = merchant.pay(source="pm_card_nobody_has")

        assert answer.status_code == 402, answer.content
        assert answer.json()["error"]["decline_code"] == "token_invalid"
        assert simulator.book() == []


class TestTheFee:
    def test_is_never_more_than_the_payment(self, merchant: Merchant) -> None:
        merchant.set_plan(fixed="0.90")

        payment_id = merchant.captured(60)

        shown = merchant.get(f"/v1/payments/{payment_id}").json()
        assert (shown["fee"], shown["net"]) == (60, 0)
        assert merchant.balance("merchant:pending") == Money("0.00", "USD")
        assert truth.violations() == {}

    def test_of_nothing_books_no_line_for_it(self, merchant: Merchant) -> None:
        merchant.set_plan(basis_points=0)

        payment_id = merchant.captured(1_000)

        assert merchant.get(f"/v1/payments/{payment_id}").json()["fee"] == 0
        assert merchant.balance("merchant:pending") == Money("10.00", "USD")

    def test_is_that_of_the_plan_at_the_time_whatever_comes_later(self, merchant: Merchant) -> None:
        answer = merchant.pay(10_000, capture_method="manual").json()
        merchant.set_plan(fixed="5.00", basis_points=5_000)

        captured = merchant.post(f"/v1/payments/{answer['id']}/capture").json()

        assert captured["fee"] == 300

    def test_that_nobody_has_agreed_refuses_the_payment_before_anything_is_written(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        with behind_triggers():
            execute("DELETE FROM merchants_fee_plan")
        merchants.plans.forget_all()
        before = truth.counts()

        answer = merchant.pay()

        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "no_fee_plan"
        assert truth.counts() == before
        assert simulator.book() == []


class TestASavedCard:
    def save(self, merchant: Merchant, token: str = "pm_card_mastercard") -> str:
        answer = merchant.post("/v1/payment_methods", {"provider_token": token})
        assert answer.status_code == 201, answer.content
        return str(answer.json()["id"])

    def test_pays_and_learns_what_it_is(self, merchant: Merchant, simulator: Simulator) -> None:
        card = self.save(merchant)
        before = merchant.get(f"/v1/payment_methods/{card}").json()

        answer = merchant.pay(source=card)

        assert answer.status_code == 201, answer.content
        assert answer.json()["source"] == card
        after = merchant.get(f"/v1/payment_methods/{card}").json()
        assert (before["brand"], before["last4"]) == (None, None)
        assert (after["brand"], after["last4"]) == ("mastercard", "4444")
        finish_runs()
        truth.assert_told_once(merchant, simulator, answer.json()["id"])

    def test_of_an_erased_customer_is_refused_before_anything_is_written(
        self, merchant: Merchant
    ) -> None:
        card = self.save(merchant)
        execute("DELETE FROM wallets_payment_method_token")
        before = truth.counts()

        answer = merchant.pay(source=card)

        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "payment_method_unusable"
        assert truth.counts() == before

    def test_of_another_merchant_does_not_exist(
        self, merchant: Merchant, other_merchant: Merchant, simulator: Simulator
    ) -> None:
        card = self.save(other_merchant)
        before = truth.counts()

        answer = merchant.pay(source=card)

        assert answer.status_code == 404
        assert answer.json()["error"]["param"] == "source"
        assert truth.counts() == before
        assert PaymentMethod.objects.count() == 1
        assert simulator.book() == []


class TestADestination:
    def test_may_be_the_merchant_itself(self, merchant: Merchant) -> None:
        assert merchant.pay(destination=merchant.public_id).status_code == 201

    @pytest.mark.parametrize("kind", ["other", "wallet_01jzzzzzzzzzzzzzzzzzzzzzzz", "nonsense"])
    def test_is_nobody_elses(self, merchant: Merchant, other_merchant: Merchant, kind: str) -> None:
        before = truth.counts()

        answer = merchant.pay(destination=other_merchant.public_id if kind == "other" else kind)

        assert answer.status_code == 404
        assert answer.json()["error"]["param"] == "destination"
        assert truth.counts() == before


class TestAReference:
    def test_belongs_to_one_payment_for_ever(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        first = merchant.pay(reference="order-7").json()
        finish_runs()
        before = Payment.objects.count()

        second = merchant.pay(reference="order-7", amount=500)

        assert second.status_code == 409, second.content
        error = second.json()["error"]
        assert (error["code"], error["param"]) == ("reference_taken", "reference")
        assert error["payment"] == first["id"]
        assert Payment.objects.count() == before
        assert len(simulator.book()) == 1

    def test_of_another_merchant_is_free(
        self, merchant: Merchant, other_merchant: Merchant
    ) -> None:
        assert merchant.pay(reference="order-7").status_code == 201
        assert other_merchant.pay(reference="order-7").status_code == 201
