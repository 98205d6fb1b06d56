"""The client's own book: a line before and after each request, on disk before anything goes on."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KEPT = 200  # operations that a failure prints


class Journal:
    """May be written by several threads; a line is on disk when `write` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        self._lock = threading.Lock()

    def write(self, **facts: Any) -> None:
        line = json.dumps({"at": round(time.time(), 3), **facts}, separators=(",", ":")) + "\n"
        with self._lock:
            os.write(self._file, line.encode())
        os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)

    def tail(self) -> list[str]:
        """The last lines, of which the newest stands last."""
        with self.path.open() as lines:
            return [line.rstrip("\n") for line in deque(lines, maxlen=KEPT)]


@dataclass
class Operation:
    """What was asked under one key, and everything that was ever answered.

    `answers` are those that are for good; `named` are the ids that any answer named.
    """

    key: str
    kind: str
    merchant: str
    path: str
    body: dict[str, Any]
    requests: int = 0
    answers: list[dict[str, Any]] = field(default_factory=list)
    named: set[str] = field(default_factory=set)

    @property
    def answer(self) -> dict[str, Any] | None:
        return self.answers[0] if self.answers else None

    @property
    def is_done(self) -> bool:
        """Whether it was answered, and the answer is yes."""
        return bool(self.answers) and self.answers[0]["status"] in (200, 201)


def read(path: Path) -> dict[str, Operation]:
    """The operations that the journal tells of, by key, in the order of their first requests."""
    found: dict[str, Operation] = {}
    for line in lines(path):
        if "asks" in line:
            kept = found.setdefault(
                line["key"],
                Operation(line["key"], line["asks"], line["merchant"], line["path"], line["body"]),
            )
            kept.requests += 1
        elif "status" in line:
            operation = found[line["key"]]
            operation.named |= {line["id"]} if line.get("id") else set()
            if line["is_final"]:
                operation.answers.append(line)
    return found


def decided(path: Path) -> set[str]:
    """The disputes, by the provider's ids, that a bank was about to decide."""
    return {line["decides"] for line in lines(path) if "decides" in line}


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Everything that was written down, in order."""
    with path.open() as written:
        for line in written:
            yield json.loads(line)
