"""Statuses of a run, and what a caller may know of one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apps.sagas.models import Run


class Status(StrEnum):
    IN_PROGRESS = "IN_PROGRESS"
    WAITING = "WAITING"  # for a customer, an analyst, an order of the merchant, or a date
    COMPENSATING = "COMPENSATING"
    COMPLETED = "COMPLETED"
    COMPENSATED = "COMPENSATED"
    NEEDS_ATTENTION = "NEEDS_ATTENTION"  # a person sees it in the console


OPEN = (Status.IN_PROGRESS, Status.WAITING, Status.COMPENSATING)
ENDED = (Status.COMPLETED, Status.COMPENSATED)


@dataclass(frozen=True)
class Progress:
    """How far a run has come, and its subject as it then stands."""

    run: Run
    subject: Any
