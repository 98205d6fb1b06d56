"""HTTP/1.1 with keep-alive, a thread per connection: a held connection holds up nobody else.

Read by hand rather than by the standard library's handler, whose e-mail parser costs more than the
rest of a request together; and a planted reset or silence needs the bare socket anyway.
"""

import socket
import struct
import threading
import time
import traceback
from collections.abc import Callable
from http import HTTPStatus
from socketserver import StreamRequestHandler, ThreadingTCPServer
from urllib.parse import unquote

from .wire import Call, Reply, StripeError, json_reply
from .world import World

Answer = Callable[[Call], Reply]

_LINE_LIMIT = 16_384
_HEADER_LIMIT = 100
_BODY_LIMIT = 16_000_000  # files for disputes
_IDLE_SECONDS = 120.0
_REASONS = {status.value: status.phrase for status in HTTPStatus}


class Listener(ThreadingTCPServer):
    """Serves until told to stop; then lets running requests end."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, host: str, port: int, world: World, answers: dict[str, Answer]) -> None:
        self.world = world
        self.answers = answers
        self.running = 0
        self.mutex = threading.Lock()
        super().__init__((host, port), _Connection)

    def drain(self, seconds: float) -> None:
        """Wait until no request runs, at most `seconds`."""
        until = time.monotonic() + seconds
        while self.running and time.monotonic() < until:
            time.sleep(0.01)

    def answer(self, call: Call) -> Reply:
        prefix = "/" + call.path.split("/", 2)[1]
        try:
            return self.answers.get(prefix, self.answers["/v1"])(call)
        except StripeError as error:
            return json_reply({"error": error.error}, error.status)
        except Exception:  # noqa: BLE001
            # A bug of the simulator's own must look like one, not like a planted fault.
            traceback.print_exc()
            return json_reply({"error": {"type": "api_error", "message": "simulator bug"}}, 500)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news; anything else is a bug and is printed."""
        import sys

        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Connection(StreamRequestHandler):
    disable_nagle_algorithm = True
    timeout = _IDLE_SECONDS
    server: Listener

    def handle(self) -> None:
        while not self.server.world.stopping.is_set():
            call = self._read()
            if call is None:
                return
            with self.server.mutex:
                self.server.running += 1
            try:
                reply = self.server.answer(call)
                if reply.linger:
                    self._break_off(reply)
                    return
                self._send(reply, close=call.headers.get("connection", "").lower() == "close")
            finally:
                with self.server.mutex:
                    self.server.running -= 1
            if call.headers.get("connection", "").lower() == "close":
                return

    def _read(self) -> Call | None:
        """The next request; None when the peer is done, or speaks something else."""
        start = self.rfile.readline(_LINE_LIMIT).decode("latin-1").split()
        if len(start) != 3 or not start[2].startswith("HTTP/1."):
            return None
        headers: dict[str, str] = {}
        for _ in range(_HEADER_LIMIT):
            line = self.rfile.readline(_LINE_LIMIT).decode("latin-1")
            name, colon, value = line.partition(":")
            if not colon:
                break
            headers[name.strip().lower()] = value.strip()
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > _BODY_LIMIT or "transfer-encoding" in headers:
            self._send(json_reply({"error": {"message": "Request too large."}}, 413), close=True)
            return None
        if headers.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self.rfile.read(int(length)) if length != "0" else b""
        path, _, query = start[1].partition("?")
        return Call(start[0], unquote(path), headers, query, body)

    def _send(self, reply: Reply, *, close: bool) -> None:
        """One write for head and body: two would wait for each other's acknowledgement."""
        lines = [
            f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Unknown')}",
            f"Content-Type: {reply.content_type}",
            f"Content-Length: {len(reply.body)}",
            *(f"{name}: {value}" for name, value in reply.headers.items()),
        ]
        if close or self.server.world.stopping.is_set():
            lines.append("Connection: close")
        self.wfile.write("\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + reply.body)

    def _break_off(self, reply: Reply) -> None:
        if reply.linger == "hold":
            self.server.world.stopping.wait(reply.linger_seconds)
            return
        # Closed with a reset, so that the peer sees "connection reset by peer" and no orderly end.
        # The socket itself goes with its last file, in `finish`, before the server shuts it down.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
