import os
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from paysys.embedded import postgres, processes, redis
from paysys.embedded.folder import CHECKOUT, UnsafeFolder
from paysys.up import announce, plan, stack
from paysys.up.register import Register

PROBLEMS = (plan.CannotStart, postgres.CannotStart, redis.CannotStart, UnsafeFolder)


class Command(BaseCommand):
    help = (
        "Start everything on this machine, with a demo, and stop it with Ctrl-C. "
        "PORT, SIMULATOR_PORT and PAYSYS_DATA move it."
    )
    requires_system_checks: list[str] = []

    def handle(self, **_: Any) -> None:
        if settings.PAYSYS_MODE != "test":
            raise CommandError("up starts a demo, and a live deployment has none")
        began_at = time.monotonic()

        def say(line: str) -> None:
            self.stdout.write(f"[{time.monotonic() - began_at:4.1f} s] {line}")
            self.stdout.flush()

        os.chdir(CHECKOUT)
        os.umask(0o077)  # logs and secrets are nobody else's business
        if "MAKELEVEL" in os.environ:
            # Started by make: a killed make must not leave us behind.
            processes.die_with_parent()
        try:
            planned = plan.make()
            register = Register(planned.data)
            register.take()
            plan.refuse_taken_ports(planned)
        except PROBLEMS as problem:
            raise CommandError(str(problem)) from None
        running = stack.Stack(planned, register, say)
        running.listen_for_signals()
        try:
            running.start()
            facts = announce.demo_facts(planned, announce.read_seed(planned), running.environment)
            announce.write(planned, facts)
            say("everything is up\n")
            self.stdout.write(announce.table(planned, facts))
            self.stdout.write("Ctrl-C stops everything.")
            self.stdout.flush()
            running.watch()
        except stack.Stopped:
            pass
        except PROBLEMS as problem:
            raise CommandError(str(problem)) from None
        finally:
            asked_at = time.monotonic()
            running.stop()
            self.stdout.write(f"\nEverything is stopped ({time.monotonic() - asked_at:.1f} s).")
