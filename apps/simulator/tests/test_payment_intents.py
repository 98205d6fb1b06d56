"""Payment intents, driven with Stripe's own client."""

import pytest
import stripe

CARD_ONLY = {"allowed_payment_method_types": ["card"]}


def create(client, **params):
    given = {"amount": 1000, "currency": "eur", "capture_method": "manual"} | CARD_ONLY | params
    return client.v1.payment_intents.create(given)


def authorize(client, card="pm_card_visa", **params):
    intent = create(client, **params)
    return client.v1.payment_intents.confirm(intent.id, {"payment_method": card})


class TestCreate:
    def test_moves_no_money_and_waits_for_a_payment_method(self, client, simulator):
        intent = create(client, metadata={"paysys_payment": "pay_1"})

        assert intent.status == "requires_payment_method"
        assert simulator.charges_for("pay_1") == 0
        assert intent.metadata.to_dict() == {"paysys_payment": "pay_1"}

    def test_with_a_card_waits_for_its_confirmation(self, client):
        intent = create(client, payment_method="pm_card_visa")

        assert intent.status == "requires_confirmation"
        assert intent.payment_method.startswith("pm_")

    def test_confirmed_at_once_is_one_call(self, client, simulator):
        intent = create(
            client, capture_method="automatic", confirm=True, payment_method="pm_card_visa",
            metadata={"paysys_payment": "pay_1"},
        )  # fmt: skip

        assert (intent.status, intent.amount_received) == ("succeeded", 1000)
        assert simulator.charges_for("pay_1") == 1

    @pytest.mark.parametrize(
        ("amount", "code"),
        [(49, "amount_too_small"), (0, "parameter_invalid_integer"), (10**9, "amount_too_large")],
    )
    def test_refuses_an_amount_outside_the_limits(self, client, simulator, amount, code):
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            create(client, amount=amount)

        assert (refusal.value.http_status, refusal.value.code) == (400, code)
        assert simulator.book() == []


class TestConfirm:
    def test_manual_capture_only_authorizes(self, client, simulator):
        intent = authorize(client)

        assert (intent.status, intent.amount_capturable) == ("requires_capture", 1000)
        assert intent.amount_received == 0
        charge = client.v1.charges.retrieve(intent.latest_charge)
        assert not charge.captured
        assert charge.balance_transaction is None
        assert charge.payment_method_details.card.capture_before == charge.created + 7 * 86_400

    def test_without_a_payment_method_is_refused(self, client):
        intent = create(client)

        with pytest.raises(stripe.InvalidRequestError) as refusal:
            client.v1.payment_intents.confirm(intent.id)

        assert refusal.value.code == "payment_intent_unexpected_state"

    def test_a_second_time_makes_no_second_charge(self, client, simulator):
        intent = authorize(client, metadata={"paysys_payment": "pay_1"})

        with pytest.raises(stripe.InvalidRequestError) as refusal:
            client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})

        assert refusal.value.code == "payment_intent_unexpected_state"
        assert simulator.charges_for("pay_1") == 1

    def test_wants_a_way_back_when_methods_that_redirect_are_allowed(self, client):
        intent = client.v1.payment_intents.create({"amount": 1000, "currency": "eur"})

        with pytest.raises(stripe.InvalidRequestError, match="return_url"):
            client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})

    def test_an_unknown_intent_is_404(self, client):
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            client.v1.payment_intents.confirm("pi_none", {"payment_method": "pm_card_visa"})

        assert (refusal.value.http_status, refusal.value.code) == (404, "resource_missing")


