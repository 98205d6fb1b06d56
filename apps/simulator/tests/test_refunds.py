"""Refunds: at once, pending, failing later; and never more than was taken."""

import pytest
import stripe


def refund(client, intent, **params):
    return client.v1.refunds.create({"payment_intent": intent.id} | params)


class TestRefund:
    def test_gives_back_all_by_default(self, client, paid):
        intent = paid()

        made = refund(client, intent)

        assert (made.status, made.amount, made.charge) == ("succeeded", 1000, intent.latest_charge)
        charge = client.v1.charges.retrieve(intent.latest_charge)
        assert (charge.refunded, charge.amount_refunded) == (True, 1000)

    def test_in_parts_up_to_what_was_captured(self, client, paid, simulator):
        intent = paid(metadata={"paysys_payment": "pay_1"})
        refund(client, intent, amount=300)
        refund(client, intent, amount=700)

        with pytest.raises(stripe.InvalidRequestError) as refusal:
            refund(client, intent, amount=1)

        assert refusal.value.code == "charge_already_refunded"
        effects = simulator.effects("pay_1")
        assert (effects["refunds"], effects["amount_refunded"]) == (2, 1000)

    def test_more_than_is_left_is_refused(self, client, paid):
        intent = paid()
        refund(client, intent, amount=300)

        with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount"):
            refund(client, intent, amount=701)

        assert len(client.v1.refunds.list({"payment_intent": intent.id}).data) == 1

    def test_only_what_a_partial_capture_took(self, client, make):
        intent = client.v1.payment_intents.capture(make().id, {"amount_to_capture": 400})

        with pytest.raises(stripe.InvalidRequestError):
            refund(client, intent, amount=401)

        assert refund(client, intent).amount == 400

    def test_an_authorization_cannot_be_refunded(self, client, make):
        intent = make()

        with pytest.raises(stripe.InvalidRequestError):
            refund(client, intent)

        assert client.v1.payment_intents.retrieve(intent.id).status == "requires_capture"

    def test_a_disputed_charge_cannot_be_refunded(self, client, paid):
        intent = paid("pm_card_createDispute")

        with pytest.raises(stripe.InvalidRequestError) as refusal:
            refund(client, intent)

        assert refusal.value.code == "charge_disputed"

    def test_is_found_by_id_by_intent_and_by_charge(self, client, paid):
        intent, other = paid(), paid()
        made = refund(client, intent, metadata={"op_key": "r1"})
        refund(client, other)

        by_intent = client.v1.refunds.list({"payment_intent": intent.id}).data
        by_charge = client.v1.refunds.list({"charge": intent.latest_charge}).data

        assert [entry.id for entry in by_intent] == [made.id]
        assert [entry.id for entry in by_charge] == [made.id]
        assert client.v1.refunds.retrieve(made.id).metadata["op_key"] == "r1"

    def test_an_unknown_reason_is_refused(self, client, paid):
        with pytest.raises(stripe.InvalidRequestError, match="must be one of"):
            refund(client, paid(), reason="bored")


class TestLateOutcomes:
    def test_a_pending_refund_succeeds_later(self, client, paid, simulator):
        made = refund(client, paid("pm_card_pendingRefund"))
        assert (made.status, made.balance_transaction) == ("pending", None)

        simulator.settle()

        found = client.v1.refunds.retrieve(made.id)
        assert found.status == "succeeded"
        assert found.balance_transaction.startswith("txn_")
        assert len(simulator.events("refund.updated", object_id=made.id)) == 1

    def test_a_refund_that_fails_returns_to_the_balance(self, client, paid, simulator):
        intent = paid("pm_card_refundFail")
        made = refund(client, intent)
        assert made.status == "succeeded"

        simulator.settle()

        found = client.v1.refunds.retrieve(made.id)
        assert (found.status, found.failure_reason) == ("failed", "expired_or_canceled_card")
        line = client.v1.balance_transactions.retrieve(found.failure_balance_transaction)
        assert (line.type, line.amount, line.source) == ("refund_failure", 1000, made.id)
        kinds = {event["type"] for event in simulator.events(object_id=made.id)}
        assert kinds >= {"refund.created", "refund.failed", "charge.refund.updated"}
        charge = client.v1.charges.retrieve(intent.latest_charge)
        assert (charge.refunded, charge.amount_refunded) == (False, 0)

    def test_a_pending_refund_that_fails_never_touched_the_balance(self, client, paid, simulator):
        made = refund(client, paid("pm_card_pendingRefund"))

        simulator.fail_refund(made.id)

        assert client.v1.refunds.retrieve(made.id).status == "failed"
        kinds = [line.type for line in client.v1.balance_transactions.list()]
        assert kinds == ["charge"]

    def test_after_a_failure_the_amount_can_be_refunded_again(self, client, paid, simulator):
        intent = paid("pm_card_refundFail")
        refund(client, intent)
        simulator.settle()

        assert refund(client, intent).amount == 1000
