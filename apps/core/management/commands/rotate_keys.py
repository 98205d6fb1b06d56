"""`manage.py rotate_keys`: every encrypted field under the current key."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from psycopg import sql

from apps.core import crypto


class Command(BaseCommand):
    """Goes through each encrypted column by id, in small transactions; can be run again any time.

    A row that changed meanwhile is left to the next run: its writer has used the current key.
    """

    help = "Encrypts every encrypted field under the current (first) key of PAYSYS_FIELD_KEYS."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--batch", type=int, default=500, help="rows a transaction (500)")
        parser.add_argument("--check", action="store_true", help="count, and change nothing")

    def handle(self, *_: Any, **options: Any) -> None:
        size = max(1, options["batch"])
        key_id = crypto.current_key_id()
        failed = 0
        for place in crypto.columns():
            rotated, unreadable = self._rotate(place, size, check=options["check"])
            failed += len(unreadable)
            verb = "to rotate" if options["check"] else "rotated"
            self.stdout.write(f"{place.table}.{place.column}: {rotated} {verb} to {key_id}")
            for row_id in unreadable[:10]:
                self.stderr.write(f"{place.table}.{place.column}: cannot decrypt row {row_id}")
        if failed:
            raise CommandError(f"{failed} fields cannot be decrypted with the keys at hand")

    def _rotate(
        self, place: crypto.EncryptedColumn, size: int, *, check: bool
    ) -> tuple[int, list[UUID]]:
        """The number of rows rotated, and the ids of those that no key opens."""
        rotated, unreadable, after = 0, list[UUID](), UUID(int=0)
        size = min(size, place.batch)
        while rows := _stale_rows(place, after, size):
            after = rows[-1][0]
            with transaction.atomic():
                for row_id, book_id, token in rows:
                    try:
                        plain = _open(place, row_id, book_id, token)
                    except crypto.Undecryptable:
                        unreadable.append(row_id)
                        continue
                    rotated += check or _replace(place, row_id, book_id, token, plain)
        return rotated, unreadable


def _stale_rows(
    place: crypto.EncryptedColumn, after: UUID, size: int
) -> list[tuple[UUID, UUID, str]]:
    query = sql.SQL(
        "SELECT id, book_id, {column} FROM {table} WHERE id > %s AND {column} <> '' "
        "AND NOT starts_with({column}, %s) ORDER BY id LIMIT %s"
    ).format(column=sql.Identifier(place.column), table=sql.Identifier(place.table))
    current = f"{crypto.VERSION}.{crypto.current_key_id()}."
    with connection.cursor() as cursor:
        cursor.execute(query, [after, current, size])
        return cursor.fetchall()


def _open(place: crypto.EncryptedColumn, row_id: UUID, book_id: UUID, token: str) -> bytes:
    return crypto.decrypt_bytes(
        token, table=place.table, column=place.column, row_id=row_id, book_id=book_id
    )


def _replace(
    place: crypto.EncryptedColumn, row_id: UUID, book_id: UUID, old: str, plain: bytes
) -> int:
    """Put the new token where the old one still stands; 0 if somebody was faster."""
    new = crypto.encrypt_bytes(
        plain, table=place.table, column=place.column, row_id=row_id, book_id=book_id
    )
    query = sql.SQL("UPDATE {table} SET {column} = %s WHERE id = %s AND {column} = %s").format(
        column=sql.Identifier(place.column), table=sql.Identifier(place.table)
    )
    with connection.cursor() as cursor:
        cursor.execute(query, [new, row_id, old])
        return cursor.rowcount
