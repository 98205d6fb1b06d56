"""The other side of the wire: a company with a memory of its own, which can be told to misbehave.

It honors an `op_key` once, as payment companies do, and replays the answer it saved under one, a
500 included. What it did is counted here, apart from what our books say.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from apps.core import db
from apps.sagas.definition import Call, Intent, Observation, Outcome

HORIZON_SECONDS = 20 * 3600.0


class Fault(StrEnum):
    """What becomes of one request."""

    NONE = "ok"
    DECLINE = "decline"
    TIMEOUT_BEFORE = "timeout_before"  # it never arrives, and we cannot know
    TIMEOUT_AFTER = "timeout_after"  # it is carried out, the answer is lost
    ERROR_BEFORE = "error_before"  # 500, nothing done, and the 500 is saved
    ERROR_LOST = "error_lost"  # the same, and the answer is lost
    ERROR_AFTER = "error_after"  # carried out, answered with a 500 that is saved
    UNSAVED_ERROR = "unsaved_error"  # 503 from a proxy: nothing done, nothing saved
    LATE = "late"  # times out, and is carried out when `arrive` is called
    UNSENT = "unsent"  # it provably never left this machine
    QUIET = "quiet"  # an inspection that finds nothing new


TIMEOUT = Observation(Outcome.UNKNOWN, code="timeout")
WITHOUT_EFFECT = {
    Fault.UNSENT: Observation(Outcome.ABSENT, unsent=True),
    Fault.QUIET: Observation(Outcome.ABSENT),
    Fault.TIMEOUT_BEFORE: TIMEOUT,
    Fault.LATE: TIMEOUT,
    Fault.UNSAVED_ERROR: Observation(Outcome.UNKNOWN, code="http_503", answered=True),
}


class Outside:
    """The company, in this process; with a `book` its memory is a file and outlives us."""

    def __init__(self, book: Path | None = None) -> None:
        self.book = book
        self.effects: dict[str, int] = {}  # op_key -> how often it was carried out
        self.declined: set[str] = set()
        self.saved_errors: set[str] = set()
        self.under_way: list[Intent] = []
        self.faults: dict[str, deque[Fault]] = {}
        self.look_up_faults: deque[bool] = deque()  # True: this look-up cannot tell
        self.blind = False  # no look-up can tell
        self.sent: list[str] = []
        self.looked_up: list[str] = []
        self.before_send: Callable[[Intent], None] = lambda _intent: None
        self.after_send: Callable[[Intent], None] = lambda _intent: None
        self.before_look_up: Callable[[Intent], None] = lambda _intent: None
        if book is not None and book.exists():
            self.effects = Counter(json.loads(line) for line in book.read_text().splitlines())

    def plan(self, call: str, *faults: str) -> None:
        """What becomes of the next requests of this kind; those after them go well."""
        self.faults.setdefault(call, deque()).extend(map(Fault, faults))

    def count(self, call: str) -> int:
        """How many operations of one kind were carried out, whatever their keys."""
        return sum(n for key, n in self.effects.items() if f".{call}:" in key)

    def keys(self, call: str) -> list[str]:
        """The keys of the requests of one kind, in the order they were sent."""
        return [key for key in self.sent if f".{call}:" in key]

    def arrive(self) -> None:
        """The requests that were under way all this time reach the other side."""
        for intent in self.under_way:
            self._carry_out(intent)
        self.under_way.clear()

    def send(self, intent: Intent) -> Observation:
        assert not db.is_open(), "a call is made with no transaction open"
        self.before_send(intent)
        self.sent.append(intent.op_key)
        planned = self.faults.get(intent.call)
        observation = self._answer(intent, planned.popleft() if planned else Fault.NONE)
        self.after_send(intent)
        return observation

    def look_up(self, intent: Intent) -> Observation:
        assert not db.is_open(), "a look-up is made with no transaction open"
        self.before_look_up(intent)
        self.looked_up.append(intent.op_key)
        if self.blind or (self.look_up_faults and self.look_up_faults.popleft()):
            # It answered us, with a 500: that says nothing about the call itself.
            return Observation(Outcome.UNKNOWN, code="http_500", answered=True)
        if intent.op_key in self.declined:
            return _declined()
        if intent.op_key in self.effects:
            return _succeeded(intent)
        return Observation(Outcome.ABSENT)

    def _answer(self, intent: Intent, fault: Fault) -> Observation:
        key = intent.op_key
        if fault in WITHOUT_EFFECT:
            if fault is Fault.LATE:
                self.under_way.append(intent)
            return WITHOUT_EFFECT[fault]
        if key in self.saved_errors - self.effects.keys():
            return Observation(Outcome.ABSENT)  # it repeats the error that it saved: nothing done
        if key not in self.effects and key not in self.declined:
            if fault is Fault.DECLINE:
                self.declined.add(key)
            elif fault in (Fault.ERROR_BEFORE, Fault.ERROR_LOST):
                self.saved_errors.add(key)
            else:
                self._carry_out(intent)
                if fault is Fault.ERROR_AFTER:
                    self.saved_errors.add(key)
        if fault in (Fault.TIMEOUT_AFTER, Fault.ERROR_LOST):
            return TIMEOUT
        if key in self.saved_errors:
            return Observation(Outcome.UNKNOWN, code="http_500", answered=True)
        return _declined() if key in self.declined else _succeeded(intent)

    def _carry_out(self, intent: Intent) -> None:
        key = intent.op_key
        if key in self.effects or key in self.declined or key in self.saved_errors:
            return
        self.effects[key] = 1
        if self.book is not None:
            with self.book.open("a") as book:
                book.write(json.dumps(key) + "\n")


def _succeeded(intent: Intent) -> Observation:
    reference = f"ref_{intent.op_key}"
    return Observation(Outcome.SUCCEEDED, {"id": reference}, provider_reference=reference)


def _declined() -> Observation:
    return Observation(Outcome.FAILED, code="insufficient_funds", message="Declined.")


class _Here:
    """Which company the calls of this process reach; a fixture puts a new one here per test."""

    outside = Outside()


def here() -> Outside:
    return _Here.outside


def place(outside: Outside) -> Outside:
    _Here.outside = outside
    return outside


def calls(*names: str) -> tuple[Call, ...]:
    """Calls that reach whatever company is here when they are made."""
    return tuple(
        Call(
            name,
            send=lambda intent: here().send(intent),
            look_up=lambda intent: here().look_up(intent),
            horizon_seconds=lambda _intent: HORIZON_SECONDS,
            is_inspection=name == "inspect",
        )
        for name in names
    )
