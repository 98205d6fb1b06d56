"""One part of the stack: a process with its children, that can be killed, stopped and restarted."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from paysys.embedded import processes

GRACE_SECONDS = 4.0


class Part:
    """A process group. Only the thread that `start`s may end: its children die with it."""

    def __init__(
        self, name: str, command: Sequence[str | Path], *, log: Path, env: Mapping[str, str]
    ) -> None:
        self.name = name
        self.command = command
        self.log = log
        self.env = env
        self.child: processes.Child | None = None

    def start(self) -> None:
        self.child = processes.spawn(
            self.command, log=self.log, env=self.env, dies_with_parent=signal.SIGKILL
        )

    @property
    def is_running(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def revive(self) -> str | None:
        """Start it again if it ended by itself, as a supervisor would; how it ended, if it did."""
        if self.child is None or self.is_running:
            return None
        ended = f"{self.name} ended by itself: {self.child.returncode}"
        processes.kill_group(self.child.pid)
        self.start()
        return ended

    def kill(self) -> None:
        """`kill -9`, of the process and then of whoever it leaves behind."""
        if self.child is None:
            return
        self.child.kill()
        processes.kill_group(self.child.pid)
        self.child.wait()

    def end(self) -> None:
        """SIGTERM, and SIGKILL for whoever is still there after a while."""
        if self.child is None:
            return
        with suppress(ProcessLookupError):
            self.child.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.child.wait(GRACE_SECONDS)
        self.kill()

    def signal_all(self, sig: signal.Signals) -> None:
        """To every process of the part."""
        if self.child is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.child.pid, sig)

    def some_member(self, rng: random.Random) -> int | None:
        """The pid of one of its children, which do the work; None if it has none."""
        if not self.is_running or self.child is None:
            return None
        with suppress(psutil.NoSuchProcess):
            children = sorted(one.pid for one in psutil.Process(self.child.pid).children())
            return rng.choice(children) if children else None
        return None
