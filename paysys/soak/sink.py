"""Where the soak's merchants listen: an endpoint that takes every event and remembers it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MOST_BYTES = 100_000


class Sink:
    """`events` are the ids of those that arrived; `repeated` counts what arrived again."""

    def __init__(self) -> None:
        self.events: set[str] = set()
        self.repeated = 0
        self.out_of_order: list[str] = []
        self._newest: dict[str, int] = {}
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.sink = self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.2,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, event: dict[str, Any]) -> None:
        """Remember it; an object's events must arrive in their order, for the first time each."""
        about, sequence = event["data"]["object"]["id"], event["sequence"]
        with self._lock:
            if event["id"] in self.events:
                self.repeated += 1
                return
            self.events.add(event["id"])
            if self._newest.get(about, 0) > sequence:
                self.out_of_order.append(f"{about}: {sequence} after {self._newest[about]}")
            self._newest[about] = sequence

    def missing(self, ids: set[str]) -> Iterator[str]:
        yield from sorted(ids - self.events)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    sink: Sink


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        length = min(int(self.headers.get("Content-Length", 0)), MOST_BYTES)
        self.server.sink.take(json.loads(self.rfile.read(length)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing: an event that arrived is in `events`."""
