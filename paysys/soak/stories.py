"""What the merchants' customers do, each a short story; its number and the seed decide everything.

A story ends early when an answer stays away: what is open then is asked for again at the end.
"""

from __future__ import annotations

import random
from collections.abc import Collection

from paysys.replay import mix
from paysys.replay.client import Client
from paysys.replay.scene import Place
from paysys.replay.source import CURRENCY
from paysys.soak import disputed
from paysys.soak.story import (
    CAPTURED,
    CARDS,
    CHALLENGED,
    DECLINED,
    OWN_WALLET,
    PAYPAL,
    SLOW_REFUND,
    WALLETS,
    Story,
    Tale,
    World,
)


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
    pays_by_card: 8,
    pays_by_a_card_both_know: 10,
    is_declined: 3,
    is_refunded_in_part: 8,
    is_refunded_twice_at_once: 6,
    is_captured_later: 9,
    is_voided: 6,
    pays_by_paypal: 7,
    passes_3d_secure: 3,
    pays_from_a_wallet: 8,
    pays_from_both: 7,
    tops_up: 4,
    transfers: 7,
    withdraws: 4,
    is_paid_out: 3,
    disputed.is_disputed: 5,
    disputed.is_disputed_at_paypal: 1,
    disputed.disputes_a_top_up: 1,
}
WITHOUT_PAYMENT = (transfers, withdraws, is_paid_out)
assert sum(TALES.values()) == 100


def tale_of(seed: int, number: int) -> tuple[Tale, random.Random]:
    rng = random.Random(f"story:{seed}:{number}")  # noqa: S311
    return rng.choices(list(TALES), list(TALES.values()))[0], rng


def _merchant_of(rng: random.Random, merchants: Collection[str]) -> str:
    """Whose customer it is: the first that is drawn after the tale."""
    return rng.choice(sorted(merchants))


def own_wallets(seed: int, total: int, merchants: Collection[str]) -> set[Place]:
    """The places of the wallets that belong to one story each."""
    drawn = ((number, *tale_of(seed, number)) for number in range(total))
    return {
        (_merchant_of(rng, merchants), OWN_WALLET + number)
        for number, tale, rng in drawn
        if tale is disputed.disputes_a_top_up
    }


def tell(world: World, client: Client, number: int) -> None:
    tale, rng = tale_of(world.seed, number)
    tale(Story(world, client, number, rng, _merchant_of(rng, world.shopper.merchants)))


def count_until(seed: int, payments: int) -> int:
    """How many stories have this many payments among them."""
    number = 0
    while payments > 0:
        payments -= tale_of(seed, number)[0] not in WITHOUT_PAYMENT
        number += 1
    return number
