"""Events: in the book, signed as Stripe signs, delivered until answered, with their own faults."""

import json
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import stripe

from paysys.testing import simulator as testing

PATIENCE = 10


class Receiver:
    """Somebody who takes webhooks; `answers` are the statuses of the next ones, then 200."""

    def __init__(self):
        self.arrived = queue.Queue()
        self.answers = queue.Queue()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.arrived.put((body, self.headers["Stripe-Signature"]))
                status = 200 if outer.answers.empty() else outer.answers.get()
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/webhooks/stripe"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self):
        body, signature = self.arrived.get(timeout=PATIENCE)
        return json.loads(body), body, signature

    def take_kinds(self, count):
        return [self.take()[0]["type"] for _ in range(count)]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver(simulator):
    receiver = Receiver()
    yield receiver
    simulator.send_webhooks_to("")
    receiver.stop()


class TestRecorded:
    def test_every_change_is_an_event_in_order(self, client, paid, simulator):
        intent = paid()

        kinds = [event["type"] for event in simulator.events()]

        assert kinds == [
            "payment_intent.created", "charge.succeeded",
            "payment_intent.amount_capturable_updated", "charge.captured",
            "payment_intent.succeeded",
        ]  # fmt: skip
        listed = client.v1.events.list({"type": "payment_intent.succeeded"}).data[0]
        assert listed.data.object.id == intent.id

    def test_an_event_shows_the_object_as_it_was_then(self, client, make, simulator):
        intent = make()
        client.v1.payment_intents.cancel(intent.id)

        created = simulator.events("payment_intent.created")[0]

        found = client.v1.events.retrieve(created["id"]).data.object
        assert found.status == "requires_payment_method"

    def test_names_the_request_that_caused_it(self, client, simulator):
        made = client.v1.payment_intents.create(
            {"amount": 1000, "currency": "eur"}, {"idempotency_key": "k1"}
        )

        event = client.v1.events.list().data[0]

        assert event.request.idempotency_key == "k1"
        assert event.request.id == made.last_response.request_id

    def test_stripes_own_check_accepts_the_signature(self, make, simulator):
        make()
        event = simulator.events("payment_intent.created")[0]

        signed = simulator.deliver(event)

        found = stripe.Webhook.construct_event(
            signed.body, signed.signature, simulator.webhook_secret
        )
        assert found.id == event["id"]
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(signed.body + b" ", signed.signature, "whsec_simulator")

    def test_nothing_is_sent_without_an_address(self, paid, wire):
        paid()

        assert wire("GET", "/_sim/deliveries").json == {}

    def test_a_refused_request_publishes_nothing(self, client, make, simulator):
        intent = make()
        before = len(simulator.events())

        with pytest.raises(stripe.InvalidRequestError):
            client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 1001})

        assert len(simulator.events()) == before


class TestDelivery:
    def test_sends_what_an_endpoint_of_ours_listens_to(self, paid, simulator, receiver):
        simulator.send_webhooks_to(receiver.url)
        paid()

        arrived = [receiver.take() for _ in range(2)]

        assert [event["type"] for event, _, _ in arrived] == [
            "payment_intent.amount_capturable_updated",
            "payment_intent.succeeded",
        ]
        for _, body, signature in arrived:
            stripe.Webhook.construct_event(body, signature, simulator.webhook_secret)

    def test_sends_again_until_it_is_taken(self, tmp_path):
        receiver = Receiver()
        for status in (500, 404, 302):
            receiver.answers.put(status)
        process, simulator = testing.start(
            tmp_path / "book", "--webhook-url", receiver.url, "--webhook-backoff", "0.01",
            "--webhook-events", "payment_intent.created",
        )  # fmt: skip
        client = stripe.StripeClient("sk_test_x", base_addresses={"api": simulator.url})

        client.v1.payment_intents.create({"amount": 1000, "currency": "eur"})

        assert len({receiver.take()[0]["id"] for _ in range(4)}) == 1
        testing.stop(process)
        receiver.stop()
        assert receiver.arrived.empty()

    def test_survives_a_restart_and_a_receiver_that_was_away(self, tmp_path):
        receiver = Receiver()
        receiver.stop()  # nobody listens there now
        options = ("--webhook-backoff", "0.05", "--webhook-events", "*", "--webhook-url")
        process, simulator = testing.start(tmp_path / "book", *options, receiver.url)
        client = stripe.StripeClient("sk_test_x", base_addresses={"api": simulator.url})
        client.v1.payment_intents.create({"amount": 1000, "currency": "eur"})
        testing.stop(process)

        back = Receiver()
        process, simulator = testing.start(tmp_path / "book", *options, back.url)

        assert back.take()[0]["type"] == "payment_intent.created"
        testing.stop(process)
        back.stop()


class TestWebhookFaults:
    def test_twice_is_the_same_event_twice(self, paid, simulator, receiver):
        simulator.send_webhooks_to(receiver.url)
        simulator.fault("webhook", "twice")
        paid()

        ids = [receiver.take()[0]["id"] for _ in range(3)]

        assert len(set(ids)) == 2

    def test_lost_never_arrives(self, paid, simulator, receiver, wire):
        simulator.send_webhooks_to(receiver.url)
        simulator.fault("webhook", "lost")
        paid()

        assert receiver.take_kinds(1) == ["payment_intent.succeeded"]
        assert wire("GET", "/_sim/deliveries").json["lost"] == 1

    @pytest.mark.parametrize("fault", ["reordered", "late:300"])
    def test_reordered_is_overtaken(self, paid, simulator, receiver, fault):
        simulator.send_webhooks_to(receiver.url)
        simulator.fault("webhook", fault)
        paid()

        assert receiver.take_kinds(2) == [
            "payment_intent.succeeded",
            "payment_intent.amount_capturable_updated",
        ]
