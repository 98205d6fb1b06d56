"""News to the other side: signed as the company signs, sent again until answered."""

import hashlib
import hmac
import http.client
import json
import queue
import threading
import time
import traceback
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from . import later
from .faults import Faults
from .store import Record
from .wire import Json, dumps
from .world import World

_WORKERS = 2
_ATTEMPTS = 16
_LONGEST_BACKOFF_SECONDS = 60.0
_ANSWER_SECONDS = 10.0
_TICK_SECONDS = 0.25
_GATHER_SECONDS = 0.02
_STOP_SECONDS = 1.0
_OVERTAKEN_SECONDS = 1.5
_BATCH = 200

_LETTER = (
    "SELECT d.seq, d.attempts, o.kind, o.body, json_extract(o.facts, '$.object')"
    " FROM delivery d JOIN object o ON o.id = d.event WHERE d.seq = ?"
)
_Letter = tuple[int, int, int, str, str]  # generation, delivery, attempts so far, kind, event


@dataclass(slots=True)
class Address:
    """Where news of one company goes, which of it, and how it is dressed there.

    `secret` is what the receiver knows the sender by.
    """

    url: str
    secret: str
    names: tuple[str, ...]  # of events; "prefix.*", or "*" for everything
    body_of: Callable[[Json], bytes]
    headers: Callable[[bytes, str], dict[str, str]]

    def wants(self, name: str) -> bool:
        return any(
            name == wanted or (wanted.endswith("*") and name.startswith(wanted[:-1]))
            for wanted in self.names
        )


def body_of(event: Json) -> bytes:
    return dumps(event | {"pending_webhooks": 1}).encode()


def sign(body: bytes, secret: str, at: int) -> str:
    """The `Stripe-Signature` header: an HMAC over the time and the raw body."""
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={mac.hexdigest()}"


def headers(body: bytes, secret: str) -> dict[str, str]:
    return {
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Stripe-Signature": sign(body, secret, int(time.time())),
    }


