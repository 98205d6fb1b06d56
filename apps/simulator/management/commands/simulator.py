"""`manage.py simulator`: the pretend Stripe, in a process of its own."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.simulator.server import cli


class Command(BaseCommand):
    help = "Serve a Stripe-compatible test double over HTTP, with its own SQLite book."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        cli.add_arguments(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        cli.run(options)
