"""Celery: woken by ids, it looks into the database for what there is to do.

The broker is a doorbell and may lose or repeat every message: no results, no arguments but ids,
and whatever a lost message asked for is found again by a sweeper (decision 24).
"""

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from celery import Celery, signals
from celery.schedules import crontab, schedule
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from kombu.transport.redis import Channel

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "paysys.settings")


@dataclass(frozen=True)
class Job:
    """One line of the timetable. A bell that nobody answered in time is not worth keeping."""

    task: str
    when: schedule | crontab

    def as_entry(self) -> dict[str, Any]:
        every = self.when.run_every if type(self.when) is schedule else timedelta(hours=1)
        return {
            "task": self.task,
            "schedule": self.when,
            "options": {"expires": every.total_seconds()},
        }


def every(*, seconds: float) -> schedule:
    return schedule(timedelta(seconds=seconds))


def daily(*, at: str) -> crontab:
    """`at` is "HH:MM", UTC."""
    hour, minute = at.split(":")
    return crontab(hour=hour, minute=minute)


# What beat rings for. Only names of tasks that exist; a test compares.
TIMETABLE: tuple[Job, ...] = (
    Job("ledger.take_horizon", every(seconds=10)),
    Job("ledger.checkpoint", every(seconds=60)),
    Job("ledger.checkpoint_busy", every(seconds=3600)),
    Job("ledger.checkpoint_all", daily(at="02:30")),
    Job("payments.sweep_events", every(seconds=10)),
    Job("wallets.expire_holds", every(seconds=60)),
    Job("notifications.retire", every(seconds=60)),
    Job("idempotency.expire", every(seconds=3600)),
    Job("payments.release", every(seconds=settings.PAYSYS_RELEASE_SECONDS)),
    # Made once a day; what went wrong has another chance an hour later, until the day is over.
    Job("payments.pay_out_daily", crontab(minute=40, hour="0-22")),
    Job("payments.match_receipts", every(seconds=60)),
    Job("payments.remind_of_disputes", every(seconds=900)),
    Job("payments.look_at_disputes", every(seconds=3600)),
    Job("payments.settle", daily(at="01:30")),
    Job("payments.revalue", daily(at="03:00")),
)

# Nor is it put back when its connection closes: with Redis gone, that ends a worker (decision 24).
Channel.do_restore = False

app = Celery("paysys")
app.conf.update(
    broker_url=settings.REDIS_URL,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        # What is taken is gone: no copy is kept, and none is given to somebody else later.
        "ack_emulation": False,
        # A broker that hangs is a broker that is away; nobody waits for a doorbell.
        "socket_connect_timeout": 2,
        "socket_timeout": 5,
    },
    result_backend=None,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    # Together: a process takes a message when it is free, and not one more.
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    task_soft_time_limit=25,
    task_time_limit=30,
    # On SIGTERM (see `up`): tasks get this long.
    worker_soft_shutdown_timeout=2.5,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    worker_send_task_events=False,
    enable_utc=True,
    timezone="UTC",
    beat_schedule={job.task: job.as_entry() for job in TIMETABLE},
)
app.autodiscover_tasks()


@signals.worker_init.connect
@signals.beat_init.connect
def refuse_to_start(**_: Any) -> None:
    """A live worker that carries anything of the test mode ends before it takes a task."""
    from apps.core import checks

    try:
        checks.refuse_to_start()
    except ImproperlyConfigured as error:
        # Celery only logs what a receiver raises, but this one is no Exception.
        raise SystemExit(str(error)) from None


@signals.setup_logging.connect
def keep_our_logging(**_: Any) -> None:
    """Connected so that Celery leaves logging as Django configured it."""
