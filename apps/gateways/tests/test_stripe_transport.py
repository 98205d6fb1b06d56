"""What can be proven of a request that got no proper answer, against servers that misbehave."""

import json
import socket
import threading
from uuid import UUID

import pytest

from apps.gateways.providers.stripe import Stripe
from apps.gateways.tests.servers import Server, answer, says, says_and_closes, serving
from apps.gateways.types import CaptureRequest, OutcomeUnknown

REQUEST = CaptureRequest(
    provider="stripe",
    payment_id=UUID(int=7),
    provider_reference="pi_1",
    amount_minor=100,
    currency="USD",
)
INTENT = {
    "id": "pi_1",
    "object": "payment_intent",
    "status": "succeeded",
    "amount": 100,
    "amount_received": 100,
    "currency": "usd",
    "latest_charge": "ch_1",
}


GOOD = answer(json.dumps(INTENT).encode())


def capture(server: Server, *, read_seconds: float = 5.0) -> object:
    stripe = Stripe(
        api_key="sk_test_1", api_base=server.url, connect_seconds=0.3, read_seconds=read_seconds
    )
    return stripe.capture(REQUEST, op_key="k1")


def unknown(server: Server, **facts: float) -> OutcomeUnknown:
    with pytest.raises(OutcomeUnknown) as caught:
        capture(server, **facts)
    return caught.value


class TestAnswers:
    def test_a_good_answer_is_read(self):
        with serving(says(GOOD)) as server:
            payment = capture(server)

        assert payment.amount_captured_minor == 100
        assert payment.capture_reference == "ch_1"

    def test_our_key_version_and_op_key_travel_and_telemetry_does_not(self):
        with serving(says(GOOD)) as server:
            stripe = Stripe(api_key="sk_test_1", api_base=server.url)
            stripe.capture(REQUEST, op_key="pay:CAPTURE.capture:1")
            stripe.capture(REQUEST, op_key="pay:CAPTURE.capture:1")

        for request in server.requests:
            head = request.decode().lower()
            assert "authorization: bearer sk_test_1\r\n" in head
            assert "idempotency-key: pay:capture.capture:1\r\n" in head
            assert "stripe-version: 2026-10-28.endive\r\n" in head
            assert "telemetry" not in head
            assert "platform" not in head

    def test_one_connection_serves_many_requests(self):
        with serving(says(GOOD)) as server:
            stripe = Stripe(api_key="sk_test_1", api_base=server.url)
            for _ in range(5):
                stripe.capture(REQUEST, op_key="k1")

        assert server.connections == 1

    def test_a_notice_of_the_provider_is_no_python_warning(self):
        # pytest turns warnings into errors: raised after the money moved, it would be one here.
        notice = "Stripe-Notice: your integration could be nicer\r\n"
        with serving(says(answer(json.dumps(INTENT).encode(), headers=notice))) as server:
            assert capture(server).amount_captured_minor == 100


class TestNoAnswer:
    def test_a_silent_server_is_a_timeout_and_was_sent(self):
        with serving(says()) as server:
            error = unknown(server, read_seconds=0.2)

        assert (error.reason, error.unsent, error.answered) == ("timeout", False, False)
        assert len(server.requests) == 1

    def test_a_connection_closed_without_an_answer_was_sent(self):
        with serving(says_and_closes(b"")) as server:
            error = unknown(server)

        assert (error.reason, error.unsent) == ("connection_lost", False)
        assert len(server.requests) == 1, "nothing is retried behind our back"

    def test_not_even_a_question_is_asked_twice(self):
        with serving(says_and_closes(b"")) as server, pytest.raises(OutcomeUnknown):
            Stripe(api_key="sk_test_1", api_base=server.url).find_payment("pi_1")

        assert len(server.requests) == 1

    def test_half_an_answer_is_no_answer(self):
        with serving(says_and_closes(GOOD[:-20])) as server:
            error = unknown(server)

        assert (error.reason, error.unsent, error.answered) == ("connection_lost", False, False)

    def test_a_dripping_answer_is_cut_off_at_the_time_limit(self):
        def drip(connection: socket.socket, _request: bytes) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            never = threading.Event()
            while not never.wait(0.05):
                connection.sendall(b" ")

        with serving(drip) as server:
            error = unknown(server, read_seconds=0.3)

        assert error.reason == "timeout"

    def test_an_endless_answer_is_not_read_to_its_end(self):
        def flood(connection: socket.socket, _request: bytes) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n")
            while True:
                connection.sendall(b" " * 1024 * 1024)

        with serving(flood) as server:
            assert unknown(server).reason == "connection_lost"

    def test_a_connection_that_died_while_idle_is_replaced_before_anything_is_written(self):
        closed = threading.Semaphore(0)
        with serving(says_and_closes(GOOD, closed)) as server:
            stripe = Stripe(api_key="sk_test_1", api_base=server.url)
            for _ in range(3):
                stripe.capture(REQUEST, op_key="k1")
                closed.acquire(timeout=5)

        assert len(server.requests) == 3


