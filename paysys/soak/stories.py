"""What the merchants' customers do, each a short story; its number and the seed decide everything.

A story ends early when an answer stays away: what is open then is asked for again at the end.
"""

from __future__ import annotations

import random
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from paysys.replay import mix
from paysys.replay.client import Client
from paysys.replay.scene import Scene
from paysys.replay.source import CURRENCY, GOOD_CARD
from paysys.soak.journal import Operation
from paysys.soak.shopper import Shopper

WALLETS = (2, 3, 4)  # of each merchant: everybody's, so that they are hot
CAPTURED = ("CAPTURED", "SETTLED")
CAPTURE_SECONDS = 15.0
LOOK_SECONDS = 0.3
DECLINED = "pm_card_visa_chargeDeclinedInsufficientFunds"
CARDS = (GOOD_CARD, "pm_card_mastercard", "pm_card_amex", "pm_card_visa_debit")
CHALLENGED = "pm_card_threeDSecure2Required"
PAYPAL = "paypal"
SLOW_REFUND = "pm_card_pendingRefund"

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
        other = self.world.shopper.client()
        second = threading.Thread(target=self._asked, args=(other, kind, path, {**body}))
        first_body = {**body}
        second.start()
        self._asked(self.client, kind, path, first_body)
        second.join()
        other.close()

    def _asked(
        self, client: Client, kind: str, path: str, body: dict[str, Any]
    ) -> dict[str, Any] | None:
        with _STEPS:
            self.steps += 1
            key = f"soak-{self.world.seed}-{self.number}-{self.steps}"
        if kind not in ("capture", "void"):
            body["metadata"] = {"soak": key}
        operation = Operation(key, kind, self.merchant, path, body)
        answer = self.world.shopper.order(client, operation)
        return answer.body if answer is not None and answer.status in (200, 201) else None

    def wait_for(self, payment: str, *statuses: str) -> dict[str, Any] | None:
        until = time.monotonic() + CAPTURE_SECONDS
        while time.monotonic() < until:
            found = self.world.shopper.look(self.client, self.merchant, f"/v1/payments/{payment}")
            if found is not None and found["status"] in statuses:
                return found
            time.sleep(LOOK_SECONDS)
        self.world.skipped.append(payment)
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


# --- the tales ------------------------------------------------------------------------------------


def pays_by_card(story: Story) -> None:
    story.pay(story.rng.choice(CARDS))


def pays_by_a_card_both_know(story: Story) -> None:
    """One that either provider may charge."""
    story.pay(story.world.scene.cards[story.merchant, story.rng.choice(WALLETS)])


def is_declined(story: Story) -> None:
    story.pay(DECLINED)


def is_refunded_in_part(story: Story) -> None:
    """And then once more, of which too little is left."""
    slow = story.rng.random() < 0.25
    payment = story.pay(SLOW_REFUND if slow else story.rng.choice(CARDS))
    if payment is None or not story.wait_for(payment["id"], *CAPTURED):
        return
    part = payment["amount"] * 6 // 10
    for _ in range(2):
        story.ask("refund", f"/v1/payments/{payment['id']}/refund", amount=part)


