"""The broom, and the courier that needs no Celery."""

from __future__ import annotations

import threading
from typing import Any, Final

from celery import shared_task
from celery.signals import worker_process_init, worker_process_shutdown

from apps.core import clock
from apps.notifications import services
from apps.notifications.courier import CLOSE_SECONDS, Courier

# The courier needs `CLOSE_SECONDS` to close, after it has heard that it should.
STOP_SECONDS: Final = CLOSE_SECONDS + 1.0

_stopping = threading.Event()
_couriers: list[threading.Thread] = []


@shared_task(name="notifications.retire")
def retire() -> None:
    """Forget secrets that have ended, and cancel what waits for deleted endpoints."""
    services.retire(now=clock.now())


# In each child of the worker, and after the fork: a thread does not survive one.
@worker_process_init.connect
def start_courier(**_: Any) -> None:
    thread = threading.Thread(target=Courier().run, args=(_stopping,), name="courier", daemon=True)
    thread.start()
    _couriers.append(thread)


@worker_process_shutdown.connect
def stop_courier(**_: Any) -> None:
    """Let it write down what it sent, or that is sent again, and let go of its queues."""
    _stopping.set()
    while _couriers:
        _couriers.pop().join(STOP_SECONDS)
