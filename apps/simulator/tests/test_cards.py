"""Test cards by the names Stripe's documentation gives them."""

import pytest
import stripe

BACK = "https://shop.example/back?order=7"


class TestDeclines:
    @pytest.mark.parametrize(
        ("card", "code", "decline_code"),
        [
            ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
            ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
            (
                "pm_card_visa_chargeDeclinedInsufficientFunds",
                "card_declined",
                "insufficient_funds",
            ),
            ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
            ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
            ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
            ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
            ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
            ("pm_card_chargeDeclinedFraudulent", "card_declined", "fraudulent"),
        ],
    )
    def test_a_decline_says_why_and_takes_nothing(
        self, client, make, simulator, card, code, decline_code
    ):
        intent = make(confirm=False, metadata={"paysys_payment": "pay_1"})

        with pytest.raises(stripe.CardError) as decline:
            client.v1.payment_intents.confirm(intent.id, {"payment_method": card})

        error = decline.value.error
        assert decline.value.http_status == 402
        assert (error.type, error.code, error.decline_code) == ("card_error", code, decline_code)
        assert error.payment_intent.id == intent.id
        assert error.charge.startswith("ch_")
        found = client.v1.payment_intents.retrieve(intent.id)
        assert found.status == "requires_payment_method"
        assert found.last_payment_error.decline_code == decline_code
        assert found.payment_method is None
        effects = simulator.effects("pay_1")
        assert (effects["charges"], effects["failed_charges"]) == (0, 1)
        assert client.v1.balance_transactions.list().data == []

    def test_another_card_can_pay_after_a_decline(self, client, make, simulator):
        intent = make(confirm=False, metadata={"paysys_payment": "pay_1"})
        with pytest.raises(stripe.CardError):
            client.v1.payment_intents.confirm(
                intent.id, {"payment_method": "pm_card_visa_chargeDeclined"}
            )

        found = client.v1.payment_intents.confirm(
            intent.id, {"payment_method": "pm_card_mastercard"}
        )

        assert (found.status, found.last_payment_error) == ("requires_capture", None)
        assert simulator.charges_for("pay_1") == 1

    def test_a_decline_publishes_that_the_payment_failed(self, make, simulator):
        with pytest.raises(stripe.CardError):
            make("pm_card_visa_chargeDeclined")

        kinds = [event["type"] for event in simulator.events()]
        assert kinds[-2:] == ["charge.failed", "payment_intent.payment_failed"]

    def test_an_unknown_card_is_refused_before_anything_happens(self, make, simulator):
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            make("pm_card_made_up")

        assert (refusal.value.code, refusal.value.param) == ("resource_missing", "payment_method")
        assert simulator.book()[0]["charge"] is None


class TestThreeDSecure:
    @pytest.mark.parametrize(
        "card", ["pm_card_authenticationRequired", "pm_card_threeDSecure2Required"]
    )
    def test_waits_for_the_customer_who_passes(self, client, make, simulator, card):
        intent = make(card, options={"return_url": BACK}, metadata={"paysys_payment": "pay_1"})

        assert intent.status == "requires_action"
        assert intent.next_action.type == "redirect_to_url"
        assert intent.next_action.redirect_to_url.return_url == BACK
        assert simulator.charges_for("pay_1") == 0

        simulator.pass_3ds(intent.id)

        found = client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})
        assert (found.status, found.next_action) == ("requires_capture", None)
        details = found.latest_charge.payment_method_details.card
        assert details.three_d_secure.result == "authenticated"
        assert simulator.charges_for("pay_1") == 1

    def test_a_failed_challenge_asks_for_another_card(self, client, make, simulator):
        intent = make("pm_card_threeDSecure2Required", metadata={"paysys_payment": "pay_1"})

        simulator.fail_3ds(intent.id)

        found = client.v1.payment_intents.retrieve(intent.id)
        assert found.status == "requires_payment_method"
        assert found.last_payment_error.code == "payment_intent_authentication_failure"
        assert simulator.charges_for("pay_1") == 0
        assert simulator.events("payment_intent.payment_failed")

    def test_the_issuer_may_still_decline_after_a_passed_challenge(self, client, make, simulator):
        intent = make("pm_card_threeDSecureRequiredChargeDeclined")

        simulator.pass_3ds(intent.id)

        found = client.v1.payment_intents.retrieve(intent.id)
        assert found.status == "requires_payment_method"
        assert found.last_payment_error.decline_code == "generic_decline"

    def test_off_session_there_is_nobody_to_ask(self, make):
        with pytest.raises(stripe.CardError) as decline:
            make("pm_card_authenticationRequired", options={"off_session": True})

        assert decline.value.code == "authentication_required"

    def test_is_asked_for_where_the_card_only_supports_it(self, make):
        asked = {"payment_method_options": {"card": {"request_three_d_secure": "any"}}}

        assert make("pm_card_threeDSecureOptional").status == "requires_capture"
        assert make("pm_card_threeDSecureOptional", options=asked).status == "requires_action"

    def test_a_card_that_is_not_enrolled_goes_through_without_a_challenge(self, make):
        asked = {"payment_method_options": {"card": {"request_three_d_secure": "challenge"}}}

        intent = make(options=asked | {"expand": ["latest_charge"]})

        assert intent.status == "requires_capture"
        details = intent.latest_charge.payment_method_details.card
        assert details.three_d_secure.result == "attempt_acknowledged"

    def test_without_a_way_back_the_page_is_for_stripes_own_script(self, make, simulator):
        intent = make("pm_card_threeDSecure2Required")

        assert intent.next_action.type == "use_stripe_sdk"
        assert intent.next_action.use_stripe_sdk["stripe_js"].startswith(simulator.url)

    def test_a_canceled_payment_is_no_longer_asked_about(self, client, make, simulator):
        intent = make("pm_card_threeDSecure2Required")
        client.v1.payment_intents.cancel(intent.id)

        with pytest.raises(AssertionError, match="payment_intent_unexpected_state"):
            simulator.pass_3ds(intent.id)


