"""HTTP/1.1 with keep-alive, a thread per connection: a held connection holds up nobody else."""

import socket
import struct
import threading
import time
import traceback
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from .wire import Call, Reply, StripeError, json_reply
from .world import World

Answer = Callable[[Call], Reply]

_BODY_LIMIT = 1_000_000
_IDLE_SECONDS = 60.0
_REASONS = {status.value: status.phrase for status in HTTPStatus}


class Listener(ThreadingHTTPServer):
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
        super().__init__((host, port), _Handler)

    def drain(self, seconds: float) -> None:
        """Wait until no request runs, at most `seconds`."""
        until = time.monotonic() + seconds
        while self.running and time.monotonic() < until:
            time.sleep(0.01)

    def answer(self, call: Call) -> Reply:
        with self.mutex:
            self.running += 1
        try:
            prefix = "/_sim" if call.path.startswith("/_sim") else "/v1"
            return self.answers[prefix](call)
        except StripeError as error:
            return json_reply({"error": error.error}, error.status)
        except Exception:  # noqa: BLE001
            # A bug of the simulator's own must look like one, not like a planted fault.
            traceback.print_exc()
            return json_reply({"error": {"type": "api_error", "message": "simulator bug"}}, 500)
        finally:
            with self.mutex:
                self.running -= 1

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news; anything else is a bug and is printed."""
        import sys

        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _IDLE_SECONDS
    server: Listener

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > _BODY_LIMIT:
            self.close_connection = True
            self._send(json_reply({"error": {"message": "Request too large."}}, 413))
            return
        body = self.rfile.read(int(length)) if length != "0" else b""
        reply = self.server.answer(Call(self.command, unquote(path), headers, query, body))
        if reply.linger:
            self._break_off(reply)
        else:
            self._send(reply)

    def _send(self, reply: Reply) -> None:
        """One write for head and body: two would wait for each other's acknowledgement."""
        lines = [
            f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Unknown')}",
            f"Content-Type: {reply.content_type}",
            f"Content-Length: {len(reply.body)}",
            *(f"{name}: {value}" for name, value in reply.headers.items()),
        ]
        if self.server.world.stopping.is_set():
            self.close_connection = True
        if self.close_connection:
            lines.append("Connection: close")
        self.wfile.write("\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + reply.body)

    def _break_off(self, reply: Reply) -> None:
        self.close_connection = True
        if reply.linger == "hold":
            self.server.world.stopping.wait(reply.linger_seconds)
            return
        # Closed with a reset, so that the peer sees "connection reset by peer" and no orderly end.
        # The socket itself goes with its last file, in `finish`, before the server shuts it down.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """No access log: the book is the log."""
