from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from paysys import grants


class Command(BaseCommand):
    help = "Give the application's database role its rights (run as the owner; also after migrate)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--role", default=grants.APP)

    def handle(self, *, role: str, **_: Any) -> None:
        if not grants.role_exists(connection, role):
            raise CommandError(f"there is no role {role}: CREATE ROLE {role} LOGIN PASSWORD '…'")
        if not grants.is_owner(connection):
            # PostgreSQL would only warn, and grant nothing.
            raise CommandError("run it as the owner: DATABASE_URL=$DATABASE_OWNER_URL")
        append_only = grants.grant(connection, role)
        self.stdout.write(f"{role}: read and write everywhere")
        for name in append_only:
            self.stdout.write(f"{role}: read and append only: {name}")
