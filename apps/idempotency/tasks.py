"""The broom."""

from celery import shared_task

from apps.core import clock, queue
from apps.idempotency import services


@shared_task(name="idempotency.expire")
def expire() -> int:
    """Delete the keys whose time is over; if they were too many for one turn, come back at once."""
    deleted = services.expire(now=clock.now())
    if deleted >= services.EXPIRY_BATCH * services.EXPIRY_BATCHES:
        queue.enqueue("idempotency.expire")
    return deleted
