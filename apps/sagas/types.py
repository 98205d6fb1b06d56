"""Statuses of a run, and what a caller may know of one."""

from enum import StrEnum


class Status(StrEnum):
    IN_PROGRESS = "IN_PROGRESS"
    WAITING = "WAITING"  # for a customer, an analyst, an order of the merchant, or a date
    COMPENSATING = "COMPENSATING"
    COMPLETED = "COMPLETED"
    COMPENSATED = "COMPENSATED"
    NEEDS_ATTENTION = "NEEDS_ATTENTION"  # a person sees it in the console


OPEN = (Status.IN_PROGRESS, Status.WAITING, Status.COMPENSATING)
ENDED = (Status.COMPLETED, Status.COMPENSATED)
