"""The broom."""

from celery import shared_task

from apps.core import clock, queue
from apps.idempotency.services import keeping


@shared_task(name="idempotency.expire")
def expire() -> int:
    """Delete the keys whose time is over; if they were too many for one turn, come back at once."""
    deleted = keeping.expire(now=clock.now())
    if deleted >= keeping.EXPIRY_BATCH * keeping.EXPIRY_BATCHES:
        queue.enqueue("idempotency.expire")
    return deleted
