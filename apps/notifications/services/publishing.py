"""Publishing: an event is stored in the commit that makes it true, and queued after it."""

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

PAYLOAD_LIMIT = 32_768  # characters of JSON

_KIND = re.compile(r"([a-z][a-z0-9_]*)(\.[a-z][a-z0-9_]*)+")

_EVENTS = Rows(
    "notifications_event",
    marks={"payload": "%s::jsonb"},
    is_log=True,
    returning="notifications_remember(book_id, subject_id, sequence, id)",
)


def publish(
    *,
    book_id: UUID,
    kind: str,
    subject_id: UUID,
    sequence: int,
    payload: Mapping[str, Any],
    now: datetime,
) -> None:
    """Store one event: `kind` is a fact in past tense whose first word names the subject's kind
    (`payment.captured`), `payload` the object as the API shows it at this moment, with opaque ids
    and amounts in minor units, at most 32 kB and nobody's personal data: what a merchant wrote
    about the subject is added when the event is read (`selectors.register_notes`).

    If anybody listens to the book, the database also notes that the event is to be queued for its
    webhooks (`OutboxEntry`); a courier does that after the commit.

    `sequence` is 1 or more, grows with the subject's events and is the caller's to know (the
    version of the row that it changes under a guard; gaps are allowed).
    Retries: a second event of the same subject and sequence is refused by the database, so a unit
    that is sent twice publishes once.
    Transaction: joins the caller's unit or transaction, and there must be one.

    :raises IntegrityError: at the unit's end: the sequence is taken.
    :raises ValueError: a kind of another form, or a payload that is too long.
    """
    assert db.is_open(), "an event is published in the commit that makes it true"
    matched = _KIND.fullmatch(kind)
    if matched is None:
        raise ValueError(f"not the kind of an event: {kind!r}")
    written = json.dumps(payload, separators=(",", ":"))
    if len(written) > PAYLOAD_LIMIT:
        raise ValueError(f"{len(written)} characters of payload for {kind}")
    db.insert(
        _EVENTS,
        {
            "id": new_id(),
            "book_id": book_id,
            "kind": kind,
            "subject_kind": matched[1],
            "subject_id": subject_id,
            "sequence": sequence,
            "payload": written,
            "occurred_at": now,
        },
    )
