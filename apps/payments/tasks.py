"""Celery entry points: load by id, one service call."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import structlog
from celery import shared_task

from apps.core import clock, queue
from apps.gateways import statements
from apps.gateways.types import OutcomeUnknown
from apps.ledger import selectors as ledger
from apps.ledger.chart import PLATFORM_FX
from apps.payments import services
from apps.payments.services import deadlines, fx_close

log = structlog.get_logger(__name__)

# Payouts are daily; a few days more cover a provider that was away.
SETTLEMENT_WINDOW = timedelta(days=7)
SETTLEMENT_SECONDS = 4 * 3600


@shared_task(name="payments.apply_event")
def apply_event(event_id: str) -> None:
    services.apply_event(event_id=UUID(event_id), now=clock.now())


@shared_task(name="payments.sweep_events")
def sweep_events() -> None:
    """Events whose bell nobody heard, or whose object was not known yet."""
    services.sweep_events(now=clock.now())


@shared_task(name="payments.release")
def release() -> None:
    """What was to become payable by today becomes it."""
    services.release(now=clock.now())


@shared_task(name="payments.pay_out_daily")
def pay_out_daily() -> None:
    """Pay the merchants whose terms say daily."""
    services.pay_out_daily(now=clock.now())


@shared_task(name="payments.remind_of_disputes")
def remind_of_disputes() -> None:
    """The day an answer is due comes near."""
    deadlines.remind(now=clock.now())


@shared_task(name="payments.look_at_disputes")
def look_at_disputes() -> None:
    """Open disputes of which no news has come for a day."""
    deadlines.look_again(now=clock.now())


@shared_task(
    name="payments.settle",
    soft_time_limit=SETTLEMENT_SECONDS,
    time_limit=SETTLEMENT_SECONDS + 60,
)
def settle() -> None:
    """Book what the providers have paid out; one that is away keeps no other from being asked.

    It takes as long as the statements are; whoever dies with it leaves the rest to the next run.
    """
    now = clock.now()
    for provider in statements.providers_of_statements():
        try:
            services.settle(provider=provider, since=now - SETTLEMENT_WINDOW, now=now)
        except OutcomeUnknown as error:
            log.warning("payments.not_settled", provider=provider, reason=error.reason)


@shared_task(name="payments.match_receipts")
def match_receipts() -> None:
    """Money that came to the bank and that an interrupted import left unbooked."""
    services.match_undecided(now=clock.now(), is_brief=True)


@shared_task(name="payments.revalue")
def revalue() -> None:
    """Once a day, ring for every book that has ever converted. A lost bell waits for tomorrow's."""
    for book_id in ledger.list_books_with(code=PLATFORM_FX):
        queue.enqueue("payments.revalue_book", str(book_id))


@shared_task(name="payments.revalue_book")
def revalue_book(book_id: str) -> None:
    fx_close.revalue_yesterday(book_id=UUID(book_id), now=clock.now())
