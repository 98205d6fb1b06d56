import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core import clock
from paysys import demo, demo_transfers
from paysys.up.plan import write_private


class Command(BaseCommand):
    help = "Seed the demo's merchants, keys and logins; again: find them."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--facts",
            type=Path,
            required=True,
            help="JSON file that remembers keys and passwords between calls",
        )

        parser.add_argument(
            "--transfers",
            action="store_true",
            help="payments by bank transfer too: one awaited, one paid, one short",
        )

    def handle(self, *, facts: Path, transfers: bool, **_: Any) -> None:
        if settings.PAYSYS_MODE != "test":
            raise CommandError("a live deployment has no demo")
        known = json.loads(facts.read_text()) if facts.exists() else {}
        seeded = demo.seed(known=known, now=clock.now())
        write_private(facts, seeded)
        if transfers:
            demo_transfers.seed(now=clock.now())
        self.stdout.write(f"{len(seeded['merchants'])} merchants, {len(seeded['logins'])} logins")
