"""What a screening says, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Decision(StrEnum):
    """What is to be done with a payment."""

    ALLOW = "ALLOW"
    BLOCK = "BLOCK"
    REVIEW = "REVIEW"
    TWO_FACTOR = "TWO_FACTOR"


@dataclass(frozen=True, slots=True)
class Assessment:
    """The outcome of one screening. `score` is 0 (nothing speaks against it) to 100."""

    id: UUID
    decision: Decision
    score: int
    reasons: tuple[str, ...]
