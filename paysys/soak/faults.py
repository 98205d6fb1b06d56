"""What is done to the stack, when, and to whom: drawn from a seed, so that it can be done again.

Every kind comes once before any comes twice. Nothing stays broken for more than a few seconds: the
design bears longer, but then says so with later dates (a provider that was silent for a minute is
asked again after another), and the end of a run would be waited for, not tested.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from os import kill

from paysys.soak.stack import Stack

Harm = Callable[[Stack, random.Random], None]
KINDS: dict[str, Harm] = {}


def _is_a_fault(harm: Harm) -> Harm:
    KINDS[harm.__name__] = harm
    return harm


def schedule(seed: int, count: int, *, kinds: Sequence[str] = ()) -> Iterator[str]:
    """The kinds of `count` faults, in their order; of `kinds` alone, if there are any."""
    rng = random.Random(f"faults:{seed}")  # noqa: S311
    dealt: list[str] = []
    for _ in range(count):
        if not dealt:
            dealt = sorted(kinds or KINDS)
            rng.shuffle(dealt)
        yield dealt.pop()


def inflict(kind: str, stack: Stack, number: int) -> None:
    """Do it, wait, and mend it: the stack runs again afterwards, as a supervisor would have it."""
    KINDS[kind](stack, random.Random(f"fault:{stack.seed}:{number}"))  # noqa: S311


# --- processes ------------------------------------------------------------------------------------


def _kill_member(stack: Stack, rng: random.Random, name: str) -> None:
    """One process of a part, whose parent is to start another; the part, if it has none yet."""
    pid = stack.parts[name].some_member(rng)
    if pid is None:
        _kill(stack, rng, name)
        return
    with suppress(ProcessLookupError):
        kill(pid, signal.SIGKILL)


def _kill(stack: Stack, rng: random.Random, name: str) -> None:
    stack.parts[name].kill()
    time.sleep(rng.uniform(0, 1))
    stack.parts[name].start()


def _restart(stack: Stack, name: str) -> None:
    stack.parts[name].end()
    stack.parts[name].start()


def _freeze(stack: Stack, rng: random.Random, name: str) -> None:
    stack.parts[name].signal_all(signal.SIGSTOP)
    time.sleep(rng.uniform(0.5, 4))
    stack.parts[name].signal_all(signal.SIGCONT)


def _some_worker(rng: random.Random) -> str:
    return rng.choice(("worker-1", "worker-2"))


@_is_a_fault
def kill_a_web_process(stack: Stack, rng: random.Random) -> None:
    _kill_member(stack, rng, "web")


@_is_a_fault
def kill_web(stack: Stack, rng: random.Random) -> None:
    _kill(stack, rng, "web")


@_is_a_fault
def restart_web(stack: Stack, _rng: random.Random) -> None:
    _restart(stack, "web")


@_is_a_fault
def freeze_web(stack: Stack, rng: random.Random) -> None:
    _freeze(stack, rng, "web")


@_is_a_fault
def kill_a_worker_process(stack: Stack, rng: random.Random) -> None:
    _kill_member(stack, rng, _some_worker(rng))


@_is_a_fault
def kill_worker(stack: Stack, rng: random.Random) -> None:
    _kill(stack, rng, _some_worker(rng))


@_is_a_fault
def kill_both_workers(stack: Stack, rng: random.Random) -> None:
    stack.parts["worker-1"].kill()
    _kill(stack, rng, "worker-2")
    stack.parts["worker-1"].start()


@_is_a_fault
def restart_worker(stack: Stack, rng: random.Random) -> None:
    _restart(stack, _some_worker(rng))


@_is_a_fault
def freeze_worker(stack: Stack, rng: random.Random) -> None:
    _freeze(stack, rng, _some_worker(rng))


@_is_a_fault
def kill_beat(stack: Stack, rng: random.Random) -> None:
    _kill(stack, rng, "beat")


@_is_a_fault
def kill_simulator(stack: Stack, rng: random.Random) -> None:
    _kill(stack, rng, "simulator")


@_is_a_fault
def freeze_simulator(stack: Stack, rng: random.Random) -> None:
    _freeze(stack, rng, "simulator")


# --- Redis and the database -----------------------------------------------------------------------


@_is_a_fault
def flush_redis(stack: Stack, _rng: random.Random) -> None:
    stack.flush_redis()


@_is_a_fault
def kill_redis(stack: Stack, rng: random.Random) -> None:
    stack.kill_redis()
    time.sleep(rng.uniform(0, 3))
    stack.start_redis()


@_is_a_fault
def drop_connections(stack: Stack, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 3)):
        stack.drop_connections(rng)
        time.sleep(rng.uniform(0, 0.5))


@_is_a_fault
def restart_database(stack: Stack, rng: random.Random) -> None:
    stack.stop_database(signal.SIGINT)
    time.sleep(rng.uniform(0, 1))
    stack.start_database()


@_is_a_fault
def crash_database(stack: Stack, rng: random.Random) -> None:
    stack.stop_database(signal.SIGQUIT)
    time.sleep(rng.uniform(0, 1))
    stack.start_database()


# --- wires ----------------------------------------------------------------------------------------


def _slow(stack: Stack, rng: random.Random, wire: str, longest: float) -> None:
    seconds = rng.uniform(1, 4)
    stack.wires[wire].slow_down(delay_seconds=rng.uniform(0.02, longest), seconds=seconds)
    time.sleep(seconds)


def _cut(stack: Stack, rng: random.Random, wire: str) -> None:
    for _ in range(rng.randint(1, 5)):
        stack.wires[wire].cut()
        time.sleep(rng.uniform(0.05, 0.6))


def _refuse(stack: Stack, rng: random.Random, wire: str) -> None:
    seconds = rng.uniform(0.5, 3)
    stack.wires[wire].refuse(seconds=seconds)
    time.sleep(seconds)


@_is_a_fault
def slow_database(stack: Stack, rng: random.Random) -> None:
    _slow(stack, rng, "database", 0.15)


@_is_a_fault
def cut_database(stack: Stack, rng: random.Random) -> None:
    _cut(stack, rng, "database")


@_is_a_fault
def refuse_database(stack: Stack, rng: random.Random) -> None:
    _refuse(stack, rng, "database")


@_is_a_fault
def slow_providers(stack: Stack, rng: random.Random) -> None:
    _slow(stack, rng, "providers", 1.5)


@_is_a_fault
def cut_providers(stack: Stack, rng: random.Random) -> None:
    _cut(stack, rng, "providers")


@_is_a_fault
def late_effects(stack: Stack, rng: random.Random) -> None:
    """Providers take requests and act on them after the wire is cut: when we have looked."""
    for operation in ("confirm", "capture", "refund", "pay_out", "paypal_capture"):
        stack.plant_at_providers(operation, f"slow:{rng.randint(1_500, 3_500)}", times=2)
    for _ in range(4):
        time.sleep(rng.uniform(0.3, 0.7))
        stack.wires["providers"].cut()


@_is_a_fault
def refuse_providers(stack: Stack, rng: random.Random) -> None:
    _refuse(stack, rng, "providers")
