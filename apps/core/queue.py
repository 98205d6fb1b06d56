"""The doorbell: tells a worker that there is something to do.

What there is to do is a row in the database, found there also when nobody rang. So a bell is never
waited for, never retried and never an error: ids go out, after the commit, or not at all.

`settings.PAYSYS_QUEUE` is `celery`, or `record`, which sends nothing (for tests, which read what
would have been sent inside `recorded()`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import structlog
from celery import current_app
from django.conf import settings

from apps.core import db

Bell = tuple[str, tuple[str, ...]]

# A broker that is away costs most of a second per attempt: after a failure, none for this long.
SILENCE_SECONDS = 5.0

log = structlog.get_logger(__name__)


class _State:
    silent_until = 0.0
    recorders: list[list[Bell]] = []


def enqueue(task: str, *args: str) -> None:
    """Ring for `task` (its registered name) with ids as strings, once the caller's commit is done.

    Transaction: joins the open unit or transaction, and rings nothing if that fails; without one
    it rings at once.
    Retries: none, and it never raises: a lost bell is found by the sweeper of what it rang for.
    """
    db.on_commit(partial(_ring, task, args))


@contextmanager
def recorded() -> Iterator[list[Bell]]:
    """For tests: the (task, args) rung inside the block, in order, sent to nobody."""
    bells: list[Bell] = []
    _State.recorders.append(bells)
    try:
        yield bells
    finally:
        _State.recorders.pop()


def _ring(task: str, args: tuple[str, ...]) -> None:
    if _State.recorders:
        _State.recorders[-1].append((task, args))
        return
    if settings.PAYSYS_QUEUE == "record" or time.monotonic() < _State.silent_until:
        return
    try:
        # By name: a web process has not registered the tasks of the worker.
        current_app.send_task(task, args=args, retry=False)
    except Exception as error:  # noqa: BLE001 - whatever a broken broker raises, the row is safe
        _State.silent_until = time.monotonic() + SILENCE_SECONDS
        log.warning("queue.bell_lost", task=task, error=type(error).__name__)
