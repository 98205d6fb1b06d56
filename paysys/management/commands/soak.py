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
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from paysys.embedded.folder import data_folder
from paysys.soak.journal import Journal
from paysys.soak.mutants import MUTANTS, Mutant
from paysys.soak.run import Asked, Soak
from paysys.soak.sink import Sink
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
        add("--seconds", type=float, default=480, help="at most, for both (default 480)")
        add("--seed", type=int, help="of everything that is drawn; default: another every time")
        add("--lease", type=float, default=0.0, help="seconds of a run's lease; default: as always")
        add("--keep", action="store_true", help="keep the folder also when all is well")
        add("--mutant", choices=sorted(MUTANTS), help="plant this bug; well is when it is seen")
        add("--list-mutants", action="store_true", help="say which bugs can be planted")

    def handle(self, **options: Any) -> None:
        if settings.PAYSYS_MODE != "test":
            raise CommandError("a live deployment is not soaked")
        if options["list_mutants"]:
            for name, known in sorted(MUTANTS.items()):
                self.stdout.write(f"{name:<32}{known.says}")
            return
        mutant = MUTANTS[options["mutant"]] if options["mutant"] else None
        summary, journal = self._soak(mutant, options)
        is_well = summary["ok"] is (mutant is None)
        if mutant is not None:
            summary |= {"mutant": mutant.name, "caught": is_well}
        self.stdout.write(json.dumps(summary, indent=2))
        if is_well and not options["keep"]:
            shutil.rmtree(journal.path.parent, ignore_errors=True)
        else:
            self.stderr.write("\n".join(journal.tail()))
            self.stderr.write(
                f"Seed {summary['seed']}. Logs, database and journal: {journal.path.parent}"
            )
        if not is_well:
            sys.exit(1)

    def _soak(
        self, mutant: Mutant | None, options: dict[str, Any]
    ) -> tuple[dict[str, Any], Journal]:
        """Run it, and stop everything however it ends."""
        seed = options["seed"]
        if seed is None:
            seed = random.SystemRandom().randrange(1_000_000)
        asked = Asked(options["payments"], options["faults"], options["seconds"], seed)
        for sig in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(sig, _interrupted)
        os.umask(0o077)
        folder: Path = data_folder() / f"soak-{os.getpid()}"
        lease = options["lease"] or (mutant.lease_seconds if mutant else 0.0)
        stack = Stack(folder, seed=seed, lease_seconds=lease, mutant=mutant)
        journal, sink = Journal(folder / "journal.jsonl"), Sink()
        began = time.monotonic()
        sink.start()
        try:
            summary = Soak(asked, stack, journal, sink).run()
        except BaseException:
            self.stderr.write(f"Seed {seed}. What there is of it: {folder}")
            raise
        finally:
            stack.stop()
            sink.stop()
            journal.close()
        summary["seconds"] = round(time.monotonic() - began, 1)
        return summary, journal


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
