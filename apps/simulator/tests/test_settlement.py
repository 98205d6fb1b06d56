"""The provider's own ledger: lines with fees, payouts that take them, and disputes."""

import pytest

from apps.simulator.server.objects import fee_of


class TestBalanceTransactions:
    @pytest.mark.parametrize(
        ("amount", "fee"), [(1000, 40), (100, 27), (50, 26), (5716, 111), (10000, 175), (33, 25)]
    )
    def test_the_fee_is_a_hundred_and_fifty_basis_points_and_a_quarter(self, amount, fee):
        assert fee_of(amount) == fee

    def test_a_capture_is_a_line_with_its_fee(self, client, paid):
        intent = paid(amount=10_000)
        charge = client.v1.charges.retrieve(
            intent.latest_charge, {"expand": ["balance_transaction"]}
        )

        line = charge.balance_transaction
        assert (line.type, line.amount, line.fee, line.net) == ("charge", 10_000, 175, 9_825)
        assert (line.source, line.currency, line.status) == (charge.id, "eur", "pending")
        assert line.available_on == line.created + 2 * 86_400

    def test_a_refund_takes_the_amount_and_keeps_the_fee(self, client, paid):
        made = client.v1.refunds.create({"payment_intent": paid().id})

        line = client.v1.balance_transactions.retrieve(made.balance_transaction)
        assert (line.type, line.amount, line.fee, line.net) == ("refund", -1000, 0, -1000)

    def test_an_authorization_is_no_line(self, client, make):
        make()

        assert client.v1.balance_transactions.list().data == []

    def test_becomes_available_by_time_alone(self, client, paid, simulator):
        paid()
        line = client.v1.balance_transactions.list().data[0]

        simulator.advance_clock(2 * 86_400 + 1)

        assert client.v1.balance_transactions.retrieve(line.id).status == "available"
        assert client.v1.balance.retrieve().available[0].amount == 960

    def test_lists_by_type_source_and_currency(self, client, paid):
        intent = paid()
        paid(currency="usd")
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 1})

        def found(**params):
            return [line.type for line in client.v1.balance_transactions.list(params)]

        assert found(type="refund") == ["refund"]
        assert found(source=intent.latest_charge) == ["charge"]
        assert found(currency="usd") == ["charge"]


class TestPayouts:
    def test_takes_every_available_line_once(self, client, paid, simulator):
        paid(amount=10_000)
        paid(amount=5_000)
        simulator.advance_clock(2 * 86_400 + 1)
        late = paid(amount=2_000)

        made = simulator.pay_out(everything=False)

        assert [(p["amount"], p["currency"]) for p in made] == [(9_825 + 4_900, "eur")]
        lines = client.v1.balance_transactions.list({"payout": made[0]["id"]}).data
        assert sorted(line.type for line in lines) == ["charge", "charge", "payout"]
        assert sum(line.net for line in lines) == 0
        assert late.latest_charge not in {line.source for line in lines}
        assert simulator.pay_out(everything=False) == []

    def test_one_for_each_currency(self, paid, simulator):
        paid()
        paid(currency="usd")

        assert [p["currency"] for p in simulator.pay_out()] == ["eur", "usd"]

    def test_refunds_and_failures_are_netted(self, client, paid, simulator):
        paid(amount=10_000)
        failing = paid("pm_card_refundFail")
        client.v1.refunds.create({"payment_intent": failing.id})
        simulator.settle()

        made = simulator.pay_out()

        lines = client.v1.balance_transactions.list({"payout": made[0]["id"]}).data
        assert sorted(line.type for line in lines) == [
            "charge", "charge", "payout", "refund", "refund_failure",
        ]  # fmt: skip
        assert made[0]["amount"] == 9_825 + 960

    def test_arrives_later_and_says_so(self, client, paid, simulator):
        paid()
        made = simulator.pay_out()[0]
        assert client.v1.payouts.retrieve(made["id"]).status == "in_transit"

        simulator.settle()

        assert client.v1.payouts.list({"status": "paid"}).data[0].id == made["id"]
        kinds = [event["type"] for event in simulator.events(object_id=made["id"])]
        assert kinds == ["payout.created", "payout.paid", "payout.reconciliation_completed"]

    def test_nothing_is_paid_out_of_a_negative_balance(self, client, paid, simulator):
        intent = paid()
        simulator.pay_out()
        client.v1.refunds.create({"payment_intent": intent.id})

        assert simulator.pay_out() == []


class TestDisputes:
    def test_a_card_disputes_what_it_paid(self, client, paid, simulator):
        intent = paid("pm_card_createDispute")

        dispute = client.v1.disputes.list({"payment_intent": intent.id}).data[0]

        assert (dispute.amount, dispute.reason) == (1000, "fraudulent")
        assert (dispute.status, dispute.charge) == ("needs_response", intent.latest_charge)
        assert client.v1.charges.retrieve(intent.latest_charge).disputed
        line = dispute.balance_transactions[0]
        assert (line.amount, line.fee, line.net) == (-1000, 1500, -2500)
        assert len(simulator.events("charge.dispute.created")) == 1

    def test_an_authorization_is_not_disputed(self, client, make):
        make("pm_card_createDispute")

        assert client.v1.disputes.list().data == []

    def test_any_charge_can_be_disputed_on_demand(self, client, paid, simulator):
        intent = paid()

        made = simulator.dispute(intent.latest_charge, "product_not_received")

        assert client.v1.disputes.retrieve(made["id"]).reason == "product_not_received"
