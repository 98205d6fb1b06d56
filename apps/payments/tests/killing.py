"""A process that dies at a chosen moment: nothing of it runs any more, and its lease is held.

A moment is before the first thing that lasts and after each: a commit, a call to the provider.
What a process knew dies with it, and a transaction that was open is rolled back, so that any two
deaths with nothing lasting in between are the same death. Flows are killed one moment later each
time until one comes through: the list of moments is never written down and never out of date.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack, suppress
from itertools import count
from typing import Any

from django.db import connection, transaction

from apps.gateways import providers


class Killed(BaseException):
    """The process is gone: no handler runs, nothing is written."""


class Axe:
    """Falls at the n-th moment; at none, it counts them."""

    def __init__(self, moment: int = 0) -> None:
        self.moment = moment
        self.passed = 0
        self.fell = ""
        self._something_lasts = True

    def __enter__(self) -> Axe:
        self._stack = ExitStack()
        self._stack.enter_context(connection.execute_wrapper(self._execute))
        for name in ("stripe", "paypal"):
            watched = _Watched(providers.get(name), self)
            self._stack.enter_context(providers.using(name, watched))  # type: ignore[arg-type]
        return self

    def __exit__(self, *_: Any) -> None:
        self._stack.close()

    def _execute(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not any(word in sql for word in ("INSERT", "UPDATE", "ledger_post", "ledger_reverse")):
            return execute(sql, params, many, context)
        tables = [name for name in ("payments_payment", "sagas_run") if name in sql]
        what = f"{'+'.join(tables) or sql[:40]}"
        self.pass_by(f"before writing {what}")
        result = execute(sql, params, many, context)
        transaction.on_commit(self.note)  # at once, where no transaction is open
        self.pass_by(f"after writing {what}")
        return result

    def note(self) -> None:
        """Something has happened that outlives the process."""
        self._something_lasts = True

    def pass_by(self, where: str) -> None:
        if not self._something_lasts:
            return
        self._something_lasts = False
        self.passed += 1
        if self.passed == self.moment:
            self.fell = f"moment {self.moment}: {where}"
            self.fall()

    def fall(self) -> None:
        raise Killed(self.fell)


class RealAxe(Axe):
    """Ends this very process, as `kill -9` does, the first time it passes by a named place."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where

    def pass_by(self, where: str) -> None:
        if where == self.where:
            os.kill(os.getpid(), signal.SIGKILL)


class _Watched:
    """The provider, with somebody standing before and after each call."""

    def __init__(self, provider: Any, axe: Axe) -> None:
        self._provider = provider
        self._axe = axe

    def send(self, request: Any, **facts: Any) -> Any:
        self._axe.pass_by(f"before {request.operation}")
        try:
            return self._provider.send(request, **facts)
        finally:
            self._axe.note()
            self._axe.pass_by(f"after {request.operation}")

    def look_up(self, request: Any, **facts: Any) -> Any:
        """It changes nothing out there."""
        self._axe.pass_by(f"before the look-up of {request.operation}")
        return self._provider.look_up(request, **facts)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)


def at_every_moment(run: Callable[[Axe], None]) -> int:
    """Run a flow again and again, killed a moment later each time; how many moments it had."""
    for moment in count(1):
        axe = Axe(moment)
        run(axe)
        if not axe.fell:
            return moment - 1
    raise AssertionError


def survive(axe: Axe, act: Callable[[], Any]) -> None:
    """Do it, and die on the way."""
    with axe, suppress(Killed):
        act()
