"""Where a delivery may go, and that it goes nowhere else; how long it may take, and no longer."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from apps.core import clock
from apps.notifications import transport
from apps.notifications.tests.sink import Sink, redirect_to, reset
from apps.notifications.types import Answer, NoAnswer

NAME = "hooks.example.test"


def send(url: str, *, seconds: float = 5.0) -> Answer:
    return transport.send(url=url, body=b"{}", headers={"webhook-id": "evt_1"}, seconds=seconds)


class Names:
    """The resolver of the tests: knows the names it is told, and counts who asks."""

    def __init__(self, really) -> None:
        self._really = really
        self.known: dict[str, list[str]] = {}
        self.asked: list[str] = []

    def __call__(self, host, port, *facts, **more):
        if host not in self.known:
            return self._really(host, port, *facts, **more)
        self.asked.append(host)
        return [self._place(address, port) for address in self.known[host]]

    def _place(self, address, port):
        (family, kind, number, _, place), *_ = self._really(address, port, type=socket.SOCK_STREAM)
        return family, kind, number, "", place


@pytest.fixture
def names(monkeypatch) -> Names:
    made = Names(socket.getaddrinfo)
    monkeypatch.setattr(socket, "getaddrinfo", made)
    return made


@pytest.fixture
def no_connections(monkeypatch):
    """The ends of all connections that were tried."""
    tried = []

    def refuse(address, *_):
        tried.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuse)
    return tried


class TestAddresses:
    @pytest.mark.parametrize(
        "address",
        [
            *("0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254"),
            *("172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1"),
            *("192.168.0.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1"),
            *("239.255.255.250", "240.0.0.1", "255.255.255.255"),
            *("::", "::1", "::127.0.0.1", "::ffff:10.0.0.1", "::ffff:127.0.0.1"),
            *("::ffff:8.8.8.8", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "100::1", "2001::1"),
            *("2001:db8::1", "2002:a00:1::", "3fff::1", "5f00::1", "fc00::1", "fd00::1"),
            *("fe80::1", "fec0::1", "ff02::1"),
        ],
    )
    def test_others_than_global_ones_are_refused(self, address):
        assert not transport.is_allowed(ip_address(address))

    @pytest.mark.parametrize(
        "address", ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "2a00:1450:4001::1"]
    )
    def test_global_ones_are_allowed(self, address):
        assert transport.is_allowed(ip_address(address))

    @pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1"])
    def test_loopback_is_allowed_in_test_mode_alone_and_by_a_setting(self, settings, address):
        settings.PAYSYS_WEBHOOK_LOOPBACK = True
        assert transport.is_allowed(ip_address(address))
        assert not transport.is_allowed(ip_address("::ffff:127.0.0.1"))
        assert not transport.is_allowed(ip_address("10.0.0.1"))
        settings.PAYSYS_MODE = "live"
        assert not transport.is_allowed(ip_address(address))


class TestNames:
    @pytest.mark.parametrize(
        "addresses",
        [
            *(["10.0.0.1"], ["127.0.0.1"], ["169.254.169.254"], ["::1"], ["::ffff:10.0.0.1"]),
            *(["fe80::1"], ["93.184.215.14", "10.0.0.1"], ["10.0.0.1", "93.184.215.14"]),
            ["2606:4700::1111", "fd00::1"],
        ],
    )
    def test_with_an_address_of_our_own_is_not_connected_to(self, names, no_connections, addresses):
        names.known[NAME] = addresses
        answer = send(f"https://{NAME}/")
        assert (answer.status_code, answer.no_answer) == (None, NoAnswer.ADDRESS_NOT_ALLOWED)
        assert no_connections == []

    def test_of_global_addresses_are_connected_to_by_address(self, names, no_connections):
        names.known[NAME] = ["93.184.215.14", "2606:4700::1111", "8.8.8.8", "8.8.4.4"]
        answer = send(f"https://{NAME}:8443/")
        assert answer.no_answer is NoAnswer.CONNECTION_FAILED
        assert no_connections == [
            ("93.184.215.14", 8443),
            ("2606:4700::1111", 8443),
            ("8.8.8.8", 8443),
        ]

    def test_are_asked_for_once_and_believed_once(self, names, sink):
        names.known[NAME] = ["127.0.0.1"]
        assert send(sink.url(host=NAME)).status_code == 200
        assert names.asked == [NAME]
        (received,) = sink.received
        assert received.headers["host"] == f"{NAME}:{sink.port}"

    def test_next_address_is_tried_when_one_does_not_answer(self, names, sink):
        names.known[NAME] = ["127.0.0.2", "127.0.0.1"]
        assert send(sink.url(host=NAME)).status_code == 200

    def test_that_do_not_exist_are_no_answer(self, names):
        names.known[NAME] = []
        assert send(f"https://{NAME}/").no_answer is NoAnswer.CONNECTION_FAILED
        answer = send("https://nobody.invalid/")
        assert answer.no_answer is NoAnswer.NAME_UNKNOWN

    def test_in_disguise_are_looked_at_again_when_sent(self, no_connections):
        for url in ("https://127.1/", "https://[::ffff:7f00:1]/", "http://shop.example.com/"):
            assert send(url).no_answer is NoAnswer.ADDRESS_NOT_ALLOWED
        assert no_connections == []


class TestAnAnswer:
    def test_redirect_to_a_private_address_is_an_answer_and_nothing_more(self, sink):
        sink.plan(redirect_to("http://169.254.169.254/latest/meta-data/"))
        answer = send(sink.url())
        assert (answer.status_code, answer.is_accepted) == (302, False)
        assert len(sink.received) == 1

    def test_ways_through_other_machines_are_not_taken(self, sink, monkeypatch):
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        assert send(sink.url()).status_code == 200

    def test_that_never_ends_is_not_read_to_its_end(self, sink):
        def pour(handler):
            handler.send_response(200)
            handler.end_headers()
            with suppress(OSError):
                while True:
                    handler.wfile.write(b"x" * 65_536)

        sink.plan(pour)
        assert send(sink.url()).status_code == 200

    def test_that_breaks_off_after_its_status_is_one(self, sink):
        def break_off(handler):
            handler.send_response(200)
            handler.send_header("content-length", "1000")
            handler.end_headers()
            handler.connection.shutdown(socket.SHUT_RDWR)

        sink.plan(break_off)
        assert send(sink.url()).is_accepted

    @pytest.mark.parametrize(
        "line",
        [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 abc\r\n\r\n", b"", b"HTTP/1.1 200\r\nx" * 99_999],
    )
    def test_that_is_none_of_http_is_none(self, sink, line):
        def talk(handler):
            with suppress(OSError):
                handler.wfile.write(line)
            reset(handler)

        sink.plan(talk)
        answer = send(sink.url())
        assert answer.no_answer is NoAnswer.CONNECTION_FAILED

    def test_nobody_there_is_none(self, sink):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            answer = send(f"http://127.0.0.1:{free.getsockname()[1]}/")
        assert answer.no_answer is NoAnswer.CONNECTION_FAILED


class TestTheLimitOfTime:
    def test_silence_is_cut_off(self, sink):
        sink.plan(sink.hang)
        assert send(sink.url(), seconds=0.3).no_answer is NoAnswer.TIMEOUT

    def test_dripping_is_cut_off(self, sink):
        def drip(handler):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nx: ")
            with suppress(OSError):
                while not sink.released.wait(0.02):
                    handler.wfile.write(b"x")

        sink.plan(drip)
        assert send(sink.url(), seconds=0.3).no_answer is NoAnswer.TIMEOUT

    def test_a_handshake_that_never_comes_is_cut_off(self, settings):
        settings.PAYSYS_WEBHOOK_LOOPBACK = True
        with socket.create_server(("127.0.0.1", 0)) as silent:
            answer = send(f"https://127.0.0.1:{silent.getsockname()[1]}/", seconds=0.3)
        assert answer.no_answer is NoAnswer.TIMEOUT

    def test_is_fifteen_seconds(self):
        assert transport.TIMEOUT_SECONDS == 15


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    """A certificate of the name, signed by itself, and its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(clock.now() - timedelta(days=1))
        .not_valid_after(clock.now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "hooks.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


@pytest.fixture
def asked_names() -> list[str]:
    return []


@pytest.fixture
def secure_sink(settings, certificate, asked_names) -> Iterator[Sink]:
    settings.PAYSYS_WEBHOOK_LOOPBACK = True
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    tls.sni_callback = lambda _socket, name, _context: asked_names.append(name)
    made = Sink(tls)
    yield made
    made.close()


@pytest.fixture
def trusting(monkeypatch, certificate) -> Iterator[None]:
    """The system's certificates are this one."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    transport._tls.cache_clear()
    yield
    transport._tls.cache_clear()


class TestTls:
    def test_name_and_certificate_are_the_urls_though_the_address_is_pinned(
        self, names, secure_sink, trusting, asked_names
    ):
        names.known[NAME] = ["127.0.0.1"]
        assert send(secure_sink.url(host=NAME)).status_code == 200
        assert asked_names == [NAME]
        assert names.asked == [NAME]

    def test_certificate_of_another_name_is_refused(self, names, secure_sink, trusting):
        names.known["other.example.test"] = ["127.0.0.1"]
        answer = send(secure_sink.url(host="other.example.test"))
        assert answer.no_answer is NoAnswer.TLS_FAILED
        assert send(secure_sink.url()).no_answer is NoAnswer.TLS_FAILED
        assert secure_sink.received == []

    def test_certificate_that_nobody_trusts_is_refused(self, names, secure_sink):
        transport._tls.cache_clear()
        names.known[NAME] = ["127.0.0.1"]
        assert send(secure_sink.url(host=NAME)).no_answer is NoAnswer.TLS_FAILED
        assert secure_sink.received == []
