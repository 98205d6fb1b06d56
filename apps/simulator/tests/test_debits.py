"""Bank debits: agreed with a mandate, answered by the bank in days, returned for good."""

import pytest
import stripe

US, SEPA = "pm_usBankAccount_", "pm_sepaDebit_"
MANDATE = {"mandate_data": {"customer_acceptance": {"type": "offline"}}}


@pytest.fixture
def debit(client):
    def make(name="success", *, kind=US, currency="usd", options=MANDATE, **params):
        given = {
            "amount": 1000, "currency": currency, "capture_method": "automatic",
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "metadata": {"paysys_payment": "pay_1"}, "payment_method": kind + name,
        } | params  # fmt: skip
        intent = client.v1.payment_intents.create(given)
        return client.v1.payment_intents.confirm(
            intent.id, {**options, "expand": ["latest_charge"]}
        )

    return make


class TestADebit:
    @pytest.mark.parametrize(
        ("kind", "type_", "currency"),
        [(US, "us_bank_account", "usd"), (SEPA, "sepa_debit", "eur")],
    )
    def test_is_with_the_bank_until_it_has_paid(
        self, client, debit, simulator, kind, type_, currency
    ):
        intent = debit(kind=kind, currency=currency)

        details = intent.latest_charge.payment_method_details
        assert (intent.status, intent.latest_charge.status) == ("processing", "pending")
        assert details.type == type_
        assert details[type_].mandate.startswith("mandate_")
        assert (intent.amount_received, simulator.charges_for("pay_1")) == (0, 0)
        simulator.settle()
        paid = client.v1.payment_intents.retrieve(intent.id)
        assert (paid.status, paid.amount_received) == ("succeeded", 1000)
        assert simulator.charges_for("pay_1") == 1
        told = [event["type"] for event in simulator.events(object_id=intent.id)]
        assert told[-2:] == ["payment_intent.processing", "payment_intent.succeeded"]

    @pytest.mark.parametrize(
        ("name", "code"),
        [
            ("accountClosed", "account_closed"),
            ("noAccount", "no_account"),
            ("insufficientFunds", "insufficient_funds"),
            ("debitNotAuthorized", "debit_not_authorized"),
        ],
    )
    def test_that_the_bank_refuses_wants_another_account(
        self, client, debit, simulator, name, code
    ):
        intent = debit(name)
        simulator.settle()

        found = client.v1.payment_intents.retrieve(intent.id)
        assert (found.status, found.last_payment_error.code) == ("requires_payment_method", code)
        assert simulator.charges_for("pay_1") == 0
        assert client.v1.payment_intents.cancel(intent.id).status == "canceled"

    def test_that_is_returned_is_a_lost_dispute_at_once(self, client, debit, simulator):
        debit("dispute")
        simulator.settle()

        [dispute] = client.v1.disputes.list().data
        assert (dispute.status, hasattr(dispute, "payment_method_details")) == ("lost", False)

    def test_that_is_canceled_in_time_takes_nothing(self, client, debit, simulator):
        intent = debit()
        client.v1.payment_intents.cancel(intent.id)
        simulator.settle()

        assert client.v1.payment_intents.retrieve(intent.id).status == "canceled"
        assert simulator.charges_for("pay_1") == 0


class TestWhatNoBankDebits:
    @pytest.mark.parametrize(
        ("facts", "param"),
        [
            ({"options": {}}, "mandate_data"),
            ({"currency": "eur"}, "currency"),
            ({"capture_method": "manual"}, "capture_method"),
        ],
    )
    def test_is_refused(self, debit, simulator, facts, param):
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            debit(**facts)

        assert refusal.value.param == param
        assert simulator.charges_for("pay_1") == 0