class Postman:
    """Delivers events, and wakes the world for what happens later by itself."""

    def __init__(self, world: World, faults: Faults, addresses: dict[str, Address]) -> None:
        """`addresses` by the kind under which a company's events are kept."""
        self.world = world
        self.faults = faults
        self.addresses = addresses
        self._first = {kind: (one.url, one.secret) for kind, one in addresses.items()}
        # One queue a worker, chosen by object: news of one object keeps its order unless a fault
        # or a second attempt breaks it.
        self._queues: list[queue.Queue[_Letter]] = [queue.Queue() for _ in range(_WORKERS)]
        self._taken: set[int] = set()
        self._generation = 0
        self._rounds = threading.Thread(target=self._round, name="postman", daemon=True)
        self._mutex = threading.Lock()

    def start(self) -> None:
        self._rounds.start()
        for waiting in self._queues:
            threading.Thread(target=self._carry, args=(waiting,), daemon=True).start()

    def stop(self) -> None:
        """Once the world stops: wait until nobody here uses the book."""
        self._rounds.join(_STOP_SECONDS)

    def forget(self) -> None:
        """After a reset: what is still in somebody's hands belongs to an empty book."""
        self._generation += 1
        for kind, (url, secret) in self._first.items():
            self.addresses[kind].url, self.addresses[kind].secret = url, secret

    def post(self, event: Record) -> None:
        """Note the event's delivery in the open unit; without an address it stays undelivered."""
        address, name = self.addresses[event.kind], event.body.get("type", "")
        name = name or event.body["event_type"]
        if not address.url or not address.wants(name):
            return
        fault = self.faults.pick("webhook", event_type=name)
        kind, delay = (fault.kind, fault.amount) if fault else ("", None)
        due = time.time()
        if kind == "late":
            due += (3_000.0 if delay is None else delay) / 1_000
        elif kind == "reordered":
            due += _OVERTAKEN_SECONDS if delay is None else delay / 1_000
        state = "lost" if kind == "lost" else "waiting"
        for _ in range(2 if kind == "twice" else 1):
            self.world.store.write(
                "INSERT INTO delivery (event, due_at, state) VALUES (?, ?, ?)",
                (event.id, due, state),
            )

    def _round(self) -> None:
        """Look around a few times a second, and soon after there is news to send."""
        world, next_tick = self.world, 0.0
        while not world.stopping.is_set():
            world.has_news.wait(_TICK_SECONDS)
            world.has_news.clear()
            try:
                if time.monotonic() >= next_tick:
                    while later.run_due(world):
                        pass
                    next_tick = time.monotonic() + _TICK_SECONDS
                if any(address.url for address in self.addresses.values()):
                    self._hand_out()
            except Exception:  # noqa: BLE001
                traceback.print_exc()  # a bug, seen; the next round still goes
            world.stopping.wait(_GATHER_SECONDS)

    def _hand_out(self) -> None:
        """Give what is due to the workers, unless they have enough to do."""
        with self._mutex:
            taken = set(self._taken)
        if len(taken) >= _BATCH:
            return
        store, generation = self.world.store, self._generation
        with store.unit():
            due = store.rows(
                "SELECT seq FROM delivery WHERE state = 'waiting' AND due_at <= ?"
                " ORDER BY due_at, seq LIMIT ?",
                (time.time(), 2 * _BATCH),
            )
            fresh = [seq for (seq,) in due if seq not in taken]
            letters = [row for seq in fresh for row in store.rows(_LETTER, (seq,))]
        for seq, attempts, kind, event, about in letters:
            with self._mutex:
                self._taken.add(seq)
            worker = zlib.crc32(str(about).encode()) % _WORKERS
            self._queues[worker].put((generation, seq, attempts, kind, event))

    def _carry(self, waiting: "queue.Queue[_Letter]") -> None:
        line: http.client.HTTPConnection | None = None
        while not self.world.stopping.is_set():
            try:
                generation, seq, attempts, kind, event = waiting.get(timeout=_TICK_SECONDS)
            except queue.Empty:
                continue
            if generation == self._generation:
                line, answer = self._send(line, self.addresses[kind], json.loads(event))
            if generation == self._generation and not self.world.stopping.is_set():
                self._record(seq, attempts + 1, answer)
            with self._mutex:
                self._taken.discard(seq)
            if waiting.empty():
                self.world.has_news.set()

    def _send(
        self, line: http.client.HTTPConnection | None, to: Address, event: Json
    ) -> tuple[http.client.HTTPConnection, str]:
        """One attempt, on a kept connection. A stale one costs an attempt, as any failure does."""
        address, body = urlsplit(to.url), to.body_of(event)
        dressed = {"Content-Type": "application/json; charset=utf-8"}
        dressed |= to.headers(body, to.secret)
        if line is None or (line.host, line.port) != (address.hostname, address.port):
            kinds = {"https": http.client.HTTPSConnection}
            kind = kinds.get(address.scheme, http.client.HTTPConnection)
            line = kind(address.netloc, timeout=_ANSWER_SECONDS)
        try:
            line.request("POST", address.path or "/", body, dressed)
            response = line.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as reason:
            line.close()  # the next request on it opens it anew
            return line, type(reason).__name__
        return line, str(response.status)

    def _record(self, seq: int, attempts: int, answer: str) -> None:
        state, due = "waiting", time.time()
        if answer.startswith("2"):
            state = "delivered"
        elif attempts >= _ATTEMPTS:
            state = "given_up"
        else:
            first = self.world.config.webhook_backoff_seconds
            due += min(first * 2 ** (attempts - 1), _LONGEST_BACKOFF_SECONDS)
        with self.world.store.unit():
            self.world.store.write(
                "UPDATE delivery SET state = ?, due_at = ?, attempts = ?, answer = ? WHERE seq = ?",
                (state, due, attempts, answer, seq),
            )
