"""What every proof of the engine stands on: tables, the other side, a clock that can be moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection

from apps.core import clock, db, queue
from apps.sagas import definition, engine, services
from apps.sagas.models import Run
from apps.sagas.tests import books, flow, outside
from apps.sagas.tests.books import Order


@pytest.fixture(scope="package", autouse=True)
def tables(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        books.execute(books.CREATE)
    yield
    with django_db_blocker.unblock():
        books.execute(books.DROP)


@pytest.fixture(autouse=True)
def _purchase(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the tests' own sagas are known here, and the process is not asked to stop."""
    monkeypatch.setattr(definition, "_registered", {})
    definition.register(flow.PURCHASE)
    engine.stopping.clear()


@pytest.fixture(autouse=True)
def bells() -> Iterator[list[queue.Bell]]:
    with queue.recorded() as bells:
        yield bells


@pytest.fixture(autouse=True)
def company() -> Iterator[outside.Outside]:
    """The other side, new for every test."""
    yield outside.place(outside.Outside())
    outside.place(outside.Outside())


class Clock:
    """Time stands still until it is moved."""

    def __init__(self, traveller: time_machine.Traveller) -> None:
        self._traveller = traveller

    def now(self) -> datetime:
        return clock.now()

    def move_to(self, when: datetime) -> None:
        if when > clock.now():
            self._traveller.move_to(when, tick=False)

    def forward(self, **units: float) -> None:
        self._traveller.shift(timedelta(**units))


@pytest.fixture
def time() -> Iterator[Clock]:
    with time_machine.travel(datetime.now(tz=clock.UTC), tick=False) as traveller:
        yield Clock(traveller)


@pytest.fixture
def settle(time: Clock) -> Callable[[Order], Run]:
    """Let time go by until the run has ended or needs a person: leases end, due times come."""

    def until_the_end(order: Order, *, turns: int = 60) -> Run:
        for _ in range(turns):
            run = flow.run_of(order)
            if not flow.is_open(run):
                return run
            flow.expire_leases()
            assert run.next_run_at is not None
            time.move_to(run.next_run_at)
            services.advance(run_id=run.id)
        raise AssertionError(f"still {flow.run_of(order)} after {turns} turns")

    return until_the_end


@pytest.fixture
def messages() -> Iterator[list[str]]:
    """Every message sent to the database while the test runs."""
    sent: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        sent.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield sent


@pytest.fixture
def in_unit() -> Callable[[Callable[[], None]], None]:
    def run(write: Callable[[], None]) -> None:
        with db.unit():
            write()

    return run
