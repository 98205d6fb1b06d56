"""Servers that misbehave, for what can be proven of a request that got no proper answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def answer(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


class Server:
    """Answers each connection by a script, and remembers what it read."""

    def __init__(self, script: Callable[[socket.socket, bytes], None]) -> None:
        self.script = script
        self.requests: list[bytes] = []
        self.connections = 0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            try:
                while request := _read_request(connection):
                    self.requests.append(request)
                    self.script(connection, request)
            except OSError:
                return

    def stop(self) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()


def _read_request(connection: socket.socket) -> bytes:
    read = b""
    while b"\r\n\r\n" not in read:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        read += chunk
    head, _, body = read.partition(b"\r\n\r\n")
    lengths = [line[15:] for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"]
    length = int(lengths[0]) if lengths else 0
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def serving(script: Callable[[socket.socket, bytes], None]) -> Iterator[Server]:
    server = Server(script)
    try:
        yield server
    finally:
        server.stop()


def says(*parts: bytes) -> Callable[[socket.socket, bytes], None]:
    """The parts, and the connection stays open."""

    def script(connection: socket.socket, _request: bytes) -> None:
        for part in parts:
            connection.sendall(part)

    return script


def says_and_closes(
    part: bytes, closed: threading.Semaphore | None = None
) -> Callable[[socket.socket, bytes], None]:
    """The part, and the connection is closed; `closed` tells when."""

    def script(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(part)
        connection.shutdown(socket.SHUT_RDWR)
        if closed:
            closed.release()

    return script
