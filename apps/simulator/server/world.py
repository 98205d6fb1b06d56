"""What every operation works in: the book, the clock, and the news it publishes."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from . import objects
from .store import Record, Store
from .wire import Json, missing

# What an endpoint of ours would subscribe to; "*" is everything.
NEWS = (
    "payment_intent.amount_capturable_updated", "payment_intent.succeeded",
    "payment_intent.payment_failed", "payment_intent.canceled", "payment_intent.requires_action",
    "refund.*", "charge.refund.updated", "charge.dispute.*", "payout.*",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Config:
    """How this simulator behaves. Seconds everywhere; `later_seconds` None: only when told to."""

    base_url: str = ""
    api_version: str = ""
    hold_seconds: float = 30.0
    later_seconds: float | None = 3.0
    available_after_seconds: int = 2 * 86_400
    webhook_url: str = ""
    webhook_secret: str = "whsec_simulator"  # noqa: S105 (a test double's default)
    webhook_events: tuple[str, ...] = NEWS
    webhook_backoff_seconds: float = 1.0
    paypal_webhook_url: str = ""
    paypal_webhook_id: str = ""
    paypal_reporting_delay_seconds: int = 3 * 3600
    paypal_most_lines: int = 10_000
    seed: int = 0
    schedule: str = ""


@dataclass(slots=True)
class World:
    store: Store
    config: Config
    stopping: threading.Event = field(default_factory=threading.Event)
    has_news: threading.Event = field(default_factory=threading.Event)
    offset: int = 0
    has_faulty_cards: bool = False  # a card that breaks calls may be in use
    in_flight: set[str] = field(default_factory=set)  # idempotency keys whose request still runs
    mutex: threading.Lock = field(default_factory=threading.Lock)
    request: Json = field(default_factory=lambda: {"id": None, "idempotency_key": None})
    on_event: Callable[[Record], None] = lambda _event: None

    def now(self) -> int:
        """The simulator's clock: the wall's plus the offset a test moved it by."""
        return int(time.time()) + self.offset

    @contextmanager
    def claim(self, key: str | None, busy: Exception) -> Iterator[None]:
        """The block is the only request of this key; another one, meanwhile, hears `busy`."""
        if key is None:
            yield
            return
        with self.mutex:
            if key in self.in_flight:
                raise busy
            self.in_flight.add(key)
        try:
            yield
        finally:
            with self.mutex:
                self.in_flight.discard(key)

    def get(self, object_id: str, kind: str, *, param: str = "", status: int = 404) -> Record:
        """:raises StripeError: `resource_missing`."""
        found = self.store.find(object_id, kind)
        if found is None:
            raise missing(kind, object_id, param=param or kind, status=status)
        return found

    def add(self, kind: str, body: Json, facts: Json | None = None) -> Record:
        record = Record(body["id"], kind, body["created"], body, facts or {})
        return self.store.insert(record)

    def emit(self, kind: str, body: Json, previous: Json | None = None) -> None:
        """Write the event and, if the endpoint listens to it, its delivery: in the same commit."""
        data: Json = {"object": body}
        if previous is not None:
            data["previous_attributes"] = previous
        event = objects.event(
            objects.new_id("evt"), self.now(), version=self.config.api_version, kind=kind,
            data=data, request=self.request,
        )  # fmt: skip
        self.on_event(self.add("event", event, {"object": body["id"]}))

    def later(self, what: str, object_id: str, seconds: float | None = None) -> None:
        """Something will happen to this object after `seconds`, or the configured time."""
        if seconds is None:
            seconds = self.config.later_seconds
        # Without a time it waits until a test says so: beyond any clock.
        due = self.now() + int(seconds) if seconds is not None else 1 << 50
        self.store.write(
            "INSERT INTO later (due_at, what, object_id) VALUES (?, ?, ?)", (due, what, object_id)
        )


def shown(world: World, record: Record) -> Json:
    """The body as of now: a line of the balance becomes available by time alone."""
    body = record.body
    if record.kind == "balance_transaction" and body["available_on"] <= world.now():
        body["status"] = "available"
    return body


def touch(world: World, record: Record, **changes: Any) -> Record:
    record.body.update(changes)
    world.store.save(record)
    return record
