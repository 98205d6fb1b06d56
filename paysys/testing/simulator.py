"""The pretend Stripe and PayPal for tests: one process per session (and xdist worker).

It is empty for each test, and asked over HTTP alone, as production asks the real ones. Late
outcomes (a refund that settles, a payout that arrives) wait for `settle()`, and a timed-out call is
held for a moment only, so that no test waits for a clock.
"""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from paysys.testing.paypal import PayPalSimulator

_ROOT = Path(__file__).resolve().parents[2]
_HOLD_SECONDS = "0.2"
_STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class SignedEvent:
    """What Stripe would post: send `body` as it is, with the header `Stripe-Signature`."""

    id: str
    type: str
    body: bytes
    signature: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Type": "application/json", "Stripe-Signature": self.signature}

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


class Simulator:
    """A small client of the simulator's control interface."""

    api_key = "sk_test_simulator"
    webhook_secret = "whsec_simulator"

    def __init__(self, url: str) -> None:
        self.url = url
        self.paypal = PayPalSimulator(url, self._ask)

    # --- the book

    def book(self) -> list[dict[str, Any]]:
        """Every payment intent, in the order they were made."""
        return [json.loads(line) for line in self._ask("GET", "book").splitlines()]

    def effects(self, payment_id: str = "", *, op_key: str = "") -> dict[str, Any]:
        """What happened outside for one payment (metadata `paysys_payment`), or one `op_key`."""
        asked = f"payment={payment_id}" if payment_id else f"op_key={op_key}"
        return self._json("GET", f"charges?{asked}")

    def charges_for(self, payment_id: str) -> int:
        """How many charges succeeded for this payment: 1 is "once"."""
        return int(self.effects(payment_id)["charges"])

    def intent(self, intent_id: str) -> dict[str, Any]:
        return self._fetch("GET", f"/v1/payment_intents/{intent_id}")

    # --- faults

    def fault(self, op: str, kind: str, times: int = 1) -> None:
        """The next `times` calls of `op` meet this fault; -1: all of them.

        Ops: create, confirm, capture, cancel, retrieve, refund, retrieve_refund, webhook, "*"…,
        and PayPal's: paypal_create, paypal_authorize, paypal_capture, paypal_token…
        Kinds: timeout_before, timeout_after, reset_before, reset_after, error_before, error_after,
        unavailable, rate_limit, lock_timeout, "slow:MS"; for webhooks late:MS, twice, reordered,
        lost.
        """
        self._json("POST", "faults", op=op, kind=kind, times=times)

    def clear_faults(self) -> None:
        self._json("DELETE", "faults")

    # --- the customer, the bank, time

    def pass_3ds(self, intent_id: str) -> dict[str, Any]:
        return self._json("POST", f"3ds/{intent_id}?result=pass")

    def fail_3ds(self, intent_id: str) -> dict[str, Any]:
        return self._json("POST", f"3ds/{intent_id}?result=fail")

    def expire(self, intent_id: str) -> dict[str, Any]:
        """The authorization ends, as after seven days."""
        return self._json("POST", f"expire/{intent_id}")

    def fail_refund(self, refund_id: str) -> dict[str, Any]:
        return self._json("POST", f"refunds/{refund_id}?result=fail")

    def settle(self) -> int:
        """Late outcomes happen now: refunds settle or fail, payouts arrive. Returns how many."""
        return int(self._json("POST", "settle")["happened"])

    def pay_out(self, *, everything: bool = True) -> list[dict[str, Any]]:
        """A payout per currency; `everything`: of what is still pending as well."""
        made: list[dict[str, Any]] = self._json("POST", "payouts", everything=everything)["payouts"]
        return made

    def payouts_for(self, payout_id: str) -> list[dict[str, Any]]:
        """What was ordered for a payout of ours (metadata `paysys_payout`): one is "once"."""
        made: list[dict[str, Any]] = self._json("GET", f"payouts?payout={payout_id}")["payouts"]
        return made

    def end_payout(self, payout_id: str, result: str) -> dict[str, Any]:
        """What the bank does with one that was ordered: `pay`, `fail`, or `return` once paid."""
        return self._json("POST", f"payouts/{payout_id}?result={result}")

    def dispute(
        self, charge_id: str, reason: str = "fraudulent", **facts: int | str
    ) -> dict[str, Any]:
        """The cardholder disputes; facts: `amount` in minor units, `inquiry="yes"`."""
        return self._json("POST", f"disputes/{charge_id}", reason=reason, **facts)

    def decide(self, dispute_id: str, result: str, **facts: int) -> dict[str, Any]:
        """What the bank says: `win` (of `amount`), `lose`, `close`, `escalate`, `reverse`."""
        return self._json("POST", f"disputes/{dispute_id}", result=result, **facts)

    def find_dispute(self, dispute_id: str) -> dict[str, Any]:
        return self._fetch("GET", f"/v1/disputes/{dispute_id}")

    def files(self) -> list[dict[str, Any]]:
        """Every file that was given to Stripe, with its `sha256`, `size` and `filename`."""
        found: list[dict[str, Any]] = self._json("GET", "files")["files"]
        return found

    def advance_clock(self, seconds: int) -> None:
        self._json("POST", "clock", advance=seconds)

    def now(self) -> int:
        """The simulator's clock, in seconds."""
        return int(self._json("GET", "health")["now"])

    def in_flight(self) -> int:
        """How many requests with a key are running."""
        return int(self._json("GET", "health")["in_flight"])

    # --- events

    def events(self, kind: str = "", *, object_id: str = "") -> list[dict[str, Any]]:
        """Events so far, oldest first: `id`, `type`, `object`."""
        found: list[dict[str, Any]] = self._json("GET", f"events?type={kind}&object={object_id}")[
            "events"
        ]
        return found

    def deliver(self, event: dict[str, Any] | str) -> SignedEvent:
        """One event as its webhook would carry it, signed now; the test posts it, in any order."""
        event_id = event if isinstance(event, str) else event["id"]
        found = self._json("GET", f"events/{event_id}")
        body = found["body"].encode()
        return SignedEvent(event_id, json.loads(body)["type"], body, found["signature"])

    def send_webhooks_to(self, url: str) -> None:
        """From now on the simulator posts events itself; "" only records them."""
        self._json("POST", "webhooks", url=url, secret=self.webhook_secret)

    def reset(self) -> None:
        self._json("POST", "reset")

    # --- HTTP

    def _json(self, method: str, path: str, **facts: Any) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._ask(method, path, **facts))
        return found

    def _ask(self, method: str, path: str, **facts: Any) -> bytes:
        return self._request(method, f"/_sim/{path}", facts)

    def _fetch(self, method: str, path: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._request(method, path, {}))
        return found

    def _request(self, method: str, path: str, facts: dict[str, Any]) -> bytes:
        body = json.dumps(facts).encode() if facts else None
        headers = {"Authorization": f"Bearer {self.api_key}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                found: bytes = answer.read()
                return found
        except urllib.error.HTTPError as error:
            with error:
                said = error.read().decode()
            raise AssertionError(f"the simulator said {error.code}: {said}") from None


def start(data: Path, *options: str) -> tuple[subprocess.Popen[str], Simulator]:
    """A simulator process on a free port. Whoever starts it stops it; it also ends with us."""
    process = subprocess.Popen(
        [sys.executable, "-m", "apps.simulator.server", "--port", "0", "--data", str(data),
         "--die-with-parent", *options],
        cwd=_ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "listening on" in line, f"the simulator did not start: {line}"
    return process, Simulator(line.split()[-1])


def stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture(scope="session")
def simulator_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    data = tmp_path_factory.mktemp("simulator") / "book.sqlite3"
    process, client = start(data, "--later", "never", "--hold", _HOLD_SECONDS)
    yield client
    stop(process)


@pytest.fixture
def simulator(simulator_process: Simulator) -> Simulator:
    """An empty simulator without faults, whose events are recorded and not sent."""
    simulator_process.reset()
    return simulator_process
