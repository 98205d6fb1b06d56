"""`manage.py settle`: what the providers' statements say is booked now, not in the night."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.gateways import statements
from apps.gateways.types import OutcomeUnknown
from apps.payments import services
from apps.payments.tasks import SETTLEMENT_WINDOW


class Command(BaseCommand):
    help = "Book every line that the providers have paid out, and every line of disputes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        days = SETTLEMENT_WINDOW.days
        parser.add_argument("--days", type=int, default=days, help=f"how far back (default {days})")

    def handle(self, *, days: int, **_: Any) -> None:
        now, silent = clock.now(), []
        for provider in statements.providers_of_statements():
            try:
                booked = services.settle(
                    provider=provider, since=now - timedelta(days=days), now=now
                )
            except OutcomeUnknown as error:
                silent.append(f"{provider}: {error.reason}")
            else:
                self.stdout.write(f"{provider}: {booked} lines booked.")
        if silent:
            raise CommandError("; ".join(silent))
