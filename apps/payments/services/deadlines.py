"""What time brings to disputes: reminders of the day an answer is due, and looks nobody asked for.

News of a dispute may be lost on its way; so whatever is open is looked at once a day.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from django.db import IntegrityError

from apps.core import db
from apps.core.types import Actor
from apps.payments import dispute_records, dispute_selectors
from apps.payments.models import Dispute
from apps.payments.services import disputes

# Hours before `due_by` at which whoever has not answered is reminded, once each.
REMINDERS: Final = (3, 24, 72)
LOOK_EVERY: Final = timedelta(days=1)
BATCH: Final = 500
SYSTEM: Actor = "system"


def remind(*, now: datetime) -> int:
    """Tell of every dispute that waits for an answer and whose day has come near; how many.

    Of several reminders that are due at once the last alone is given.
    Retries: safe; each is given once. Transaction: one a dispute; none may be open.
    """
    told, after = 0, now
    for hours in REMINDERS:
        until = now + timedelta(hours=hours)
        due = dispute_selectors.list_due(after=after, until=until, hours=hours, limit=BATCH)
        told += sum(_reminded(dispute, hours, now) for dispute in due)
        after = until
    return told


def _reminded(dispute: Dispute, hours: int, now: datetime) -> bool:
    dispute.reminded_hours = hours
    with suppress(db.GuardFailed):  # whoever changed it leaves it to the next time
        with db.unit():
            dispute_records.save_dispute(dispute, event="dispute.due_soon", actor=SYSTEM, now=now)
        return True
    return False


def look_again(*, now: datetime) -> int:
    """Look at every open dispute that nobody has looked at for a day; how many.

    Retries: safe. Transaction: one a dispute; none may be open.
    """
    waiting = dispute_selectors.list_not_looked_at(since=now - LOOK_EVERY, limit=BATCH)
    for dispute in waiting:
        with suppress(IntegrityError, db.GuardFailed), db.unit():
            disputes.look(dispute, now=now)
    return len(waiting)
