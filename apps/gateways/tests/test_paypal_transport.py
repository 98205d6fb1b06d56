"""PayPal's package without its faults, and what can be proven of a request that got no answer."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable
from uuid import UUID

import pytest

from apps.gateways.providers.connections import NotSent
from apps.gateways.providers.paypal import PayPal
from apps.gateways.providers.paypal.transport import NoToken
from apps.gateways.tests.servers import Server, answer, serving
from apps.gateways.types import CaptureRequest, Declined, OutcomeUnknown

REQUEST = CaptureRequest(
    provider="paypal",
    payment_id=UUID(int=7),
    provider_reference="5O190127TN364715T",
    amount_minor=100,
    currency="USD",
)
ONE = {"currency_code": "USD", "value": "1.00"}
HELD = {"id": "AUTH1", "status": "CREATED", "amount": ONE}
ORDER = {
    "id": REQUEST.provider_reference,
    "status": "COMPLETED",
    "purchase_units": [{"amount": ONE, "payments": {"authorizations": [HELD]}}],
}
CAPTURE = {"id": "CAP1", "status": "COMPLETED", "amount": ONE}
TOKEN = {"access_token": "A21-a-bearer-token", "token_type": "Bearer", "expires_in": 32_400}
REFUSED = {"name": "AUTHENTICATION_FAILURE", "debug_id": "1"}

Play = Callable[[socket.socket, bytes], None]


def says(body: object, status: str = "200 OK") -> Play:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda connection, _request: connection.sendall(answer(raw, status=status))


def is_silent(_connection: socket.socket, _request: bytes) -> None:
    """The connection stays open."""


def hangs_up(connection: socket.socket, _request: bytes) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def paypal(*, token: Play | None = None, order: Play | None = None, capture: Play | None = None):
    """A server that answers each of the three requests of a capture in its own way."""
    ways = {
        b"/v1/oauth2/token": token or says(TOKEN),
        b"/v2/checkout/orders": order or says(ORDER),
        b"/v2/payments": capture or says(CAPTURE),
    }

    def script(connection: socket.socket, request: bytes) -> None:
        path = request.split(b" ", 2)[1]
        next(play for start, play in ways.items() if path.startswith(start))(connection, request)

    return serving(script)


def provider(server: Server, **seconds: float) -> PayPal:
    limits = {"connect_seconds": 0.3, "read_seconds": 5.0, **seconds}
    return PayPal(client_id="client", client_secret="secret", api_base=server.url, **limits)


def unknown(server: Server, **seconds: float) -> OutcomeUnknown:
    with pytest.raises(OutcomeUnknown) as caught:
        provider(server, **seconds).capture(REQUEST, op_key="k1")
    return caught.value


def sent(server: Server, path: str) -> list[str]:
    return [each.decode() for each in server.requests if path.encode() in each.split(b"\r\n")[0]]


class TestAnswers:
    def test_a_good_answer_is_read(self):
        with paypal() as server:
            payment = provider(server).capture(REQUEST, op_key="k1")

        assert payment.amount_captured_minor == 100
        assert payment.capture_reference == "CAP1"

    def test_our_op_key_travels_with_what_moves_money_and_a_question_has_no_body(self):
        with paypal() as server:
            provider(server).capture(REQUEST, op_key="pay:CAPTURE.capture:1")

        (order,), (capture,) = sent(server, "/v2/checkout"), sent(server, "/v2/payments")
        assert "PayPal-Request-Id" not in order
        assert order.endswith("\r\n\r\n"), "no body, and no `null` in its place"
        assert "PayPal-Request-Id: pay:CAPTURE.capture:1\r\n" in capture
        assert "Prefer: return=representation\r\n" in capture
        for request in (order, capture):
            assert "Authorization: Bearer A21-a-bearer-token\r\n" in request
            assert "User-Agent: paysys\r\n" in request

    def test_one_connection_and_one_token_serve_many_requests(self):
        with paypal() as server:
            adapter = provider(server)
            for _ in range(5):
                adapter.capture(REQUEST, op_key="k1")

        assert server.connections == 1
        assert len(sent(server, "/v1/oauth2/token")) == 1

    def test_neither_bodies_nor_tokens_are_logged(self, caplog):
        with caplog.at_level(logging.DEBUG), paypal() as server:
            provider(server).capture(REQUEST, op_key="k1")

        said = " ".join(record.getMessage() for record in caplog.records)
        for secret in ("A21-a-bearer-token", "secret", "1.00", "k1"):
            assert secret not in said


class TestTokens:
    def test_a_refused_token_is_renewed_once_and_the_request_made(self):
        tokens = iter("12")

        def new_token(connection: socket.socket, request: bytes) -> None:
            says({**TOKEN, "access_token": next(tokens)})(connection, request)

        def order(connection: socket.socket, request: bytes) -> None:
            is_new = b"Bearer 2" in request
            says(ORDER if is_new else REFUSED, "200 OK" if is_new else "401 No")(
                connection, request
            )

        with paypal(token=new_token, order=order) as server:
            payment = provider(server).capture(REQUEST, op_key="k1")

        assert payment.amount_captured_minor == 100
        assert len(sent(server, "/v2/checkout")) == 2

    def test_one_that_is_always_refused_is_not_asked_for_for_ever(self):
        with paypal(capture=says(REFUSED, "401 No")) as server:
            error = unknown(server)

        assert (error.reason, error.unsent, error.alert) == ("not_authenticated", True, True)
        assert len(sent(server, "/v2/payments")) == 2
        assert len(sent(server, "/v1/oauth2/token")) == 2

    @pytest.mark.parametrize(
        "token",
        [
            says({"error": "server_error"}, "500 Bad"),
            says(b"<html>down</html>", "502 Bad"),
            says(b"not json"),
            says({"scope": "everything"}),
            says([1]),
            hangs_up,
        ],
    )
    def test_without_one_nothing_was_sent(self, token):
        with paypal(token=token) as server:
            error = unknown(server)

        assert (error.reason, error.unsent) == ("not_sent", True)
        assert sent(server, "/v2") == []

    def test_what_is_no_token_is_not_kept(self):
        answers = iter([{"scope": "everything"}, TOKEN])

        def token(connection: socket.socket, request: bytes) -> None:
            says(next(answers))(connection, request)

        with paypal(token=token) as server:
            adapter = provider(server)
            with pytest.raises(OutcomeUnknown):
                adapter.capture(REQUEST, op_key="k1")

            assert adapter.capture(REQUEST, op_key="k1").amount_captured_minor == 100

    def test_a_wrong_secret_needs_a_person(self):
        with paypal(token=says({"error": "invalid_client"}, "401 No")) as server:
            error = unknown(server)

        assert (error.reason, error.unsent, error.alert) == ("not_authenticated", True, True)


class TestNoAnswer:
    def test_a_silent_server_is_a_timeout_and_was_sent(self):
        with paypal(capture=is_silent) as server:
            error = unknown(server, read_seconds=0.3)

        assert (error.reason, error.unsent, error.answered) == ("timeout", False, False)
        assert len(sent(server, "/v2/payments")) == 1

    def test_a_connection_closed_without_an_answer_was_sent(self):
        with paypal(capture=hangs_up) as server:
            error = unknown(server)

        assert (error.reason, error.unsent) == ("connection_lost", False)
        assert len(sent(server, "/v2/payments")) == 1, "nothing is retried behind our back"

    def test_what_has_no_time_left_is_not_sent(self):
        """All requests of a call share one limit: a slow order leaves none for the capture."""
        with paypal() as server:
            transport = provider(server)._api
            transport.get("v2/checkout/orders/1")
            with transport.within(0.0), pytest.raises(NoToken) as no_token:
                transport.token_hash = None
                transport.get("v2/payments/captures/1")
            transport.get("v2/checkout/orders/1")
            with transport.within(0.0), pytest.raises(NotSent):
                transport.get("v2/payments/captures/1")

        assert isinstance(no_token.value.cause, NotSent)
        assert sent(server, "/v2/payments") == []

    def test_whoever_waits_for_anothers_token_does_not_wait_for_ever(self):
        release = threading.Event()

        def never(_connection: socket.socket, _request: bytes) -> None:
            release.wait(5)

        with paypal(token=never) as server:
            adapter = provider(server, read_seconds=0.2)
            said: list[OutcomeUnknown] = []

            def ask() -> None:
                with pytest.raises(OutcomeUnknown) as caught:
                    adapter.capture(REQUEST, op_key="k1")
                said.append(caught.value)

            threads = [threading.Thread(target=ask) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(10)
            release.set()

        assert [error.unsent for error in said] == [True] * 6


class TestStrangeAnswers:
    @pytest.mark.parametrize(
        ("capture", "reason"),
        [
            (says(b"<html>not me</html>"), "malformed_answer"),
            (says(b"<html>bad</html>", "400 Bad Request"), "malformed_answer"),
            (says({"message": "denied"}, "403 Forbidden"), "malformed_answer"),
            (says(b"<html>gateway</html>", "502 Bad Gateway"), "provider_unavailable"),
            (says({}), "malformed_answer"),
            (says({**CAPTURE, "status": "NEW_IN_2027"}), "malformed_answer"),
            (says({**CAPTURE, "amount": {"currency_code": "USD", "value": "1.005"}}),
             "malformed_answer"),
            (says([1, 2]), "malformed_answer"),
            (says(None), "malformed_answer"),
            (says({"error": []}, "400 Bad Request"), "malformed_answer"),
            (says(b"", "204 No Content"), "malformed_answer"),
            (says(b"", "307 Moved"), "malformed_answer"),
            (says(b"\xff\xfe"), "malformed_answer"),
            (says({**CAPTURE, "amount": {"currency_code": "USD", "value": "2.00"}}), "key_reused"),
        ],
    )  # fmt: skip
    def test_what_is_not_paypals_word_decides_nothing(self, capture, reason):
        with paypal(capture=capture) as server:
            error = unknown(server)

        assert error.reason == reason
        assert not error.unsent
        assert len(sent(server, "/v2/payments")) == 1, "no redirect is followed"

    def test_a_refusal_is_raised_and_not_returned(self):
        body = {"name": "INVALID_REQUEST", "details": [{"issue": "DECIMAL_PRECISION"}]}
        with (
            paypal(capture=says(body, "400 Bad Request")) as server,
            pytest.raises(Declined) as caught,
        ):
            provider(server).capture(REQUEST, op_key="k1")

        assert caught.value.code == "amount_not_supported"

    def test_yes_with_a_state_that_says_no_is_unknown(self):
        pending = {**CAPTURE, "status": "PENDING"}
        with (
            paypal(capture=says(pending, "201 Created")) as server,
            pytest.raises(OutcomeUnknown) as caught,
        ):
            provider(server).send(REQUEST, op_key="k1")

        assert caught.value.reason == "processing"


class TestNothingLeft:
    def test_a_name_that_does_not_resolve_proves_that_nothing_was_sent(self, monkeypatch):
        def no_such_name(*_args: object, **_kwargs: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
        adapter = PayPal(client_id="c", client_secret="s", api_base="https://api.example/")

        with pytest.raises(OutcomeUnknown) as caught:
            adapter.capture(REQUEST, op_key="k1")

        assert (caught.value.reason, caught.value.unsent) == ("not_sent", True)
