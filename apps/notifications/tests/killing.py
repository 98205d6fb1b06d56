"""A courier that dies at a chosen moment: before or after a message that writes.

It is killed one moment later each time until it comes through, so the list of moments is written
down nowhere and never out of date.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from itertools import count
from typing import Any

from django.db import connection

RECORDS = "INSERT INTO notifications_delivery_attempt"


class Killed(BaseException):
    """The process is gone: nothing catches it, nothing more is written."""


class Axe:
    """Falls at the n-th moment of whatever runs inside it."""

    def __init__(self, moment: int) -> None:
        self.moment = moment
        self.passed = 0
        self.fell = ""

    def __enter__(self) -> Axe:
        self._watching = connection.execute_wrapper(self._execute)
        self._watching.__enter__()
        return self

    def __exit__(self, *_: Any) -> None:
        self._watching.__exit__(None, None, None)

    def _execute(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not any(word in sql for word in ("INSERT", "UPDATE", "DELETE")):
            return execute(sql, params, many, context)
        self._pass_by(f"before {sql[:60]}")
        result = execute(sql, params, many, context)
        self._pass_by(f"after {sql[:60]}")
        return result

    def _pass_by(self, where: str) -> None:
        self.passed += 1
        if self.passed == self.moment:
            self.fell = f"moment {self.moment}: {where}"
            raise Killed(self.fell)


def at_every_moment(run: Callable[[Axe], None]) -> int:
    """Run a flow again and again, killed a moment later each time; how many moments it had."""
    for moment in count(1):
        axe = Axe(moment)
        run(axe)
        if not axe.fell:
            return moment - 1
    raise AssertionError


def kill_for_real(act: Callable[[], Any], *, before: str) -> None:
    """Another process does it, and is killed with `kill -9` when it would send such a message."""

    def fall(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if before in sql:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(sql, params, many, context)

    connection.close()
    child = os.fork()
    if child == 0:
        try:
            with connection.execute_wrapper(fall):
                act()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
