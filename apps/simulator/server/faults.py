"""Faults on demand: by header, by control, by card and by a seeded schedule.

| kind | what the client sees | effect |
|---|---|---|
| `timeout_before`, `reset_before` | no answer (held, then closed; or reset at once) | none |
| `timeout_after`, `reset_after` | no answer | the operation happened; its key replays it |
| `error_before` | 500, saved under the key | none |
| `error_after` | 500, saved under the key | the operation happened |
| `unavailable` | 503, not saved | none |
| `rate_limit`, `lock_timeout` | 429, not saved | none |
| `slow:MS` | the true answer, late | the operation happens late |

A timeout may say for how many seconds it holds: `timeout_after:0.5`.
"""

import hashlib
import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .wire import Json, Reply, StripeError

BEFORE = ("timeout_before", "reset_before", "unavailable", "rate_limit", "lock_timeout")
AFTER = ("timeout_after", "reset_after", "error_after")
KINDS = (*BEFORE, *AFTER, "error_before", "slow")
WEBHOOK_KINDS = ("late", "twice", "reordered", "lost")


@dataclass(frozen=True, slots=True)
class Fault:
    kind: str
    amount: float | None = None  # seconds held, or milliseconds of slowness and lateness


def parse(text: str) -> Fault:
    """`slow:300`, `slow_300`, `timeout_after`, `timeout_after:0.5`.

    :raises StripeError: 400, no such fault.
    """
    kind, _, amount = text.strip().partition(":")
    if kind not in KINDS + WEBHOOK_KINDS and "_" in kind and not amount:
        kind, _, amount = kind.rpartition("_")
    if kind not in KINDS + WEBHOOK_KINDS:
        raise StripeError(400, f"No such fault: {text}", param="fault")
    try:
        return Fault(kind, float(amount) if amount else None)
    except ValueError as reason:
        raise StripeError(400, f"No such fault: {text}", param="fault") from reason


def cut_off(reply: Reply, fault: Fault, hold_seconds: float) -> Reply:
    """What the network does instead of answering."""
    if fault.kind.startswith("timeout"):
        reply.linger = "hold"
        reply.linger_seconds = hold_seconds if fault.amount is None else fault.amount
    elif fault.kind.startswith("reset"):
        reply.linger = "reset"
    return reply


@dataclass(slots=True)
class _Planted:
    op: str
    fault: Fault
    times: int  # -1: until the reset
    type: str


@dataclass(frozen=True, slots=True)
class _Chance:
    op: str
    fault: Fault
    probability: float


class Faults:
    """Which fault, if any, the next call of an operation meets; by seed and ordinal."""

    def __init__(self, schedule: str, seed: int) -> None:
        self._chances = read_schedule(schedule)
        self._seed = seed
        self._lock = threading.Lock()
        self._planted: list[_Planted] = []
        self._calls: dict[str, int] = {}

    def plant(self, op: str, text: str, times: int, event_type: str = "") -> None:
        """The next `times` calls of `op` ("*": any call) meet this fault; -1: all of them."""
        with self._lock:
            self._planted.append(_Planted(op, parse(text), times, event_type))

    def reset(self) -> None:
        with self._lock:
            self._planted.clear()
            self._calls.clear()

    def planted(self) -> list[Json]:
        with self._lock:
            return [
                {"op": p.op, "kind": p.fault.kind, "amount": p.fault.amount, "times": p.times}
                for p in self._planted
            ]

    def pick(self, op: str, header: str | None = None, event_type: str = "") -> Fault | None:
        """The header first, then what was planted, then chance."""
        if header:
            return parse(header)
        if not self._planted and not self._chances:
            return None
        with self._lock:
            for planted in self._planted:
                if planted.times != 0 and planted.op in (op, "*") and _fits(planted, event_type):
                    if planted.op == "*" and op == "webhook":
                        continue
                    planted.times -= planted.times > 0
                    if planted.times == 0:
                        self._planted.remove(planted)
                    return planted.fault
            ordinal = self._calls[op] = self._calls.get(op, 0) + 1
        return self._chance(op, ordinal)

    def _chance(self, op: str, ordinal: int) -> Fault | None:
        draw = _draw(self._seed, op, ordinal)
        for chance in self._chances:
            if chance.op == op or (chance.op == "*" and op != "webhook"):
                if draw < chance.probability:
                    return chance.fault
                draw -= chance.probability
        return None


def _fits(planted: _Planted, event_type: str) -> bool:
    return not planted.type or planted.type == event_type


def _draw(seed: int, op: str, ordinal: int) -> float:
    digest = hashlib.sha256(f"{seed}:{op}:{ordinal}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


def read_schedule(text: str) -> list[_Chance]:
    """`confirm:timeout_after=0.01,*:slow:300=0.02,webhook:lost=0.01`, or JSON, or a file of either.

    JSON: `{"faults": [{"op": "confirm", "kind": "timeout_after", "probability": 0.01}]}`.

    :raises StripeError: it cannot be read.
    """
    if not text:
        return []
    if text.endswith(".json"):
        text = Path(text).read_text()
    if text.lstrip().startswith("{"):
        return [_read(entry) for entry in json.loads(text)["faults"]]
    chances = []
    for part in text.split(","):
        what, _, probability = part.strip().rpartition("=")
        op, _, kind = what.partition(":")
        chances.append(_read({"op": op, "kind": kind, "probability": probability}))
    return chances


def _read(entry: Any) -> _Chance:
    try:
        probability = float(entry["probability"])
        return _Chance(entry.get("op", "*"), parse(entry["kind"]), probability)
    except (KeyError, ValueError, AttributeError) as reason:
        raise StripeError(400, f"Cannot read the fault schedule: {entry}") from reason
