"""What every story is told with: one merchant's client, one customer, and dice of its own."""

from __future__ import annotations

import random
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from paysys.replay.client import Client
from paysys.replay.scene import Scene
from paysys.replay.source import CURRENCY, GOOD_CARD
from paysys.soak.journal import Operation
from paysys.soak.shopper import Shopper

WALLETS = (2, 3, 4)  # of each merchant: everybody's, so that they are hot
OWN_WALLET = 1_000  # and one of a story's own has the story's number beyond this
CAPTURED = ("CAPTURED", "SETTLED")
CAPTURE_SECONDS = 15.0
LOOK_SECONDS = 0.3
DECLINED = "pm_card_visa_chargeDeclinedInsufficientFunds"
CARDS = (GOOD_CARD, "pm_card_mastercard", "pm_card_amex", "pm_card_visa_debit")
CHALLENGED = "pm_card_threeDSecure2Required"
PAYPAL = "paypal"
SLOW_REFUND = "pm_card_pendingRefund"

# Orders about what is there already: nothing that is made by them could carry the key.
WITHOUT_METADATA = ("capture", "void", "evidence", "accept")

Tale = Callable[["Story"], None]


@dataclass
class World:
    """What all stories share. `simulator_url` is where customers agree to pay."""

    shopper: Shopper
    scene: Scene
    simulator_url: str
    seed: int
    skipped: list[str] = field(default_factory=list)


@dataclass
class Story:
    world: World
    client: Client
    number: int
    rng: random.Random
    merchant: str
    steps: int = 0

    def ask(self, kind: str, path: str, **body: Any) -> dict[str, Any] | None:
        """The granted answer to a request, or None: refused, or not answered in time."""
        return self._asked(self.client, kind, path, body)

    def ask_twice_at_once(self, kind: str, path: str, **body: Any) -> None:
        """Two requests under two keys, at the same time."""
        with self.asking(kind, path, **body):
            self.ask(kind, path, **body)

    @contextmanager
    def asking(self, kind: str, path: str, **body: Any) -> Iterator[None]:
        """While whatever is in the block happens, this is asked; at its end there is an answer."""
        other = self.world.shopper.client()
        thread = threading.Thread(target=self._asked, args=(other, kind, path, {**body}))
        thread.start()
        try:
            yield
        finally:
            thread.join()
            other.close()

    def _asked(
        self, client: Client, kind: str, path: str, body: dict[str, Any]
    ) -> dict[str, Any] | None:
        with _STEPS:
            self.steps += 1
            key = f"soak-{self.world.seed}-{self.number}-{self.steps}"
        if kind not in WITHOUT_METADATA:
            body["metadata"] = {"soak": key}
        operation = Operation(key, kind, self.merchant, path, body)
        answer = self.world.shopper.order(client, operation)
        return answer.body if answer is not None and answer.status in (200, 201) else None

    def wait_for(self, payment: str, *statuses: str) -> dict[str, Any] | None:
        def look() -> dict[str, Any] | None:
            found = self.look(f"/v1/payments/{payment}")
            return found if found is not None and found["status"] in statuses else None

        if found := self.until(look):
            return dict(found)
        self.world.skipped.append(payment)
        return None

    def look(self, path: str) -> dict[str, Any] | None:
        """What stands at a path now; None if nobody can say."""
        return self.world.shopper.look(self.client, self.merchant, path)

    def until(self, look: Callable[[], Any]) -> Any:
        """What `look` finds, once it finds something; None if it does not in good time."""
        until = time.monotonic() + CAPTURE_SECONDS
        while time.monotonic() < until:
            if found := look():
                return found
            time.sleep(LOOK_SECONDS)
        return None

    def amount(self) -> int:
        return self.rng.randint(500, 20_000)

    def wallet(self) -> str:
        return self.world.scene.wallets[self.merchant, self.rng.choice(WALLETS)]

    def pay(self, source: str, **more: Any) -> dict[str, Any] | None:
        body = {"amount": self.amount(), "currency": CURRENCY, "source": source, **more}
        return self.ask("pay", "/v1/payments", **body)

    def consent(self, payment: dict[str, Any]) -> None:
        """The customer agrees on the provider's page."""
        if payment["status"] == "REQUIRES_ACTION":
            agree(self.world.simulator_url, payment)


_STEPS = threading.Lock()


def agree(simulator_url: str, payment: dict[str, Any]) -> None:
    """What the customer does on the page that `next_action` names; a page that is away waits."""
    page = urlsplit(payment["next_action"]["url"])
    if payment["provider"] == PAYPAL:
        path = f"paypal/approve/{parse_qs(page.query)['token'][0]}?result=approve"
    else:
        path = f"3ds/{page.path.rstrip('/').rpartition('/')[2]}?result=pass"
    for _ in range(20):
        try:
            url = f"{simulator_url}/_sim/{path}"
            urllib.request.urlopen(url, data=b"", timeout=5).close()  # noqa: S310
            return
        except OSError:
            time.sleep(LOOK_SECONDS)
