"""The client's own small book of wallets: what each must hold, by the answers the client got."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping

# Wallet -> what is added to it, in minor units, negative for what leaves it.
Moves = Mapping[str, int]


class Purses:
    """May be written by several threads."""

    def __init__(self) -> None:
        self._moves: dict[str, Moves] = {}
        self._lock = threading.Lock()

    def note(self, public_id: str, moves: Moves) -> None:
        """The payment or transfer of this id was accepted, and moves this if it stands."""
        with self._lock:
            self._moves[public_id] = moves

    def balances(self, stands: Callable[[str], bool]) -> dict[str, int]:
        """What each wallet that anything was about must hold, by what stands in the end."""
        held: Counter[str] = Counter()
        for public_id, moves in self._moves.items():
            for wallet, minor in moves.items():
                held[wallet] += minor if stands(public_id) else 0
        return dict(held)
