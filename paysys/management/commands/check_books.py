import time
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection, transaction

from apps.core.types import Invariant

COUNTED = 1_000


class Command(BaseCommand):
    help = "Check every invariant of every app: one line each, and an error if any does not hold."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--app", action="append", help="only this app's; may be repeated")
        parser.add_argument(
            "--rows", type=int, default=5, help="how many violations to show of each"
        )

    def handle(self, *, app: list[str] | None, rows: int, **_options: Any) -> None:
        found = [(label, rule) for label, rule in collected() if app is None or label in set(app)]
        if not found:
            raise CommandError("no invariants: no such app?")
        width = max(len(rule.name) for _, rule in found)
        failed = 0
        started = time.monotonic()
        # One snapshot for all: a payment between two checks would look like a broken book.
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute("SELECT date_trunc('seconds', now())")
            self.stdout.write(f"The books as of {cursor.fetchone()[0]:%Y-%m-%d %H:%M:%S} UTC\n\n")
            for _label, rule in found:
                failed += not self.check_one(rule, width, rows)
        seconds = time.monotonic() - started
        if failed:
            raise CommandError(f"{failed} of {len(found)} invariants do not hold")
        self.stdout.write(
            self.style.SUCCESS(f"\n{len(found)} invariants hold ({seconds:.1f} s)"),
        )

    def check_one(self, rule: Invariant, width: int, rows: int) -> bool:
        """Whether the invariant holds; its line, and under it the first violations."""
        begun = time.monotonic()
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SELECT * FROM ({rule.sql}) violation LIMIT {COUNTED + 1}")  # noqa: S608
                violations = cursor.fetchall()
                columns = [column.name for column in cursor.description]
        except DatabaseError as error:
            # A check that cannot be made has not been passed.
            self.stdout.write(self.style.ERROR(f"✗ {rule.name:<{width}}  cannot be checked"))
            self.stdout.write(f"      {str(error).strip()}")
            return False
        spent = f"{(time.monotonic() - begun) * 1000:5.0f} ms"
        if not violations:
            self.stdout.write(
                f"{self.style.SUCCESS('✓')} {rule.name:<{width}}  {spent}  {rule.says}"
            )
            return True
        count = f"{COUNTED:,} or more" if len(violations) > COUNTED else f"{len(violations):,}"
        self.stdout.write(
            self.style.ERROR(f"✗ {rule.name:<{width}}  {spent}  NOT TRUE in {count} rows: ")
            + rule.says
        )
        for row in violations[:rows]:
            facts = (f"{name}={value}" for name, value in zip(columns, row, strict=True))
            self.stdout.write("      " + "  ".join(facts))
        if len(violations) > rows:
            self.stdout.write("      …")
        return False


def collected() -> Iterator[tuple[str, Invariant]]:
    """Every app's invariants, in the order of the installed apps."""
    for config in apps.get_app_configs():
        name = f"{config.name}.selectors"
        if config.name.startswith("apps.") and find_spec(name):
            for rule in getattr(import_module(name), "INVARIANTS", ()):
                yield config.label, rule
