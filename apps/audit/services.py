"""Writing the trail: one row per state change, in the commit that makes it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core import db
from apps.core.ids import new_id
from apps.core.rows import Rows
from apps.core.types import Actor

FACTS_LIMIT = 4096  # characters of JSON; a trail is no place for documents

_ACTOR = re.compile(r"system|(key|staff|provider):[A-Za-z0-9_.:-]{1,70}")
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")

_TRAIL = Rows("audit_entry", marks={"facts": "%s::jsonb"}, is_log=True)


def record(
    *,
    book_id: UUID,
    actor: Actor,
    action: str,
    subject_id: UUID,
    subject_kind: str,
    facts: Mapping[str, Any],
    now: datetime,
) -> None:
    """Write one row of the trail.

    `action` is a fact in past tense (`payment.captured`), `subject_kind` the table's noun
    (`payment`). `facts` holds opaque ids, codes, states and amounts in minor units, as JSON
    values, at most 4 kB of them: no name, no address, no token; the trail outlives the person.
    Retries: none of its own; a unit that is sent again writes its row again.
    Transaction: joins the caller's unit or transaction, and there must be one.

    :raises ValueError: an actor, action or kind of another form, or facts that are too many.
    """
    assert db.is_open(), "an audit row is written in the commit that changes the state"
    written = json.dumps(facts, separators=(",", ":"))
    if not _ACTOR.fullmatch(actor):
        raise ValueError(f"not an actor: {actor!r}")
    if not _NAME.fullmatch(action) or not _NAME.fullmatch(subject_kind):
        raise ValueError(f"not an action on a kind: {action!r} on {subject_kind!r}")
    if len(written) > FACTS_LIMIT:
        raise ValueError(f"{len(written)} characters of facts for {action}")
    db.insert(
        _TRAIL,
        {
            "id": new_id(),
            "book_id": book_id,
            "actor": actor,
            "action": action,
            "subject_kind": subject_kind,
            "subject_id": subject_id,
            "facts": written,
            "occurred_at": now,
        },
    )
