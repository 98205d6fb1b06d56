"""Children that end with their parent, and what to do with those that did not."""

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

Child = subprocess.Popen[bytes]

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    uid: int | None = None,
    dies_with_parent: signal.Signals = signal.SIGTERM,
) -> Child:
    """Start a child in a process group of its own, its output appended to `log`.

    The kernel sends it `dies_with_parent` when the parent ends, even by SIGKILL. With `uid` (root
    only) it runs as that user, which has no rights but its own.
    """
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/" if uid is not None else None,  # ours may be closed to that user
            env=dict(env) if env is not None else None,
            process_group=0,
            preexec_fn=_in_child(os.getpid(), uid, dies_with_parent),  # noqa: PLW1509
        )


def _in_child(parent: int, uid: int | None, dies_with_parent: signal.Signals) -> Callable[[], None]:
    def prepare() -> None:
        if uid is not None:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
        # After the change of user: that clears the wish again.
        die_with_parent(dies_with_parent)
        if os.getppid() != parent:  # it ended before the wish was heard
            os._exit(1)

    return prepare


def die_with_parent(sig: signal.Signals = signal.SIGTERM) -> None:
    """Have the kernel send us `sig` when our parent ends. Elsewhere than on Linux: no effect."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, sig)


def catches_interrupt(pid: int) -> bool:
    """Whether a process has a handler for SIGINT (Linux).

    make, when SIGINT is sent to it alone, takes its handler away and then waits for its children,
    whom it does not tell. That the handler is gone is all that can be seen of it.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)", status, re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGINT - 1) & 1)


def stop(child: Child, *, sig: signal.Signals = signal.SIGTERM, seconds: float = 5.0) -> None:
    """Ask a child to end, wait, and end its whole group when it does not."""
    if child.poll() is None:
        child.send_signal(sig)
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            kill_group(child.pid)
            child.wait()


def kill_group(pid: int) -> None:
    """End a child's process group at once."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def end_trees(roots: Iterable[tuple[int, float]], *, seconds: float = 3.0) -> int:
    """End processes that an earlier start left behind, with all their descendants.

    `roots` are pids with their start times (seconds since the epoch). A pid alone proves nothing,
    the number may belong to somebody else by now: only a process that was also started at that
    time is touched. Says how many processes there were.
    """
    family: dict[int, psutil.Process] = {}
    for pid, started_at in roots:
        with suppress(psutil.NoSuchProcess):
            found = psutil.Process(pid)
            if abs(found.create_time() - started_at) < 0.5:
                for member in (*found.children(recursive=True), found):
                    family[member.pid] = member
    alive = list(family.values())
    for sig in (signal.SIGTERM, signal.SIGKILL):
        for member in alive:
            with suppress(psutil.NoSuchProcess):
                member.send_signal(sig)
        until = time.monotonic() + seconds
        while (alive := [member for member in alive if _runs(member)]) and time.monotonic() < until:
            time.sleep(0.02)
    return len(family)


def _runs(member: psutil.Process) -> bool:
    """A zombie does not: in a container whose first process reaps nobody it stays one for ever."""
    try:
        return member.is_running() and member.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
