"""Looking a key up."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from django.db import connection

from apps.core.types import Invariant

_COLUMNS = "id, fingerprint, status_code, body, locked_until > clock_timestamp()"


class Found(NamedTuple):
    """A key's row. `is_locked`: the request that holds it is taken to be alive."""

    resource_id: UUID
    fingerprint: bytes
    status_code: int | None
    body: str | None
    is_locked: bool


def find(*, book_id: UUID, scope: str, key: str) -> Found | None:
    """The row of a key, if it was ever used (and has not expired)."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM idempotency_key"  # noqa: S608 - no value in the text
            " WHERE book_id = %s AND scope = %s AND key = %s",
            (book_id, scope, key),
        )
        row = cursor.fetchone()
    return None if row is None else Found(row[0], bytes(row[1]), *row[2:])


INVARIANTS: tuple[Invariant, ...] = ()  # all of them are constraints of the table
