"""An endpoint of a merchant's: a real HTTP server in a thread, which does what a test plans."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

PATIENCE = 10  # seconds until a test that hangs fails instead


@dataclass(frozen=True)
class Received:
    """One request as it came over the wire."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        """The event, if a receiver who has this secret would believe it."""
        return Webhook(secret).verify(self.body, dict(self.headers))


# What becomes of a request: a status, or something done to the socket.
Plan = int | Callable[["_Handler"], None]


class Sink:
    """Answers 200, unless `plan` says otherwise for the next requests."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.received: list[Received] = []
        self.plans: deque[Plan] = deque()
        self.always: Plan = 200
        self.arrived = threading.Condition()
        self.released = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.sink = self
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.scheme = "http" if tls is None else "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    @property
    def sequences(self) -> list[int]:
        return [one.event["sequence"] for one in self.received]

    def plan(self, *plans: Plan) -> None:
        self.plans.extend(plans)

    def hang(self, handler: _Handler) -> None:
        """A plan: no answer before the test says so."""
        self.released.wait(PATIENCE)
        handler.answer(200)

    def wait_for(self, count: int) -> None:
        """Until so many requests have arrived, answered or not."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.received) >= count, PATIENCE)

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE)


class _Server(ThreadingHTTPServer):
    sink: Sink
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        sink = self.server.sink
        body = self.rfile.read(int(self.headers["content-length"]))
        with sink.arrived:
            sink.received.append(Received(self.path, self.headers, body))
            plan = sink.plans.popleft() if sink.plans else sink.always
            sink.arrived.notify_all()
        if isinstance(plan, int):
            self.answer(plan)
        else:
            plan(self)

    def answer(self, status: int, body: bytes = b"thanks", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def reset(handler: _Handler) -> None:
    """A plan: the connection breaks instead of an answer."""
    handler.connection.shutdown(socket.SHUT_RDWR)


def redirect_to(url: str) -> Plan:
    return lambda handler: handler.answer(302, Location=url)