class TestCapture:
    def test_takes_all_by_default(self, client):
        intent = client.v1.payment_intents.capture(authorize(client).id)

        assert (intent.status, intent.amount_received) == ("succeeded", 1000)
        assert intent.amount_capturable == 0

    def test_takes_a_part_and_lets_the_rest_go(self, client, simulator):
        intent = client.v1.payment_intents.capture(
            authorize(client).id, {"amount_to_capture": 700, "expand": ["latest_charge"]}
        )

        assert intent.amount_received == 700
        assert intent.latest_charge.amount_captured == 700
        # What is let go shows as refunded on the charge, and no refund exists.
        assert intent.latest_charge.amount_refunded == 300
        assert not intent.latest_charge.refunded
        assert client.v1.refunds.list({"payment_intent": intent.id}).data == []
        assert simulator.book()[0]["amount_refunded"] == 0

    def test_never_more_than_was_authorized(self, client):
        intent = authorize(client)

        with pytest.raises(stripe.InvalidRequestError) as refusal:
            client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 1001})

        assert refusal.value.code == "amount_too_large"
        assert client.v1.payment_intents.retrieve(intent.id).status == "requires_capture"

    def test_never_twice(self, client, simulator):
        intent = authorize(client, metadata={"paysys_payment": "pay_1"})
        client.v1.payment_intents.capture(intent.id)

        with pytest.raises(stripe.InvalidRequestError) as refusal:
            client.v1.payment_intents.capture(intent.id)

        assert refusal.value.code == "payment_intent_unexpected_state"
        assert refusal.value.error.payment_intent.status == "succeeded"
        assert simulator.effects("pay_1")["captures"] == 1

    def test_never_after_the_authorization_expired(self, client, simulator):
        intent = authorize(client, metadata={"paysys_payment": "pay_1"})
        simulator.advance_clock(7 * 86_400 + 1)

        with pytest.raises(stripe.InvalidRequestError):
            client.v1.payment_intents.capture(intent.id)

        found = client.v1.payment_intents.retrieve(intent.id)
        assert (found.status, found.cancellation_reason) == ("canceled", "automatic")
        assert simulator.effects("pay_1")["captures"] == 0


class TestCancel:
    def test_an_authorization_is_released_and_nothing_is_taken(self, client, simulator):
        intent = authorize(client)

        canceled = client.v1.payment_intents.cancel(intent.id)

        assert (canceled.status, canceled.amount_received) == ("canceled", 0)
        assert canceled.canceled_at is not None
        assert client.v1.balance_transactions.list().data == []

    def test_a_captured_payment_cannot_be_canceled(self, client):
        intent = client.v1.payment_intents.capture(authorize(client).id)

        with pytest.raises(stripe.InvalidRequestError) as refusal:
            client.v1.payment_intents.cancel(intent.id)

        assert refusal.value.code == "payment_intent_unexpected_state"
        assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"

    def test_expiry_on_demand_says_automatic(self, client, simulator):
        intent = authorize(client)

        simulator.expire(intent.id)

        found = client.v1.payment_intents.retrieve(intent.id)
        assert (found.status, found.cancellation_reason) == ("canceled", "automatic")


class TestLists:
    def test_newest_first_in_pages(self, client):
        made = [create(client).id for _ in range(5)]

        first = client.v1.payment_intents.list({"limit": 2})
        second = client.v1.payment_intents.list({"limit": 2, "starting_after": first.data[-1].id})

        assert [entry.id for entry in first.data + second.data] == list(reversed(made))[:4]
        assert first.has_more
        everything = client.v1.payment_intents.list({"limit": 2}).auto_paging_iter()
        assert [entry.id for entry in everything] == list(reversed(made))

    def test_created_in_a_range(self, client, simulator):
        early = create(client)
        simulator.advance_clock(3600)
        late = create(client)

        found = client.v1.payment_intents.list({"created": {"gte": early.created + 1800}})

        assert [entry.id for entry in found.data] == [late.id]

    def test_metadata_can_be_changed_and_removed(self, client):
        intent = authorize(client, metadata={"a": "1", "b": "2"})

        changed = client.v1.payment_intents.update(intent.id, {"metadata": {"a": "", "c": "3"}})

        assert changed.metadata.to_dict() == {"b": "2", "c": "3"}
