"""How well a provider does an operation: a circuit, moved by what its calls told us.

CLOSED: calls go through. OPEN: too many of them failed, so nobody asks until `retry_at`. HALF_OPEN:
that time has come; the first call that succeeds closes the circuit, the first that fails opens it
anew. A circuit is a hint of where a call is not worth making: it decides where a new payment goes
and when a waiting one is tried again, and never what has become of a payment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

WINDOW: Final = timedelta(seconds=60)
COOL_DOWN: Final = timedelta(seconds=30)
LOWEST_RATE: Final = 50  # of a hundred calls within the window, so many have to succeed


class CircuitState(StrEnum):
    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


@dataclass(frozen=True, slots=True)
class Tally:
    """How many calls of a window ended well, and how many say that the provider is ill.

    A refusal is an answer: it ended well.
    """

    succeeded: int = 0
    failed: int = 0

    def __str__(self) -> str:
        return f"{self.succeeded} of {self.total} calls succeeded"

    @property
    def total(self) -> int:
        return self.succeeded + self.failed

    @property
    def rate(self) -> int:
        """Of a hundred, rounded down; without a call nothing is known to be wrong."""
        return self.succeeded * 100 // self.total if self.total else 100

    def is_bad(self, *, calls: int) -> bool:
        """Whether enough calls were made to say that too many of them failed."""
        return self.total >= calls and self.rate < LOWEST_RATE


@dataclass(frozen=True, slots=True)
class Circuit:
    """One provider's one operation. `seen` is what was seen when it opened."""

    provider: str
    operation: str
    opened_at: datetime | None = None
    retry_at: datetime | None = None
    changed_at: datetime | None = None
    seen: Tally = Tally()

    def state(self, now: datetime) -> CircuitState:
        if self.retry_at is None:
            return CircuitState.CLOSED
        return CircuitState.OPEN if now < self.retry_at else CircuitState.HALF_OPEN

    def heard(self, *, is_failure: bool, seen: Tally, now: datetime, calls: int) -> Circuit:
        """The circuit after one more call has ended, `seen` being all since it changed last.

        What is heard while it is open was asked before, and changes nothing. `calls` is how many
        it takes to open it.
        """
        state = self.state(now)
        if state is CircuitState.HALF_OPEN:
            return self._opened(seen, now) if is_failure else self._closed(now)
        if state is CircuitState.CLOSED and is_failure and seen.is_bad(calls=calls):
            return self._opened(seen, now)
        return self

    def _opened(self, seen: Tally, now: datetime) -> Circuit:
        return Circuit(self.provider, self.operation, now, now + COOL_DOWN, now, seen)

    def _closed(self, now: datetime) -> Circuit:
        return Circuit(self.provider, self.operation, changed_at=now)
