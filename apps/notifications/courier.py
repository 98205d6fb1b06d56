"""The courier: takes the queues of endpoints that have waited longest, and sends what is in them.

A thread of every worker process is one. It alone speaks to the database; what waits for an endpoint
is a pool of threads that know nothing but a URL and a body. An endpoint's queue belongs to one
courier at a time, and an endpoint gets a second thread only for having answered fast: one that
hangs keeps one thread busy and nobody waiting but itself. However many hang, they leave some
threads to those that do not.

Delivery is at least once: what was sent and not recorded, by whatever died in between, is sent
again under the same `webhook-id`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import Final
from uuid import UUID

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connection
from standardwebhooks import Webhook

from apps.core import clock, db, ids
from apps.notifications import selectors, store, transport
from apps.notifications.models import Delivery
from apps.notifications.public import render_event
from apps.notifications.store import Attempt, Lease
from apps.notifications.types import Answer, NoAnswer

THREADS: Final = 32  # requests that a process has under way at once
KEPT_PART: Final = 4  # one in so many of these is kept from endpoints that were slow
MOST_AT_ONCE: Final = 8  # of these to one endpoint
FAST_MS: Final = 1000  # an answer within this earns an endpoint another thread
BOOKS_A_ROUND: Final = 20
BEFORE_ALL: Final = UUID(int=0)
RENEW_SECONDS: Final = 5.0
CLOSE_SECONDS: Final = 2.0

log = structlog.get_logger(__name__)


class _Turn:
    """One endpoint's queue while it is ours."""

    def __init__(self, held: Lease) -> None:
        self.held = held
        self.at_once = 1
        self.is_slow = False  # as far as it is known
        self.under_way: set[UUID] = set()
        self.attempts: list[Attempt] = []  # made, not recorded yet
        self.renewed_at = time.monotonic()

    @property
    def room(self) -> int:
        return self.at_once - len(self.under_way)

    def note(self, attempt: Attempt) -> None:
        self.under_way.discard(attempt.delivery.id)
        self.attempts.append(attempt)
        answer = attempt.answer
        is_fast = answer.status_code is not None and answer.duration_ms <= FAST_MS
        self.at_once = min(self.at_once * 2, MOST_AT_ONCE) if is_fast else 1
        self.is_slow = not is_fast


_Act = Callable[[_Turn, datetime], None]


