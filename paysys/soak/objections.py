"""Customers who object to what they have paid, and banks that decide: told to the providers alone.

It goes past the wire, straight to the simulator, and is said again until it is heard: this is the
outside, which our faults are not to hinder. Saying it twice is telling it once.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

TRIES = 40
AGAIN_SECONDS = 0.5
PAYPAL = "paypal"
_PATHS = {"stripe": "/_sim", PAYPAL: "/_sim/paypal"}

Facts = dict[str, Any]


@dataclass(frozen=True)
class Bank:
    """What one provider's customers and their banks can say."""

    simulator_url: str
    provider: str

    def taken_for(self, payment: str) -> str | None:
        """The provider's id of what it took for a payment of ours."""
        found = self._said("GET", "charges", payment=payment)
        taken = (found or {}).get("capture_ids" if self.provider == PAYPAL else "charge_ids")
        return str(taken[0]) if taken else None

    def find(self, taken: str) -> Facts | None:
        """The dispute about it as the provider has it; None: there is none, or nobody answers."""
        lines = self._ask("GET", "disputes", charge=taken)
        return json.loads(lines.splitlines()[0]) if lines else None

    def object_to(self, taken: str, *, amount: int, is_inquiry: bool) -> Facts | None:
        """Open a dispute, unless there is one; `amount` in minor units (PayPal: all of it)."""
        for _ in range(TRIES):
            if found := self.find(taken):
                return found
            if self.provider == PAYPAL:
                stage = "INQUIRY" if is_inquiry else "CHARGEBACK"
                self._ask("POST", f"disputes/{taken}", stage=stage)
            else:
                more = {"inquiry": "yes"} if is_inquiry else {}
                self._ask("POST", f"disputes/{taken}", amount=amount, **more)
        return None

    def decide(self, dispute: str, result: str, **facts: int) -> None:
        """`win` (of `amount`), `lose`, `reverse`, `close`, `escalate`; PayPal knows two of them.

        One that does not stand so that this can be said stays as it is.
        """
        if self.provider == PAYPAL:
            outcome = "won" if result == "win" else "lost"
            self._said("POST", f"resolve/{dispute}", outcome=outcome)
        else:
            self._said("POST", f"disputes/{dispute}", result=result, **facts)

    def _said(self, method: str, path: str, **facts: Any) -> Facts | None:
        for _ in range(TRIES):
            if answer := self._ask(method, path, **facts):
                return dict(json.loads(answer))
        return None

    def _ask(self, method: str, path: str, **facts: Any) -> bytes | None:
        """None: nobody is there. A refusal is an answer: it says nothing, and is not repeated."""
        url = f"{self.simulator_url}{_PATHS[self.provider]}/{path}?{urlencode(facts)}"
        try:
            asked = urllib.request.Request(url, method=method)  # noqa: S310
            with urllib.request.urlopen(asked, timeout=5) as answer:  # noqa: S310
                return bytes(answer.read())
        except urllib.error.HTTPError as refusal:
            with refusal:
                return b"{}" if refusal.code < 500 else None
        except OSError:
            time.sleep(AGAIN_SECONDS)
            return None


def is_over(found: Facts) -> bool:
    """Whether a dispute is decided, in either provider's words."""
    return found["status"] in ("won", "lost", "warning_closed", "RESOLVED")


def has_answer(found: Facts) -> bool:
    """Whether the merchant's answer has arrived, or it is too late for one."""
    return is_over(found) or found.get("evidence_details", {}).get("submission_count", 0) > 0
