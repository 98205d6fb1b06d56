"""A shop, its sink on this machine, and a courier whose rounds the test makes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from apps.merchants.tests.makers import Shop, make_shop
from apps.notifications.courier import Courier
from apps.notifications.tests.sink import Sink


@pytest.fixture
def shop() -> Shop:
    return make_shop()


@pytest.fixture
def sink(settings) -> Iterator[Sink]:
    settings.PAYSYS_WEBHOOK_LOOPBACK = True
    made = Sink()
    yield made
    made.close()


@pytest.fixture
def other_sink(sink) -> Iterator[Sink]:
    made = Sink()
    yield made
    made.close()


@pytest.fixture
def courier() -> Iterator[Courier]:
    made = Courier(threads=4)
    yield made
    made.close()
