"""Work done by several threads, each with a connection of its own, and a bar that says how far."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from tqdm import tqdm

from paysys.replay.client import Client

T = TypeVar("T")


class Crew:
    def __init__(self, url: str, *, size: int) -> None:
        self.url = url
        self.size = size

    def do(self, work: Sequence[T], do: Callable[[Client, T], None], what: str) -> None:
        """`do` for every piece of work.

        :raises BaseException: the first that any of the threads met; the others stop.
        """
        waiting: queue.SimpleQueue[T] = queue.SimpleQueue()
        _fill(waiting, work)
        failures: list[BaseException] = []
        with tqdm(total=len(work), desc=what, unit="", mininterval=0.5) as bar:
            threads = [
                threading.Thread(target=self._work, args=(waiting, do, bar, failures), daemon=True)
                for _ in range(self.size)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        if failures:
            raise failures[0]

    def _work(
        self,
        waiting: queue.SimpleQueue[T],
        do: Callable[[Client, T], None],
        bar: Any,
        failures: list[BaseException],
    ) -> None:
        client = Client(self.url)
        try:
            while not failures:
                try:
                    piece = waiting.get_nowait()
                except queue.Empty:
                    return
                do(client, piece)
                bar.update()
        except BaseException as error:  # noqa: BLE001  handed to the thread that waits for us
            failures.append(error)
        finally:
            client.close()


def _fill(waiting: queue.SimpleQueue[T], work: Iterable[T]) -> None:
    for piece in work:
        waiting.put(piece)
