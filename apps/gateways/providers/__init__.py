"""Which providers this process knows, by name.

`GatewaysConfig.ready` registers them with what they need from the settings; each is built on first
use, once per process, and serves all its threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from apps.gateways.providers.base import Provider
from apps.gateways.types import AmountRules, AnswerRules, set_amount_rules, set_answer_rules

_builders: dict[str, Callable[[], Provider]] = {}
_built: dict[str, Provider] = {}
_lock = threading.Lock()


class UnknownProvider(LookupError):
    """No provider of that name is registered in this process."""


def register(
    name: str,
    build: Callable[[], Provider],
    *,
    amounts: AmountRules | None = None,
    answers: AnswerRules | None = None,
) -> None:
    """Make a provider known; what was built before under the name is forgotten.

    `amounts` is its table of what it can express and takes, for whoever may not see a provider, and
    `answers` what it takes of our answers to disputes, if it takes any.
    """
    if answers is not None:
        set_answer_rules(name, answers)
    if amounts is not None:
        set_amount_rules(name, amounts)
    with _lock:
        _builders[name] = build
        _built.pop(name, None)


def names() -> list[str]:
    return sorted(_builders)


def get(name: str) -> Provider:
    """The provider of that name.

    :raises UnknownProvider: none is registered.
    """
    provider = _built.get(name)
    if provider is not None:
        return provider
    with _lock:
        if name not in _builders:
            raise UnknownProvider(name)
        return _built.setdefault(name, _builders[name]())


@contextmanager
def using(name: str, provider: Provider) -> Iterator[None]:
    """For tests: `provider` under that name inside the block."""
    before = _builders.get(name)
    register(name, lambda: provider)
    try:
        yield
    finally:
        if before is None:
            _builders.pop(name, None)
            _built.pop(name, None)
        else:
            register(name, before)


def _start_afresh() -> None:
    """In a forked child: a connection must not be read by two processes, nor a lock inherited."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()
    _built.clear()


os.register_at_fork(after_in_child=_start_afresh)
