"""`manage.py release`: what was to become payable by today becomes it now, not within the hour."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from apps.core import clock
from apps.payments import services


class Command(BaseCommand):
    help = "Make payable what is due by today (UTC), and free the reserves whose time is over."

    def handle(self, **_: Any) -> None:
        made = services.release(now=clock.now())
        self.stdout.write(f"{made} postings.")