class TestStrangeAnswers:
    @pytest.mark.parametrize(
        ("raw", "reason"),
        [
            (answer(b"<html>not me</html>"), "malformed_answer"),
            (answer(b"<html>bad</html>", status="400 Bad Request"), "malformed_answer"),
            (answer(b'{"message": "denied"}', status="403 Forbidden"), "malformed_answer"),
            (answer(b"<html>gateway</html>", status="502 Bad Gateway"), "provider_unavailable"),
            (answer(b"{}", status="200 OK"), "malformed_answer"),
            (answer(b'{"id": "pi_1", "status": "new_in_2027"}'), "malformed_answer"),
            (answer(b"[1, 2]"), "malformed_answer"),
            (answer(b"null"), "malformed_answer"),
            (answer(b'{"error": "down"}', status="503 Unavailable"), "malformed_answer"),
            (answer(b'{"error": []}', status="400 Bad Request"), "malformed_answer"),
            (answer(b'{"error": {"type": "api_error"}}', status="400 Bad"), "malformed_answer"),
            (answer(b"", status="204 No Content"), "malformed_answer"),
            (
                answer(b"", status="307 Moved", headers="Location: http://127.0.0.1:9/v1\r\n"),
                "malformed_answer",
            ),
        ],
    )
    def test_what_is_not_stripes_word_decides_nothing(self, raw, reason):
        with serving(says(raw)) as server:
            error = unknown(server)

        assert error.reason == reason
        assert not error.unsent
        assert len(server.requests) == 1, "no redirect is followed"

    def test_yes_with_a_state_that_says_no_is_unknown(self):
        body = json.dumps({**INTENT, "status": "requires_capture", "amount_received": 0}).encode()
        with serving(says(answer(body))) as server:
            stripe = Stripe(api_key="sk_test_1", api_base=server.url)
            with pytest.raises(OutcomeUnknown) as caught:
                stripe.send(REQUEST, op_key="k1")

        assert caught.value.reason == "contradiction"


class TestNothingLeft:
    def test_a_name_that_does_not_resolve_proves_that_nothing_was_sent(self, monkeypatch):
        def no_such_name(*_args: object, **_kwargs: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
        stripe = Stripe(api_key="sk_test_1", api_base="https://api.example")

        with pytest.raises(OutcomeUnknown) as caught:
            stripe.capture(REQUEST, op_key="k1")

        assert (caught.value.reason, caught.value.unsent) == ("not_sent", True)

    def test_a_door_that_nobody_opens_proves_that_nothing_was_sent(self):
        with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
            port = server.getsockname()[1]
            waiting = [socket.socket() for _ in range(3)]
            for knock in waiting:
                knock.settimeout(0)
                knock.connect_ex(("127.0.0.1", port))
            stripe = Stripe(
                api_key="sk_test_1", api_base=f"http://127.0.0.1:{port}", connect_seconds=0.2
            )

            with pytest.raises(OutcomeUnknown) as caught:
                stripe.capture(REQUEST, op_key="k1")
            for knock in waiting:
                knock.close()

        assert (caught.value.reason, caught.value.unsent) == ("not_sent", True)
