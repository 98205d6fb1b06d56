"""Every failpoint that a flow passes: a process dies, fails or hangs there, or is told to stop.

The places are not written down: a flow that nothing happens to tells which ones it passes. In the
end somebody else has finished it, once, and everything that must be true is.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection, connections

from apps.core import failpoints
from apps.payments import services
from apps.payments.tests import news, objections, truth
from apps.payments.tests import test_crash as charges
from apps.payments.tests import test_crash_payouts as payouts
from apps.payments.tests.conftest import Merchant, finish_runs, make_merchant
from apps.payments.tests.rows import execute
from apps.sagas import engine as turns
from apps.sagas import services as engine
from apps.sagas import store
from paysys.testing.simulator import Simulator

LEASE_SECONDS = 0.3
PATIENCE = 20.0


@pytest.fixture(autouse=True)
def leases_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever hangs has lost the run by the time somebody else comes."""
    monkeypatch.setattr(store, "LEASE_SECONDS", LEASE_SECONDS)
    monkeypatch.setattr(turns, "SAFETY_SECONDS", LEASE_SECONDS - 23.0)


@dataclass
class Flow:
    """Something under way: `act` does it, `check` says whether it ended well."""

    act: Callable[[], Any]
    check: Callable[[Simulator, str], None]


def charge(_simulator: Simulator) -> Flow:
    merchant = make_merchant()

    def check(simulator: Simulator, where: str) -> None:
        payment = charges.ended(merchant, simulator, where)
        if payment is not None:
            assert payment.status == "CAPTURED", where
            assert truth.postings_in(merchant) == {"capture": 1, "credit": 1}, where

    return Flow(lambda: charges.pay(merchant), check)


def capture(_simulator: Simulator) -> Flow:
    merchant = make_merchant()
    before = merchant.payment(truth.public(charges.pay(merchant, manual=True)))

    def check(simulator: Simulator, where: str) -> None:
        truth.make_due(before)  # it waits for the merchant, who may have spoken
        payment = charges.ended(merchant, simulator, where)
        assert payment is not None
        is_ordered = payment.capture_requested_amount is not None
        assert payment.status == ("CAPTURED" if is_ordered else "AUTHORIZED"), where
        assert payment.amount_captured == (60 if is_ordered else 0), where

    return Flow(lambda: charges.order(services.order_capture, before, amount_minor=6_000), check)


def refund(_simulator: Simulator) -> Flow:
    merchant = make_merchant()
    before = merchant.payment(truth.public(charges.pay(merchant)))

    def check(simulator: Simulator, where: str) -> None:
        payment = charges.ended(merchant, simulator, where)
        assert payment is not None
        booked = truth.postings_in(merchant)
        assert booked["refund"] == booked["refund_reserve"] <= 1, where
        assert payment.amount_refunded == 40 * booked["refund"], where

    return Flow(lambda: charges.give_back(before, 4_000), check)


def _sending(owner: payouts.Owner) -> Flow:
    def check(simulator: Simulator, where: str) -> None:
        truth.finish_everything()
        payout = owner.payout()
        if payout is not None:
            simulator.end_payout(payout.provider_reference, "pay")
        assert payouts.ended(owner, simulator, where) in ("", "PAID"), where

    return Flow(owner.send, check)


def payout(_simulator: Simulator) -> Flow:
    return _sending(payouts.merchants_own())


def withdrawal(_simulator: Simulator) -> Flow:
    return _sending(payouts.in_a_wallet())


def dispute(simulator: Simulator) -> Flow:
    merchant = make_merchant()
    payment_id = truth.public(charges.pay(merchant))
    reference = objections.open_dispute(simulator, payment_id)

    def hear() -> None:
        news.tell(simulator, "charge.dispute.created", object_id=reference)
        finish_runs()

    def check(simulator: Simulator, where: str) -> None:
        truth.finish_everything()
        hear()  # whoever got no 200 tells it again
        found = objections.assert_whole(merchant, simulator, payment_id)
        assert truth.kinds_of(found.id) == ["dispute.created"], where
        assert merchant.balance(objections.DISPUTED) == objections.usd("100.00"), where

    return Flow(hear, check)


