from importlib import import_module
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

import paysys.bench

HARNESS = {"__init__", "harness", "worker"}


def names() -> list[str]:
    """The benchmarks there are: modules of `paysys.bench` in one word that are not the harness."""
    stems = {path.stem for path in Path(paysys.bench.__path__[0]).glob("*.py")}
    return sorted(stem for stem in stems - HARNESS if "_" not in stem)


class Command(BaseCommand):
    help = "Measure, on a server of its own, against a yardstick in the same interleaved run."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", choices=names())
        parser.add_argument("--json", type=Path, dest="json_file", help="write the figures here")
        parser.add_argument("--seconds", type=float, default=3, help="how long each slot measures")
        parser.add_argument("--rounds", type=int, default=3, help="how often each slot comes")

    def handle(
        self, *, name: str, json_file: Path | None, seconds: float, rounds: int, **_: Any
    ) -> None:
        bench = import_module(f"paysys.bench.{name}")
        self.stdout.write(bench.run(seconds=seconds, rounds=rounds, json_file=json_file))
