"""A task whose time is over stops there; what is left waits for the next, and is not a failure."""

from __future__ import annotations

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from apps.core import clock
from apps.wallets import selectors, services
from apps.wallets.models import Hold
from apps.wallets.services import standalone


def test_the_end_of_holds_stops_at_its_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[object] = []

    def stop(*asked: object, **_facts: object) -> None:
        called.append(asked)
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(selectors, "list_due_holds", lambda **_asked: [Hold(), Hold()])
    monkeypatch.setattr(standalone, "_end", stop)

    with pytest.raises(SoftTimeLimitExceeded):
        services.expire_holds(now=clock.now())

    assert len(called) == 1