class TestThreeDSecurePage:
    def page_of(self, simulator, intent):
        return intent.next_action.redirect_to_url.url.removeprefix(simulator.url)

    def test_shows_what_is_to_be_paid(self, make, simulator, wire):
        intent = make("pm_card_threeDSecure2Required", options={"return_url": BACK})

        page = wire("GET", self.page_of(simulator, intent), key=None)

        assert page.headers["Content-Type"].startswith("text/html")
        assert "10.00 EUR" in page.raw.decode()
        assert "3220" in page.raw.decode()
        assert 'class="open"' in page.raw.decode()

    @pytest.mark.parametrize(
        ("result", "status", "said"),
        [
            ("pass", "requires_capture", "succeeded"),
            ("fail", "requires_payment_method", "failed"),
        ],
    )
    def test_sends_the_customer_back_with_the_result(
        self, client, make, simulator, wire, result, status, said
    ):
        intent = make("pm_card_threeDSecure2Required", options={"return_url": BACK})

        answer = wire(
            "POST", self.page_of(simulator, intent), {"result": result}, key=None,
            Content_Type="application/x-www-form-urlencoded",
        )  # fmt: skip

        assert answer.status == 303
        target = answer.headers["Location"]
        assert target.startswith("https://shop.example/back?order=7&payment_intent=pi_")
        assert target.endswith(f"redirect_status={said}")
        assert client.v1.payment_intents.retrieve(intent.id).status == status

    def test_pressed_twice_authorizes_once(self, make, simulator, wire):
        intent = make(
            "pm_card_threeDSecure2Required", options={"return_url": BACK},
            metadata={"paysys_payment": "pay_1"},
        )  # fmt: skip
        press = ("POST", self.page_of(simulator, intent), {"result": "pass"})
        form = {"Content_Type": "application/x-www-form-urlencoded"}
        wire(*press, key=None, **form)

        again = wire(*press, key=None, **form)

        assert 'class="closed"' in again.raw.decode()
        assert simulator.charges_for("pay_1") == 1


class TestPaymentMethods:
    def test_a_token_becomes_a_payment_method(self, client):
        method = client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_amex"}})

        found = client.v1.payment_methods.retrieve(method.id)
        assert (found.card.brand, found.card.last4) == ("amex", "8431")

    def test_a_named_card_can_be_looked_at(self, client):
        found = client.v1.payment_methods.retrieve("pm_card_visa_debit")

        assert (found.card.brand, found.card.funding) == ("visa", "debit")
        assert found.id.startswith("pm_")

    def test_raw_card_numbers_are_refused(self, client):
        card = {"number": "4242424242424242", "exp_month": 1, "exp_year": 2034, "cvc": "123"}

        with pytest.raises(stripe.StripeError) as refusal:
            client.v1.payment_methods.create({"type": "card", "card": card})

        assert refusal.value.http_status == 402

    def test_one_that_belongs_to_nobody_pays_once(self, client, make):
        method = client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})
        make(method.id)

        with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
            make(method.id)

    def test_an_attached_one_pays_again_for_its_customer_only(self, client, make):
        customer = client.v1.customers.create({"name": "Ada"})
        method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})

        for _ in range(2):
            assert make(method.id, customer=customer.id).status == "requires_capture"
        with pytest.raises(stripe.InvalidRequestError, match="must provide the customer"):
            make(method.id)

    def test_attaching_asks_the_issuer(self, client):
        customer = client.v1.customers.create({})

        with pytest.raises(stripe.CardError):
            client.v1.payment_methods.attach(
                "pm_card_visa_chargeDeclined", {"customer": customer.id}
            )
        late = client.v1.payment_methods.attach(
            "pm_card_chargeCustomerFail", {"customer": customer.id}
        )
        assert late.customer == customer.id
