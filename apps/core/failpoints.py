"""Named places where this process can be made to die, to fail or to stall; in test mode alone.

They stand around every commit and every call to a provider, in the few functions through which all
of these go. A place is named by who passes: `charge.CAPTURE.capture.after_send` is met by the run
of a charge that waits for the answer of its call `capture`.

Whoever passes asks `armed` first, so that a place costs nothing while nothing is planned.

`PAYSYS_FAILPOINTS="charge.CAPTURE.capture.after_send=kill,request.after_commit=stall:3"` plans for
every process that starts with it; a plan is carried out once, at the first passing.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError

T = TypeVar("T")
Act = Callable[[], None]

REQUEST = "request"  # whoever is no run: it writes down what was asked for


class Planted(OperationalError):
    """What `raise` raises: as when the connection is lost, nobody knows what became of it."""


class _State:
    planned: dict[str, Act] = {}
    passed: list[str] | None = None


_local = threading.local()
_lock = threading.Lock()

armed = False


def reach(where: str) -> None:
    """Pass a place; what is planned for it happens here, the first time."""
    name = f"{_place()}.{where}"
    with _lock:
        if _State.passed is not None:
            _State.passed.append(name)
        act = _State.planned.pop(name, None)
    if act is not None:
        act()


def passing(place: Callable[[], str], work: Callable[[], T]) -> T:
    """Do some work whose places are named by what `place` says when they are reached."""
    before = getattr(_local, "place", None)
    _local.place = place
    try:
        return work()
    finally:
        _local.place = before


def _place() -> str:
    place: Callable[[], str] | None = getattr(_local, "place", None)
    return place() if place is not None else REQUEST


# --- planning -------------------------------------------------------------------------------------


def configure(plan: str) -> None:
    """Plan for this process what the setting says, if it says anything.

    :raises ImproperlyConfigured: it cannot be read.
    """
    global armed  # noqa: PLW0603  one flag of the process, the cheapest there is to look at
    for part in filter(None, plan.split(",")):
        name, _, how = part.partition("=")
        _State.planned[name.strip()] = _read(how.strip())
        armed = True


@contextmanager
def planned(plan: Mapping[str, Act]) -> Iterator[list[str]]:
    """For tests: what happens where, inside the block; the places that were passed."""
    global armed
    _State.planned, _State.passed, armed = dict(plan), [], True
    try:
        yield _State.passed
    finally:
        _State.planned, _State.passed, armed = {}, None, False


def die() -> None:
    """As `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail() -> None:
    raise Planted("planted: the connection is lost")


def _read(how: str) -> Act:
    name, _, seconds = how.partition(":")
    if name == "kill":
        return die
    if name == "raise":
        return fail
    if name == "stall":
        try:
            return partial(time.sleep, float(seconds or 1))
        except ValueError:
            pass
    raise ImproperlyConfigured(f"PAYSYS_FAILPOINTS: kill, raise or stall:SECONDS, not {how!r}")
