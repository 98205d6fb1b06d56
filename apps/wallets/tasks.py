"""What the clock asks of wallets."""

from __future__ import annotations

from celery import shared_task

from apps.core import clock, queue
from apps.wallets import services


@shared_task(name="wallets.expire_holds")
def expire_holds() -> int:
    """End the holds whose time is over; if they were too many for one turn, come back at once."""
    expired = services.expire_holds(now=clock.now())
    if expired >= services.EXPIRY_BATCH * services.EXPIRY_BATCHES:
        queue.enqueue("wallets.expire_holds")
    return expired
