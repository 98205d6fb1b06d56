"""One copy per data folder, and the processes it started, by pid and start time."""

import fcntl
import json
import os
from pathlib import Path

import psutil

from paysys.embedded import processes

from .plan import CannotStart, write_private


class Register:
    """Who runs here. Held from `take` until the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "up.json"
        self._lock_path = folder / "up.lock"
        self._entries: list[dict[str, object]] = []

    def take(self) -> None:
        """Claim the folder and end what an earlier copy left running.

        :raises CannotStart: another copy runs on this folder.
        """
        # Closed, and thereby unlocked, by the kernel at our end. A child does not inherit it.
        lock = os.open(self._lock_path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(
                f"it is already running (data in {self._file.parent}); for a second copy: "
                "make run PORT=8010 PAYSYS_DATA=/var/tmp/paysys-second"
            ) from None
        self._end_leftovers()
        self.add("up", os.getpid())

    def add(self, name: str, pid: int) -> None:
        started_at = psutil.Process(pid).create_time()
        self._entries.append({"name": name, "pid": pid, "started_at": started_at})
        write_private(self._file, self._entries)

    def clear(self) -> None:
        """Everything was stopped: nothing is left to look for."""
        self._file.unlink(missing_ok=True)

    def _end_leftovers(self) -> None:
        try:
            found = json.loads(self._file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return
        processes.end_trees([(entry["pid"], entry["started_at"]) for entry in found])
