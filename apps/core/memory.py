"""What a process remembers between requests, and for how long.

The process that revokes a key or changes a plan forgets at once; the others do within the seconds
of what they remember, and no refusal is ever remembered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from django.db import connection

REMEMBERED = 10_000  # entries of each kind

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """A small memory of one process: what `load` said, for `seconds`."""

    def __init__(
        self,
        load: Callable[[K], V | None],
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._seconds = seconds
        self._clock = clock
        self._entries: dict[K, tuple[float, V]] = {}

    def get(self, key: K) -> V | None:
        """The value, at most `seconds` old; what does not exist is asked for every time.

        Inside a transaction it is asked for too: what that sees may be rolled back.
        """
        if connection.in_atomic_block:
            return self._load(key)
        entry = self._entries.get(key)
        now = self._clock()
        if entry is not None and now < entry[0]:
            return entry[1]
        value = self._load(key)
        if value is None:
            self.forget(key)
            return None
        if len(self._entries) >= REMEMBERED:
            self._entries.clear()
        self._entries[key] = (now + self._seconds, value)
        return value

    def forget(self, key: K) -> None:
        """Ask again at the next `get`."""
        self._entries.pop(key, None)

    def forget_all(self) -> None:
        """Ask again for everything."""
        self._entries.clear()