Make = Callable[[Simulator], Flow]
FLOWS = (charge, capture, refund, payout, withdrawal, dispute)
# Where a flow is known to pass, so that a failpoint that vanished is missed.
KNOWN = {
    charge: "charge.CAPTURE.capture.after_send",
    capture: "charge.CAPTURE.capture.before_commit",
    refund: "refund.SEND.refund.before_send",
    payout: "payout.SEND.pay_out.after_send",
    withdrawal: "payout.ARRIVE.after_commit",
    dispute: "dispute.LOOK.inspect_dispute.after_send",
}


def places_of(make: Make, simulator: Simulator) -> list[str]:
    """Every place that the flow passes when nothing happens to it, once each."""
    flow = make(simulator)
    with failpoints.planned({}) as passed:
        flow.act()
    return list(dict.fromkeys(passed))


def die_at(place: str, flow: Flow) -> None:
    """Another process does it, and is killed there."""
    connection.close()
    child = os.fork()
    if child == 0:
        try:
            with failpoints.planned({place: failpoints.die}):
                flow.act()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"never came to {place}"
    assert os.WTERMSIG(status) == signal.SIGKILL


def fail_at(place: str, flow: Flow) -> None:
    with failpoints.planned({place: failpoints.fail}), suppress(failpoints.Planted):
        flow.act()


def hang_at(place: str, flow: Flow) -> None:
    """A thread hangs there until its lease is over and somebody else has done everything."""
    is_there, may_go = threading.Event(), threading.Event()

    def hang() -> None:
        is_there.set()
        assert may_go.wait(PATIENCE)

    def act() -> None:
        try:
            flow.act()
        finally:
            is_there.set()
            connections.close_all()

    with failpoints.planned({place: hang}):
        thread = threading.Thread(target=act)
        thread.start()
        assert is_there.wait(PATIENCE)
        execute("SELECT pg_sleep_until(max(lease_until) + '1 ms') FROM sagas_run")
        engine.sweep()
        may_go.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def stop_at(place: str, flow: Flow) -> None:
    """The process is asked to stop while it waits for an answer, which it keeps and leaves so."""
    try:
        with (
            failpoints.planned({place: turns.stopping.set}),
            suppress(AssertionError),  # a flow may notice that its runs are still due
        ):
            flow.act()
    finally:
        turns.stopping.clear()


Harm = Callable[[str, Flow], None]


@pytest.mark.matrix
@pytest.mark.parametrize("make", FLOWS)
@pytest.mark.parametrize("harm", [die_at, fail_at, hang_at, stop_at])
class TestAProcessThat:
    def test_is_survived_by_what_it_did(self, harm: Harm, make: Make, simulator: Simulator) -> None:
        places = places_of(make, simulator)
        assert KNOWN[make] in places
        if harm is stop_at:  # anywhere else it finds nothing to leave
            places = [place for place in places if place.endswith("after_send")]
        for place in places:
            flow = make(simulator)
            harm(place, flow)
            flow.check(simulator, f"{harm.__name__} {place}")


class TestARequest:
    """The key of a request whose process died is the key to what it did."""

    @pytest.mark.parametrize("where", ["before_commit", "after_commit"])
    @pytest.mark.parametrize("path", ["pay", "refund", "capture"])
    def test_that_died_is_answered_for_when_it_comes_again(
        self, path: str, where: str, simulator: Simulator
    ) -> None:
        merchant = make_merchant()
        url, body = _request(merchant, path)

        def act() -> None:
            engine._pool = None  # its threads did not come along
            merchant.post(url, body, key="k")

        die_at(f"request.{where}", Flow(act, lambda _simulator, _where: None))
        execute("UPDATE idempotency_key SET locked_until = clock_timestamp() - interval '1 s'")
        truth.finish_everything()
        again = merchant.post(url, body, key="k")
        truth.wait_for_the_pool()

        assert again.status_code in (200, 201), again.content
        payment = charges.ended(merchant, simulator, where)
        assert payment is not None
        assert payment.amount_captured == (60 if path == "capture" else 100)
        assert payment.amount_refunded == (40 if path == "refund" else 0)


def _request(merchant: Merchant, path: str) -> tuple[str, dict[str, Any]]:
    if path == "pay":
        return "/v1/payments", {"amount": 10_000, "currency": "USD", "source": charges.VISA}
    payment = truth.public(charges.pay(merchant, manual=path == "capture"))
    amount = 6_000 if path == "capture" else 4_000
    return f"/v1/payments/{payment}/{path}", {"amount": amount}