def is_refunded_twice_at_once(story: Story) -> None:
    """Two refunds of which one alone fits."""
    payment = story.pay(story.rng.choice((*CARDS, *[story.wallet() for _ in CARDS])))
    if payment is None or not story.wait_for(payment["id"], *CAPTURED):
        return
    path = f"/v1/payments/{payment['id']}/refund"
    story.ask_twice_at_once("refund", path, amount=payment["amount"] * 6 // 10)


def is_captured_later(story: Story) -> None:
    source = PAYPAL if story.rng.random() < 0.3 else story.rng.choice(CARDS)
    payment = story.pay(source, capture_method="manual")
    if payment is None:
        return
    story.consent(payment)
    if not story.wait_for(payment["id"], "AUTHORIZED"):
        return
    part = story.rng.choice((payment["amount"], payment["amount"] // 2))
    captured = story.ask("capture", f"/v1/payments/{payment['id']}/capture", amount=part)
    if captured is not None and story.rng.random() < 0.4:
        story.ask("refund", f"/v1/payments/{payment['id']}/refund", amount=part // 3)


def is_voided(story: Story) -> None:
    payment = story.pay(story.rng.choice(CARDS), capture_method="manual")
    if payment is not None:
        story.ask("void", f"/v1/payments/{payment['id']}/void")


def pays_by_paypal(story: Story) -> None:
    payment = story.pay(PAYPAL)
    if payment is None:
        return
    story.consent(payment)
    if story.rng.random() < 0.5 and story.wait_for(payment["id"], *CAPTURED):
        part = payment["amount"] // 2
        story.ask("refund", f"/v1/payments/{payment['id']}/refund", amount=part)


def passes_3d_secure(story: Story) -> None:
    payment = story.pay(CHALLENGED)
    if payment is not None:
        story.consent(payment)


def pays_from_a_wallet(story: Story) -> None:
    payment = story.pay(story.wallet())
    if payment is not None and story.rng.random() < 0.3:
        part = payment["amount"] // 2
        story.ask("refund", f"/v1/payments/{payment['id']}/refund", amount=part)


def pays_from_both(story: Story) -> None:
    """A wallet's part and a card's; now and then the card says no."""
    card = DECLINED if story.rng.random() < 0.2 else story.rng.choice(CARDS)
    part = story.rng.randint(100, 400)
    payment = story.pay(card, wallet=story.wallet(), wallet_amount=part)
    if payment is None or story.rng.random() < 0.6:
        return
    if story.wait_for(payment["id"], *CAPTURED):
        story.ask("refund", f"/v1/payments/{payment['id']}/refund")


def tops_up(story: Story) -> None:
    body = {"amount": story.amount(), "source": story.rng.choice(CARDS)}
    story.ask("top_up", f"/v1/wallets/{story.wallet()}/top_up", **body)


def transfers(story: Story) -> None:
    """Between the same few wallets, as often there as back, two at the same moment."""
    wallets = [story.world.scene.wallets[story.merchant, number] for number in WALLETS]
    for _ in range(2):
        here, there = story.rng.sample(wallets, 2)
        body = {"to": there, "amount": story.rng.randint(1, 3_000)}
        story.ask_twice_at_once("transfer", f"/v1/wallets/{here}/transfer", **body)


def withdraws(story: Story) -> None:
    number = story.rng.choice(WALLETS)
    place = (story.merchant, number)
    bank, wallet = story.world.scene.banks[place], story.world.scene.wallets[place]
    body = {"amount": story.rng.randint(100, 2_000), "bank_account": bank}
    story.ask("withdraw", f"/v1/wallets/{wallet}/withdraw", **body)


def is_paid_out(story: Story) -> None:
    bank = story.world.scene.banks[story.merchant, mix.NOBODY]
    body = {"amount": story.rng.randint(100, 2_000), "currency": CURRENCY, "bank_account": bank}
    story.ask("payout", "/v1/payouts", **body)


# How many of a hundred stories; those with a payment count as one.
TALES: dict[Tale, int] = {
    pays_by_card: 12,
    pays_by_a_card_both_know: 10,
    is_declined: 3,
    is_refunded_in_part: 9,
    is_refunded_twice_at_once: 6,
    is_captured_later: 10,
    is_voided: 6,
    pays_by_paypal: 8,
    passes_3d_secure: 3,
    pays_from_a_wallet: 8,
    pays_from_both: 7,
    tops_up: 4,
    transfers: 7,
    withdraws: 4,
    is_paid_out: 3,
}
WITHOUT_PAYMENT = (transfers, withdraws, is_paid_out)
assert sum(TALES.values()) == 100


def tale_of(seed: int, number: int) -> tuple[Tale, random.Random]:
    rng = random.Random(f"story:{seed}:{number}")  # noqa: S311
    return rng.choices(list(TALES), list(TALES.values()))[0], rng


def tell(world: World, client: Client, number: int) -> None:
    tale, rng = tale_of(world.seed, number)
    merchant = rng.choice(sorted(world.shopper.merchants))
    tale(Story(world, client, number, rng, merchant))


def count_until(seed: int, payments: int) -> int:
    """How many stories have this many payments among them."""
    number = 0
    while payments > 0:
        payments -= tale_of(seed, number)[0] not in WITHOUT_PAYMENT
        number += 1
    return number
