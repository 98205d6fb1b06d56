"""How long the engine waits before it looks or tries again, and when it gives up."""

from __future__ import annotations

import random

from apps.core import cards

# When to ask again how a call ended: seconds after each answer that could not tell.
LOOK_UP_AFTER = (1, 2, 5, 15, 30, 60, 300, 900, 3600)
UNSENT_SECONDS = 60  # the longest until what never left is tried again: nobody has anything of it
RETRY_LIMIT = 12
STALE_LIMIT = 5


def first_line(error: Exception) -> str:
    """What happened; the lines after it (PostgreSQL's DETAIL) hold what rows say."""
    return cards.scrub(str(error).partition("\n")[0])


def look_up_delay(attempts: int, *, is_unsent: bool = False) -> float:
    delay = LOOK_UP_AFTER[min(attempts, len(LOOK_UP_AFTER)) - 1]
    return min(delay, UNSENT_SECONDS) if is_unsent else delay


def retry_delay(attempts: int) -> float:
    """Full jitter, so that runs which failed together do not come back together."""
    return random.uniform(0.5, 1.0) * min(2.0**attempts, 300.0)  # noqa: S311
