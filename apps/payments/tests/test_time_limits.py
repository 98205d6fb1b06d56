"""A task whose time is over stops there; what is left waits for the next, and is not a failure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from apps.core import clock
from apps.gateways.models import InboundEvent
from apps.merchants.types import Interval
from apps.payments import records, services
from apps.payments.models import Reserve
from apps.payments.services import news, payouts, releases
from apps.payments.tests.conftest import Merchant
from apps.payments.tests.test_inbound import receive_strangers
from apps.payments.tests.tills import agree, earn


@pytest.fixture
def too_late(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], list[object]]:
    """Make a function of a module the one at which the time is over; whom it was called for."""

    def at(module: Any, name: str) -> list[object]:
        called: list[object] = []

        def stop(*asked: object, **facts: object) -> None:
            called.append((asked, facts))
            raise SoftTimeLimitExceeded

        monkeypatch.setattr(module, name, stop)
        return called

    return at


def test_the_sweep_of_events_stops_at_its_event(merchant: Merchant, too_late: Any) -> None:
    receive_strangers(3, seconds_ago=3600)
    called = too_late(news, "apply_event")

    with pytest.raises(SoftTimeLimitExceeded):
        services.sweep_events(now=clock.now())

    assert len(called) == 1
    assert InboundEvent.objects.filter(processed_at=None).count() == 3


def test_the_release_stops_at_its_merchant(
    merchant: Merchant, other_merchant: Merchant, too_late: Any
) -> None:
    for each in (merchant, other_merchant):
        agree(each)
        each.captured(10_000)
    called = too_late(releases, "_release_some")

    with pytest.raises(SoftTimeLimitExceeded):
        services.release(now=clock.now())

    assert len(called) == 1


def test_the_release_stops_at_its_reserve(merchant: Merchant, too_late: Any) -> None:
    agree(merchant, reserve_basis_points=1_000, reserve_days=1)
    merchant.captured(10_000)
    services.release(now=clock.now())
    called = too_late(records, "free_reserve")

    with pytest.raises(SoftTimeLimitExceeded):
        services.release(now=clock.now() + timedelta(days=2))

    assert len(called) == 1
    assert Reserve.objects.get().freed_at is None


def test_the_daily_payouts_stop_at_their_merchant(
    merchant: Merchant, other_merchant: Merchant, too_late: Any
) -> None:
    for each in (merchant, other_merchant):
        earn(each, 10_000)
        agree(each, interval=Interval.DAILY)
    called = too_late(payouts, "create_payout")

    with pytest.raises(SoftTimeLimitExceeded):
        services.pay_out_daily(now=clock.now())

    assert len(called) == 1
