"""`manage.py soak`: a stack of its own, broken on purpose while money moves; do the books agree?"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from paysys.embedded.folder import data_folder
from paysys.soak.journal import Journal
from paysys.soak.run import Asked, Soak
from paysys.soak.stack import Stack


class Command(BaseCommand):
    help = (
        "Start a stack of its own, drive payments through it while its parts are killed, stopped "
        "and cut off, then compare the client's journal, our books and the providers'."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("--payments", type=int, default=300, help="how many (default 300)")
        add("--faults", type=int, default=24, help="how many, meanwhile (default 24)")
        add("--seconds", type=float, default=180, help="at most, for both (default 180)")
        add("--seed", type=int, help="of everything that is drawn; default: another every time")
        add("--keep", action="store_true", help="keep the folder also when all is well")

    def handle(self, **options: Any) -> None:
        if settings.PAYSYS_MODE != "test":
            raise CommandError("a live deployment is not soaked")
        seed = options["seed"]
        if seed is None:
            seed = random.SystemRandom().randrange(1_000_000)
        asked = Asked(options["payments"], options["faults"], options["seconds"], seed)
        for sig in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(sig, _interrupted)
        os.umask(0o077)
        folder = data_folder() / f"soak-{os.getpid()}"
        stack = Stack(folder, seed=seed)
        journal = Journal(folder / "journal.jsonl")
        began = time.monotonic()
        summary: dict[str, Any] = {"ok": False, "seed": seed}
        try:
            summary = Soak(asked, stack, journal).run()
        finally:
            stack.stop()
            journal.close()
            summary["seconds"] = round(time.monotonic() - began, 1)
            self.stdout.write(json.dumps(summary, indent=2))
            if summary["ok"] and not options["keep"]:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                self._say_how_to_look(journal, folder, seed)
        if not summary["ok"]:
            sys.exit(1)

    def _say_how_to_look(self, journal: Journal, folder: Any, seed: int) -> None:
        self.stderr.write("\n".join(journal.tail()))
        self.stderr.write(f"Seed {seed}. Logs, database and journal are kept in {folder}")


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
