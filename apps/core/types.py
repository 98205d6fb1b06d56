"""Small types that every app shares."""

from __future__ import annotations

from dataclasses import dataclass

# Who did it: "key:<api key id>", "staff:<user id>", "provider:stripe", "system".
Actor = str


@dataclass(frozen=True, slots=True)
class Invariant:
    """Something that is true of the books at every moment, as a query that must find no row.

    `says` is the sentence a person reads; each row that `sql` returns is one violation of it.
    """

    name: str
    sql: str
    says: str
