"""`manage.py webhooks replay`: what providers told us and nobody acted on, applied again."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand

from apps.core import clock
from apps.gateways import selectors as gateways
from apps.payments import services

_LIMIT = 1000


class Command(BaseCommand):
    help = "Says which events of providers wait or were kept; with --apply, applies them again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["replay"])
        parser.add_argument("--apply", action="store_true", help="without it nothing is changed")
        parser.add_argument("--provider", default="", help="only this one's: stripe, paypal")
        parser.add_argument("--kind", default="", help="only this kind: refund.failed")
        parser.add_argument("--hours", type=float, help="only what came in so many hours")
        parser.add_argument("--limit", type=int, default=_LIMIT, help=f"how many ({_LIMIT})")

    def handle(self, **options: Any) -> None:
        now, limit = clock.now(), max(1, options["limit"])
        hours = options["hours"]
        found = gateways.list_not_acted_on(
            provider=options["provider"],
            kind=options["kind"],
            received_from=None if hours is None else now - timedelta(hours=hours),
            limit=limit + 1,
        )
        events = found[:limit]
        if not events:
            self.stdout.write("No event of a provider waits or was kept.")
            return
        number = f"{len(events)} event{'s' if len(events) > 1 else ''} of providers"
        if options["apply"]:
            counted = services.replay_events(
                events=events, actor=f"staff:{getpass.getuser()}", now=now
            )
            self.stdout.write(f"{number} {'were' if len(events) > 1 else 'was'} applied again:")
        else:
            counted = services.count_not_acted_on(events)
            self.stdout.write(f"{number} wait or were kept:")
        for what, count in sorted(counted.items(), key=lambda each: (-each[1], each[0])):
            self.stdout.write(f"{count:>6}  {what}")
        if len(found) > limit:
            self.stdout.write("There are more; these are the oldest.")
        if not options["apply"]:
            self.stdout.write("Nothing was changed. With --apply they are applied again.")
