"""Lines of a history as they are told outside: in a person's words, with the objects they name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from uuid import UUID

from apps.core import ids
from apps.core.statements import OBJECTS, Line
from apps.ledger.types import StatementLine

_ID = re.compile(rf"\b({'|'.join(OBJECTS)})_[0-9a-z]{{{ids.LENGTH}}}\b")
# Where a reference ends in a bare UUID, what comes before says whose.
_BARE = {
    "capture:wallet": "pay",
    "refund:wallet": "re",
    "refund:merchant": "re",
    "payout:reserve": "po",
    "payout:return": "po",
}


def line_of(line: StatementLine, description: str) -> Line:
    """A line of a statement, with whatever object its posting's reference names."""
    named: dict[str, str | None] = dict.fromkeys(OBJECTS.values())
    named |= {OBJECTS[match[1]]: match[0] for match in _ID.finditer(line.reference)}
    before, _, bare = line.reference.rpartition(":")
    prefix = _BARE.get(before.removeprefix("undo:"))
    if prefix is not None:
        named[OBJECTS[prefix]] = ids.encode(prefix, UUID(bare))
    return Line(
        id=ids.encode("txn", line.place.transaction_id),
        kind=line.kind,
        description=description,
        reference=line.reference,
        amount=line.amount,
        balance=line.balance,
        occurred_at=line.occurred_at,
        created_at=line.place.created_at,
        more=named,
    )


def described(line: StatementLine, said: Mapping[str, str]) -> str:
    """The line's kind in the words of whose account it is; what was taken back says so."""
    words = said.get(line.kind) or line.kind.replace("_", " ").capitalize()
    return f"{words}, undone" if line.reference.startswith("undo:") else words
