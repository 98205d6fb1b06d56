"""`manage.py retry_run saga_…`: somebody has looked at a run that needed a person; it goes on."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.core.management.base import BaseCommand, CommandError

from apps.audit import services as audit
from apps.core import clock, db, ids
from apps.sagas import selectors
from apps.sagas import services as sagas


class Command(BaseCommand):
    help = "Let a run that is NEEDS_ATTENTION try again from where it stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", help="its public id, saga_…, as the console and the API show it")

    def handle(self, *, run: str, **_: Any) -> None:
        now = clock.now()
        try:
            found = selectors.get(ids.decode("saga", run))
            with db.unit():
                sagas.retry(run_id=found.id, now=now)
                audit.record(
                    book_id=found.book_id,
                    actor=f"staff:{getpass.getuser()}",
                    action="run.retried",
                    subject_id=found.id,
                    subject_kind="run",
                    facts={"saga": found.saga, "step": found.current_step},
                    now=now,
                )
        except (ids.InvalidId, ObjectDoesNotExist) as error:
            raise CommandError(f"{run} is no run of ours.") from error
        except db.GuardFailed as error:
            raise CommandError(f"{run} does not need attention: it is {found.status}.") from error
        self.stdout.write(f"{run} goes on at {found.current_step}.")
