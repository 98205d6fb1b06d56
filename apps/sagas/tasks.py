"""Celery entry points, and the sweeper that needs no Celery."""

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID

import structlog
from celery import shared_task
from celery.signals import worker_process_init, worker_process_shutdown
from django.conf import settings
from django.db import close_old_connections, connection

from apps.sagas import engine, services

log = structlog.get_logger(__name__)


@shared_task(name="sagas.advance")
def advance(run_id: str) -> None:
    services.advance(run_id=UUID(run_id))


def sweep_until(stopping: threading.Event) -> None:
    """Sweep every few seconds, the first time at once: this is the recovery after a crash too.

    It reads the database alone, so every run ends with the broker switched off.
    """
    while not stopping.is_set():
        close_old_connections()
        try:
            services.sweep()
        except Exception:
            log.exception("sweep_failed")
        finally:
            connection.close()
        stopping.wait(settings.PAYSYS_SWEEP_SECONDS)


# In each child of the worker, and after the fork: a thread does not survive one.
@worker_process_init.connect
def start_sweeper(**_: Any) -> None:
    threading.Thread(
        target=sweep_until, args=(engine.stopping,), name="sweeper", daemon=True
    ).start()


@worker_process_shutdown.connect
def stop_sweeper(**_: Any) -> None:
    engine.stopping.set()
