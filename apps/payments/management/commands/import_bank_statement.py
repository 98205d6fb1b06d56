"""`manage.py import_bank_statement FILE.csv`: money that came to the bank finds its payments."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.payments import services

MAX_BYTES = 20_000_000


class Command(BaseCommand):
    help = "Store the lines of a bank statement (CSV, see README.md) once, and book them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="UTF-8, a line per credit, a header first")

    def handle(self, *, file: Path, **_: Any) -> None:
        now = clock.now()
        try:
            if file.stat().st_size > MAX_BYTES:
                raise CommandError(f"{file}: more than {MAX_BYTES} bytes")
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file}: {error}") from error
        try:
            imported = services.import_statement(
                text=text, actor=f"staff:{getpass.getuser()}", now=now
            )
        except services.BadStatement as error:
            raise CommandError(f"nothing was stored: {error}") from error
        booked = services.match_undecided(now=now)
        self.stdout.write(f"{imported.lines} lines, {imported.new} new; {booked} receipts booked.")
