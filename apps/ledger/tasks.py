"""What the clock asks of the books. Every job may run twice, late, or not at all for a while."""

from __future__ import annotations

from celery import shared_task

from apps.ledger import services


@shared_task(name="ledger.take_horizon")
def take_horizon() -> None:
    """Every ten seconds: how close to now `balance(at=…)` and statements can come."""
    services.take_horizon()


@shared_task(name="ledger.checkpoint")
def checkpoint() -> int:
    """Every minute: the accounts that every payment touches."""
    return services.take_checkpoints(sieve=services.SIEVES["minute"])


@shared_task(name="ledger.checkpoint_busy")
def checkpoint_busy() -> int:
    """Every hour: the accounts that are merely busy."""
    return services.take_checkpoints(sieve=services.SIEVES["hour"])


@shared_task(name="ledger.checkpoint_all")
def checkpoint_all() -> int:
    """Every day: every account that moved."""
    return services.take_checkpoints(sieve=services.SIEVES["day"])
