"""`manage.py set_rate USD 1.0832`: one euro is 1.0832 dollars today, whatever the table says."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.core.errors import InvalidRequest
from apps.payments.services import quotes


class Command(BaseCommand):
    help = "Set a day's rate: so many units of a currency for one euro."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("currency", help="an ISO 4217 code other than EUR")
        parser.add_argument("per_euro", help="units of the currency for one euro, as in 1.0832")
        parser.add_argument("--day", help="YYYY-MM-DD; today (UTC) if left out")

    def handle(self, *, currency: str, per_euro: str, day: str | None, **_: Any) -> None:
        now = clock.now()
        try:
            rate = quotes.set_rate(
                currency=currency,
                day=date.fromisoformat(day) if day else now.date(),
                per_euro=Decimal(per_euro),
                actor=f"staff:{getpass.getuser()}",
                now=now,
            )
        except (InvalidRequest, InvalidOperation, ValueError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"EUR 1 = {rate.currency} {rate.per_euro} on {rate.day}.")
