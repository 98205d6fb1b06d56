"""The nightly broom."""

from celery import shared_task

from apps.core import clock
from apps.idempotency import services


@shared_task(name="idempotency.expire")
def expire() -> int:
    """Delete the keys whose time is over."""
    return services.expire(now=clock.now())
