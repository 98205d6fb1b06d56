"""Idempotency keys, as Stripe documents them."""

import threading

import pytest
import stripe

CREATE = {
    "amount": "1000", "currency": "eur", "capture_method": "manual",
    "allowed_payment_method_types[0]": "card", "metadata[paysys_payment]": "pay_1",
}  # fmt: skip
INTENTS = "/v1/payment_intents"
DAY = 86_400


class TestReplay:
    def test_the_same_request_gets_the_same_bytes_and_happens_once(self, wire, simulator):
        first = wire("POST", INTENTS, CREATE, Idempotency_Key="k1")
        second = wire("POST", INTENTS, CREATE, Idempotency_Key="k1")

        assert second.raw == first.raw
        assert second.headers["Idempotent-Replayed"] == "true"
        assert second.headers["Original-Request"] == first.headers["Request-Id"]
        assert "Idempotent-Replayed" not in first.headers
        assert len(simulator.book()) == 1

    def test_the_order_of_parameters_does_not_matter(self, wire, simulator):
        wire("POST", INTENTS, CREATE, Idempotency_Key="k1")

        answer = wire("POST", INTENTS, dict(reversed(CREATE.items())), Idempotency_Key="k1")

        assert answer.headers["Idempotent-Replayed"] == "true"
        assert len(simulator.book()) == 1

    def test_a_decline_is_replayed_too(self, client, make, simulator):
        intent = make(confirm=False, metadata={"paysys_payment": "pay_1"})
        for _ in range(2):
            with pytest.raises(stripe.CardError):
                client.v1.payment_intents.confirm(
                    intent.id, {"payment_method": "pm_card_visa_chargeDeclined"},
                    {"idempotency_key": "k1"},
                )  # fmt: skip

        assert simulator.effects("pay_1")["failed_charges"] == 1

    def test_a_refused_state_is_replayed_even_when_it_would_now_succeed(self, client, make):
        intent = make(confirm=False)
        for _ in range(2):
            with pytest.raises(stripe.InvalidRequestError):
                client.v1.payment_intents.capture(intent.id, {}, {"idempotency_key": "k1"})
            client.v1.payment_intents.update(intent.id, {"payment_method": "pm_card_visa"})

    def test_a_saved_500_is_replayed_though_nothing_happened(self, wire, simulator):
        broken = wire("POST", INTENTS, CREATE, Idempotency_Key="k1", Paysys_Fault="error_before")
        again = wire("POST", INTENTS, CREATE, Idempotency_Key="k1")

        assert (broken.status, again.status) == (500, 500)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert simulator.book() == []

    def test_a_saved_500_is_replayed_though_it_happened(self, wire, simulator):
        wire("POST", INTENTS, CREATE, Idempotency_Key="k1", Paysys_Fault="error_after")
        again = wire("POST", INTENTS, CREATE, Idempotency_Key="k1")

        assert again.status == 500
        assert len(simulator.book()) == 1

    def test_another_operation_under_the_same_key_is_refused(self, wire, simulator):
        made = wire("POST", INTENTS, CREATE, Idempotency_Key="k1")

        answer = wire("POST", f"{INTENTS}/{made.json['id']}/cancel", Idempotency_Key="k1")

        assert (answer.status, answer.json["error"]["type"]) == (400, "idempotency_error")
        assert simulator.book()[0]["status"] == "requires_payment_method"


class TestRefusal:
    def test_other_parameters_are_refused_and_change_nothing(self, client, wire, simulator):
        wire("POST", INTENTS, CREATE, Idempotency_Key="k1")

        answer = wire("POST", INTENTS, CREATE | {"amount": "2000"}, Idempotency_Key="k1")

        assert (answer.status, answer.json["error"]["type"]) == (400, "idempotency_error")
        assert [line["amount"] for line in simulator.book()] == [1000]

    def test_stripes_client_knows_it_by_its_own_class(self, client):
        given = {"amount": 1000, "currency": "eur"}
        client.v1.payment_intents.create(given, {"idempotency_key": "k1"})

        with pytest.raises(stripe.IdempotencyError):
            client.v1.payment_intents.create(given | {"amount": 7000}, {"idempotency_key": "k1"})

    def test_while_the_first_still_runs_it_is_409(self, wire, simulator):
        answers = {}

        def slow():
            answers["slow"] = wire(
                "POST", INTENTS, CREATE, Idempotency_Key="k1", Paysys_Fault="slow:700"
            )

        first = threading.Thread(target=slow)
        first.start()
        while not wire("GET", "/_sim/health").json["in_flight"]:
            pass  # the slow one has not begun
        second = wire("POST", INTENTS, CREATE, Idempotency_Key="k1")
        first.join()

        assert second.status == 409
        assert second.json["error"]["code"] == "idempotency_key_in_use"
        assert answers["slow"].status == 200
        assert len(simulator.book()) == 1

    def test_thirty_at_once_make_one(self, wire, simulator):
        statuses = []

        def send():
            statuses.append(wire("POST", INTENTS, CREATE, Idempotency_Key="k1").status)

        threads = [threading.Thread(target=send) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert set(statuses) <= {200, 409}
        assert 200 in statuses
        assert len(simulator.book()) == 1

    def test_a_key_that_is_too_long_is_refused(self, wire, simulator):
        assert wire("POST", INTENTS, CREATE, Idempotency_Key="k" * 256).status == 400
        assert simulator.book() == []


class TestWhatIsNotSaved:
    @pytest.mark.parametrize("fault", ["rate_limit", "lock_timeout", "unavailable"])
    def test_a_refusal_at_the_door(self, wire, simulator, fault):
        refused = wire("POST", INTENTS, CREATE, Idempotency_Key="k1", Paysys_Fault=fault)
        assert refused.status in (429, 503)
        assert simulator.book() == []

        assert wire("POST", INTENTS, CREATE, Idempotency_Key="k1").status == 200

    def test_parameters_that_were_refused(self, wire):
        assert wire("POST", INTENTS, {"amount": "x"}, Idempotency_Key="k1").status == 400

        assert wire("POST", INTENTS, CREATE, Idempotency_Key="k1").status == 200

    def test_a_missing_key_of_the_account(self, wire):
        assert wire("POST", INTENTS, CREATE, key=None, Idempotency_Key="k1").status == 401

        assert wire("POST", INTENTS, CREATE, Idempotency_Key="k1").status == 200

    def test_a_key_is_forgotten_after_a_day(self, wire, simulator):
        wire("POST", INTENTS, CREATE, Idempotency_Key="k1")
        simulator.advance_clock(DAY - 60)
        assert "Idempotent-Replayed" in wire("POST", INTENTS, CREATE, Idempotency_Key="k1").headers

        simulator.advance_clock(120)
        wire("POST", INTENTS, CREATE, Idempotency_Key="k1")

        # This is the danger of resending late: the same order becomes a second payment.
        assert len(simulator.book()) == 2

    def test_a_get_knows_no_key(self, client, make, wire):
        intent = make()
        path = f"{INTENTS}/{intent.id}"
        wire("GET", path, Idempotency_Key="k1")
        client.v1.payment_intents.cancel(intent.id)

        assert wire("GET", path, Idempotency_Key="k1").json["status"] == "canceled"
