"""The broom, and the courier that needs no Celery."""

from __future__ import annotations

import threading
from typing import Any

from celery import shared_task
from celery.signals import worker_process_init, worker_process_shutdown

from apps.core import clock
from apps.notifications import services
from apps.notifications.courier import Courier

_stopping = threading.Event()


@shared_task(name="notifications.retire")
def retire() -> None:
    """Forget secrets that have ended, and cancel what waits for deleted endpoints."""
    services.retire(now=clock.now())


# In each child of the worker, and after the fork: a thread does not survive one.
@worker_process_init.connect
def start_courier(**_: Any) -> None:
    threading.Thread(target=Courier().run, args=(_stopping,), name="courier", daemon=True).start()


@worker_process_shutdown.connect
def stop_courier(**_: Any) -> None:
    _stopping.set()
