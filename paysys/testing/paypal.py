"""The PayPal personality of the simulator, as a test asks it: a small client of its controls."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Ask = Callable[..., bytes]


@dataclass(frozen=True, slots=True)
class SignedTransmission:
    """What PayPal would post: send `body` as it is, with these headers."""

    id: str
    body: bytes
    headers: dict[str, str]


class PayPalSimulator:
    client_id = "simulator_client"
    client_secret = "simulator_secret"
    webhook_id = "SIMULATORWEBHOOK1"
    reporting_delay_seconds = 3 * 3600

    def __init__(self, url: str, ask: Ask) -> None:
        self.url = f"{url}/paypal"
        self._control = ask

    # --- the book

    def book(self) -> list[dict[str, Any]]:
        """Every order with its authorizations, captures and refunds, as they were made."""
        return [json.loads(line) for line in self._ask("GET", "book").splitlines()]

    def order(self, order_id: str) -> dict[str, Any]:
        return next(line for line in self.book() if line["id"] == order_id)

    def effects(self, payment_id: str) -> dict[str, Any]:
        """What happened outside for one payment (`custom_id`)."""
        return self._json("GET", f"charges?payment={payment_id}")

    # --- the payer, the bank, the night

    def approve(self, order_id: str, payer: str = "payer_good") -> None:
        self._ask("POST", f"approve/{order_id}?result=approve&payer={payer}")

    def decline(self, order_id: str) -> None:
        """The approval comes to nothing, for good."""
        self._ask("POST", f"approve/{order_id}?result=decline")

    def expire(self, order_id: str) -> None:
        """Its authorization ends, as after 29 days."""
        self._ask("POST", f"expire/{order_id}")

    def fail_refund(self, refund_id: str) -> None:
        self._ask("POST", f"refunds/{refund_id}?result=fail")

    def dispute(
        self, capture_id: str, *, stage: str = "CHARGEBACK", reason: str = "UNAUTHORISED"
    ) -> dict[str, Any]:
        return self._json("POST", f"disputes/{capture_id}?stage={stage}&reason={reason}")

    def resolve(self, dispute_id: str, *, won: bool, refunded: str = "") -> dict[str, Any]:
        """`refunded`, in major units: the part of a lost one that goes to the payer."""
        part = f"&refunded={refunded}" if refunded else ""
        return self._json("POST", f"resolve/{dispute_id}?outcome={'won' if won else 'lost'}{part}")

    def cancel_dispute(self, dispute_id: str) -> dict[str, Any]:
        """The payer takes it back."""
        return self._json("POST", f"resolve/{dispute_id}?outcome=canceled")

    def escalate(self, dispute_id: str) -> dict[str, Any]:
        """A question becomes a claim."""
        return self._json("POST", f"resolve/{dispute_id}?outcome=escalated")

    def find_dispute(self, dispute_id: str) -> dict[str, Any]:
        """As PayPal shows it, with `submissions`, and the name, size and hash of `files`."""
        return self._json("GET", f"disputes/{dispute_id}")

    def pay_out(self) -> list[dict[str, Any]]:
        """A withdrawal per currency, of everything."""
        made: list[dict[str, Any]] = self._json("POST", "payouts")["payouts"]
        return made

    # --- events

    def events(self, kind: str = "", *, object_id: str = "") -> list[dict[str, Any]]:
        """Events so far, oldest first: `id`, `type`, `object`."""
        asked = "&".join(f"{k}={v}" for k, v in (("type", kind), ("object", object_id)) if v)
        found: list[dict[str, Any]] = self._json("GET", f"events?{asked}")["events"]
        return found

    def deliver(self, event: dict[str, Any]) -> SignedTransmission:
        """One event as its webhook would carry it, signed now."""
        found = self._json("GET", f"events/{event['id']}")
        return SignedTransmission(event["id"], found["body"].encode(), found["headers"])

    def send_webhooks_to(self, url: str) -> None:
        """From now on the simulator posts events itself; "" only records them."""
        self._ask("POST", "webhooks", url=url)

    def _ask(self, method: str, path: str, **facts: Any) -> bytes:
        return self._control(method, f"paypal/{path}", **facts)

    def _json(self, method: str, path: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._ask(method, path))
        return found