class Courier:
    """See the module's own words. All methods belong to one thread."""

    def __init__(self, *, threads: int = THREADS) -> None:
        self.woken = threading.Event()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="courier")
        self._threads = threads
        self._turns: dict[UUID, _Turn] = {}
        self._under_way = 0
        self._last_book = BEFORE_ALL
        self._made: SimpleQueue[tuple[_Turn, Attempt]] = SimpleQueue()

    @property
    def is_busy(self) -> bool:
        """Whether requests are under way, or queues held."""
        return bool(self._under_way or self._turns)

    def run(self, stopping: threading.Event) -> None:
        """Work until told to stop. The first round is the recovery after a crash, too."""
        while not stopping.is_set():
            close_old_connections()
            try:
                is_more = self.round(now=clock.now())
            except Exception:
                log.exception("courier_round_failed")
                connection.close()
                is_more = False
            if not is_more:
                self.woken.wait(settings.PAYSYS_WEBHOOK_POLL_SECONDS)
            self.woken.clear()
        self.close()

    def round(self, *, now: datetime) -> bool:
        """Record what was made, queue what happened, and send what is due; whether there is more.

        Transaction: each endpoint its own; none may be open.
        :raises OperationalError: the database is away. What was made is kept for the next round.
        """
        self._hear()
        for turn in list(self._turns.values()):
            self._guarded(turn, self._record, now)
        store.listen()
        is_more = self._fan_out_some(now)
        if self._free > 0:
            for held in store.lease(now=now, limit=self._free):
                self._turns[held.endpoint_id] = _Turn(held)
        # Whoever has least goes first, so that the busy leave room for the others.
        for turn in sorted(self._turns.values(), key=lambda turn: len(turn.under_way)):
            self._guarded(turn, self._go_on, now)
        return is_more

    def close(self) -> None:
        """Let what is under way end if it ends soon, and let go of everything else."""
        until = time.monotonic() + CLOSE_SECONDS
        while self._under_way and time.monotonic() < until:
            self.woken.clear()
            self._hear()
            if self._under_way:
                self.woken.wait(until - time.monotonic())
        for turn in list(self._turns.values()):
            self._guarded(turn, self._record, clock.now())
            if not turn.under_way:
                self._guarded(turn, self._release, clock.now())
        self._pool.shutdown(wait=False, cancel_futures=True)
        connection.close()

    def _fan_out_some(self, now: datetime) -> bool:
        """Queue what happened in the next books that have news; whether there may be more.

        In turn, so that no book waits because others always have news, or cannot be queued.
        """
        after = self._last_book
        books = selectors.list_books_with_news(after=after, limit=BOOKS_A_ROUND)
        is_end = len(books) < BOOKS_A_ROUND
        self._last_book = BEFORE_ALL if is_end else books[-1]
        queued = [_fan_out(book_id, now) for book_id in books]
        return any(queued) or (is_end and after != BEFORE_ALL)

    # --- one endpoint -----------------------------------------------------------------------

    def _guarded(self, turn: _Turn, act: _Act, now: datetime) -> None:
        """Do something for one endpoint; whatever is wrong with it is no other's trouble."""
        if self._turns.get(turn.held.endpoint_id) is not turn:
            return
        try:
            act(turn, now)
        except db.GuardFailed:
            self._forget(turn)
            log.warning("courier_lease_lost", endpoint=str(turn.held.endpoint_id))
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            # Its lease runs out, and somebody tries again then.
            self._forget(turn)
            log.exception("courier_turn_failed", endpoint=str(turn.held.endpoint_id))

    def _record(self, turn: _Turn, now: datetime) -> None:
        if turn.attempts:
            store.record(turn.held, turn.attempts, now=now)
            turn.attempts = []
            turn.renewed_at = time.monotonic()

    def _go_on(self, turn: _Turn, now: datetime) -> None:
        """Send what there is room for; let go of the queue when nothing is left to do."""
        kept = self._threads // KEPT_PART if turn.is_slow else 0
        room = min(turn.room, self._free - kept)
        if room > 0:
            of_queue = {"book_id": turn.held.book_id, "endpoint_id": turn.held.endpoint_id}
            due = selectors.list_due(**of_queue, besides=turn.under_way, limit=room, now=now)
            if due:
                # None, if the endpoint was deleted meanwhile: then nothing is sent.
                secrets = selectors.list_live_secrets(**of_queue, now=now)
                for delivery in due if secrets else ():
                    self._send(turn, delivery, secrets)
            elif not turn.under_way:
                self._release(turn, now)
        if time.monotonic() - turn.renewed_at > RENEW_SECONDS:
            with db.unit():
                store.renew(turn.held)
            turn.renewed_at = time.monotonic()

    def _release(self, turn: _Turn, _now: datetime) -> None:
        store.release(turn.held)
        self._forget(turn)

    def _forget(self, turn: _Turn) -> None:
        del self._turns[turn.held.endpoint_id]

    # --- the pool ---------------------------------------------------------------------------

    @property
    def _free(self) -> int:
        return self._threads - self._under_way

    def _send(self, turn: _Turn, delivery: Delivery, secrets: Sequence[str]) -> None:
        url = delivery.endpoint.url
        body = json.dumps(render_event(delivery.event), separators=(",", ":"))
        turn.under_way.add(delivery.id)
        self._under_way += 1
        self._pool.submit(self._attempt, turn, delivery, url, body, secrets)

    def _attempt(
        self, turn: _Turn, delivery: Delivery, url: str, body: str, secrets: Sequence[str]
    ) -> None:
        """In a thread of the pool: it must not touch the database."""
        started_at = clock.now()
        try:
            headers = signed(
                ids.encode("evt", delivery.event_id), body, secrets=secrets, now=started_at
            )
            answer = transport.send(url=url, body=body.encode(), headers=headers)
        except Exception:
            # A bug of ours: the delivery has its schedule and its end all the same.
            log.exception("courier_attempt_failed", delivery=str(delivery.id))
            answer = Answer(None, NoAnswer.CONNECTION_FAILED, 0)
        self._made.put((turn, Attempt(delivery, answer, started_at)))
        self.woken.set()

    def _hear(self) -> None:
        while True:
            try:
                turn, attempt = self._made.get_nowait()
            except Empty:
                return
            self._under_way -= 1
            turn.note(attempt)


def _fan_out(book_id: UUID, now: datetime) -> bool:
    """Queue what happened in one book; whether that could be done."""
    try:
        store.fan_out(book_id=book_id, now=now)
    except (OperationalError, InterfaceError):
        raise
    except Exception:  # one book that cannot be told must not keep the others waiting
        log.exception("courier_fan_out_failed", book=str(book_id))
        return False
    return True


def signed(event_id: str, body: str, *, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """The headers of Standard Webhooks: one signature for every live secret.

    `webhook-id` is the event's, the same at every attempt and endpoint: by it a receiver knows
    what it has had before.
    """
    signatures = [Webhook(secret).sign(event_id, now, body) for secret in secrets]
    return {
        "content-type": "application/json",
        "connection": "close",
        "user-agent": "Paysys-Webhooks/1",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
