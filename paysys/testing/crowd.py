"""People who act at the very same moment, again and again.

In the suite each of these proofs is repeated a few times; `make proofs` repeats it a hundred times.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any

from django.db import connection, connections

ROUNDS = int(os.environ.get("ROUNDS") or 5)


class Crowd:
    """So many threads, each with a connection that it keeps: a round costs what its work costs."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.together = Barrier(size)
        self.threads = ThreadPoolExecutor(size)

    def at_once(self, act: Callable[[int], Any]) -> list[Any]:
        """Everybody calls `act` with their number, all let go together; what came back or was
        raised."""

        def one(number: int) -> Any:
            connection.ensure_connection()
            self.together.wait(timeout=60)
            try:
                return act(number)
            except Exception as error:  # noqa: BLE001
                return error

        return list(self.threads.map(one, range(self.size), timeout=120))

    def go_home(self) -> None:
        def close(_: int) -> None:
            self.together.wait(timeout=60)  # so that each thread gets one
            connections.close_all()

        list(self.threads.map(close, range(self.size)))
        self.threads.shutdown()


@contextmanager
def crowd(size: int) -> Iterator[Crowd]:
    people = Crowd(size)
    try:
        yield people
    finally:
        people.go_home()


def said(results: list[Any]) -> dict[str, int]:
    """How many were let through (`done`), and how many were refused with which error."""
    counted: dict[str, int] = {}
    for result in results:
        word = type(result).__name__ if isinstance(result, Exception) else "done"
        counted[word] = counted.get(word, 0) + 1
    return counted
