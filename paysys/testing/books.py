"""Whether the books hold: every invariant of every app, as `check_books` asks them."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.db import connection

from apps.core.types import Invariant


@cache
def invariants(but: str = "") -> dict[str, Invariant]:
    """By name, those of every app but one."""
    found = {}
    for config in apps.get_app_configs():
        name = f"{config.name}.selectors"
        if config.name.startswith("apps.") and config.label != but and find_spec(name):
            for invariant in getattr(import_module(name), "INVARIANTS", ()):
                found[invariant.name] = invariant
    return found


def violations(but: str = "") -> dict[str, Any]:
    """The invariants that do not hold, with the rows that break them; all asked in one query.

    It takes ten times as long to plan as to answer, so a connection plans it once.
    """
    found = list(invariants(but).values())
    name = f"invariants_but_{but}"
    broken = {}
    with connection.cursor() as cursor:
        if not hasattr(connection.connection, name):
            asked = " UNION ALL ".join(
                f"SELECT {number} WHERE EXISTS ({invariant.sql})"
                for number, invariant in enumerate(found)
            )
            cursor.execute(f"PREPARE {name} AS {asked}")
            setattr(connection.connection, name, True)
        cursor.execute(f"EXECUTE {name}")
        for (number,) in cursor.fetchall():
            cursor.execute(found[number].sql)
            broken[found[number].name] = cursor.fetchall()
    return broken
