"""The connection is lost at COMMIT while the database is still at it: what it commits then stands.

Whoever lost it reads the run again at once, and must not read what was there before that commit,
nor write it back over it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction

from apps.core import db
from apps.sagas import services
from apps.sagas.tests import books, flow
from apps.sagas.types import Status

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 20.0
IS_WAITED_FOR = """
SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(
    pg_blocking_pids(pid)))"""


class _LateCommit:
    """The n-th message arrives, its sender hears nothing, and it commits once somebody waits."""

    def __init__(self, execute: Callable[[Sequence[Any]], None], number: int) -> None:
        self.execute = execute
        self.number = number
        self.sent = 0
        self.thread: threading.Thread | None = None
        self._is_at_it = threading.Event()
        self._is_over = threading.Event()

    def __call__(self, statements: Sequence[Any]) -> None:
        if threading.current_thread() is not threading.main_thread():
            self.execute(statements)
            return
        self.sent += 1
        if self.sent != self.number:
            self.execute(statements)
            return
        self.thread = threading.Thread(target=self._commit_late, args=(statements,))
        self.thread.start()
        assert self._is_at_it.wait(PATIENCE)
        raise OperationalError("the connection is lost")

    def _commit_late(self, statements: Sequence[Any]) -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                self.execute(statements)
                self._is_at_it.set()
                while not self._is_over.wait(0.005):
                    cursor.execute(IS_WAITED_FOR)
                    if cursor.fetchone() == (True,):
                        return
        finally:
            connections.close_all()

    def end(self) -> None:
        self._is_over.set()
        if self.thread is not None:
            self.thread.join(PATIENCE)
            assert not self.thread.is_alive()


@pytest.mark.parametrize("plan", [{}, {"free": True}, {"credit": "refuse"}])
class TestACommitWhoseAnswerIsLost:
    def test_stands_wherever_it_is(self, plan, settle, company, monkeypatch):
        execute = db._execute
        for number in count(1):
            run, order = flow.start(**plan)
            late = _LateCommit(execute, number)
            monkeypatch.setattr(db, "_execute", late)
            services.advance_started(run, subject=order, until_answer=False)
            late.end()
            monkeypatch.setattr(db, "_execute", execute)
            ended = settle(order)

            where = f"message {number}"
            is_undone = "credit" in plan
            assert ended.status == (Status.COMPENSATED if is_undone else Status.COMPLETED), where
            assert flow.reload(order).counters == (flow.UNDONE if is_undone else flow.DONE), where
            entries = books.entries_of(order)
            assert len(entries) == len(set(entries)), where
            if late.thread is None:
                assert number > 1
                return
