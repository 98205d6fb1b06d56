"""Stories in which a customer disputes what was paid, the merchant answers, and a bank decides.

The merchant is quick or is not heard of; the bank waits until the answer has arrived, or decides at
that very moment. What stays undecided is compared too.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from paysys.soak.objections import PAYPAL, Bank, Facts, has_answer, is_over
from paysys.soak.story import CAPTURED, CARDS, OWN_WALLET, SLOW_REFUND, WALLETS, Story

STRIPE = "stripe"
DISPUTED_AT_ONCE = "pm_card_createDispute"
_PAID = (*CAPTURED, "DISPUTED")


def is_disputed(story: Story) -> None:
    """A card payment, at times disputed as it is captured, refunded before or at that moment."""
    refund = story.rng.choice(("", "", "before", "slowly", "at once"))
    card = story.rng.choice((*CARDS, DISPUTED_AT_ONCE))
    payment = story.pay(SLOW_REFUND if refund == "slowly" else card)
    if payment is None or not story.wait_for(payment["id"], *_PAID):
        return
    part = payment["amount"] // story.rng.choice((1, 2, 4))
    ask = ("refund", f"/v1/payments/{payment['id']}/refund")
    bank = Bank(story.world.simulator_url, STRIPE)
    if refund == "at once":
        with story.asking(*ask, amount=part):
            found = _object(story, bank, payment)
    else:
        if refund:
            story.ask(*ask, amount=part)
        found = _object(story, bank, payment)
    if found is not None:
        _argue(story, bank, payment, found)


def is_disputed_at_paypal(story: Story) -> None:
    """And decided for one or the other, or not at all; the merchant waits and sees, or gives
    whoever only asks the money back."""
    payment = story.pay(PAYPAL)
    if payment is None:
        return
    story.consent(payment)
    if not story.wait_for(payment["id"], *_PAID):
        return
    bank = Bank(story.world.simulator_url, PAYPAL)
    is_inquiry = story.rng.random() < 0.3
    found = _object(story, bank, payment, is_inquiry=is_inquiry)
    if is_inquiry and story.rng.random() < 0.5:
        story.ask("refund", f"/v1/payments/{payment['id']}/refund")
        return
    # A question that is decided for the buyer is settled between the two, not by the simulator.
    result = "win" if is_inquiry else story.rng.choice(("win", "lose", ""))
    if found is not None and result:
        bank.decide(found["dispute_id"], result)


def disputes_a_top_up(story: Story) -> None:
    """Of a wallet of its own, in part spent before: it is frozen, and what is missing is ours."""
    wallet = story.world.scene.wallets[story.merchant, OWN_WALLET + story.number]
    body = {"amount": story.amount(), "source": story.rng.choice(CARDS)}
    payment = story.ask("top_up", f"/v1/wallets/{wallet}/top_up", **body)
    if payment is None or not story.wait_for(payment["id"], *_PAID):
        return
    if story.rng.random() < 0.6:
        other = story.world.scene.wallets[story.merchant, story.rng.choice(WALLETS)]
        spent = payment["amount"] * story.rng.choice((1, 2, 4)) // 4
        path = f"/v1/wallets/{wallet}/transfer"
        if story.ask("transfer", path, to=other, amount=spent) is None:
            return
    bank = Bank(story.world.simulator_url, STRIPE)
    found = _object(story, bank, payment)
    if found is not None:
        _argue(story, bank, payment, found)


# --- what both sides do ---------------------------------------------------------------------------


def _object(
    story: Story, bank: Bank, payment: Facts, *, is_inquiry: bool | None = None
) -> Facts | None:
    """The customer's part. None: nobody could be told."""
    if is_inquiry is None:
        is_inquiry = story.rng.random() < 0.25
    amount = payment["amount"] // story.rng.choice((1, 1, 2))
    taken = bank.taken_for(payment["id"])
    return bank.object_to(taken, amount=amount, is_inquiry=is_inquiry) if taken else None


def _argue(story: Story, bank: Bank, payment: Facts, found: Facts) -> None:
    """The merchant answers, gives up or says nothing; then the bank decides, or does not."""
    is_question = found["status"].startswith("warning")
    says = story.rng.choice(("evidence", "evidence", "", *([] if is_question else ["accept"])))
    is_at_once = story.rng.random() < 0.2
    dispute = story.until(partial(_heard_of, story, payment))
    if dispute is None:
        story.world.skipped.append(found["id"])
        return
    ask: tuple[str, str, dict[str, Any]] = (says, f"/v1/disputes/{dispute['id']}/{says}", {})
    if says == "evidence":
        text = f"Story {story.number} of {story.world.seed} was told to the end."
        ask[2].update(texts={"uncategorized_text": text}, submit=True)
    if says and is_at_once:
        with story.asking(ask[0], ask[1], **ask[2]):
            _decide(story, bank, found)
        return
    if says:
        if story.ask(ask[0], ask[1], **ask[2]) is None:
            return
        is_there = has_answer if says == "evidence" else is_over
        if not story.until(partial(_stands, bank, found, is_there)):
            story.world.skipped.append(found["id"])
            return
    _decide(story, bank, found)


def _decide(story: Story, bank: Bank, found: Facts) -> None:
    """What the bank says, written down before, for an answer that comes later is lost rightly."""
    results: tuple[str, ...] = ("win", "win in part", "lose", "lose, reverse", "")
    if found["status"].startswith("warning"):
        results = ("close", "escalate", "escalate, lose", "escalate, win", "")
    for result in filter(None, story.rng.choice(results).split(", ")):
        story.world.shopper.note(decides=found["id"], result=result)
        if result == "win in part":
            bank.decide(found["id"], "win", amount=max(1, found["amount"] // 3))
        else:
            bank.decide(found["id"], result)


def _heard_of(story: Story, payment: Facts) -> Facts | None:
    """The dispute as the merchant sees it."""
    listed = story.look(f"/v1/disputes?payment={payment['id']}")
    return listed["data"][0] if listed is not None and listed["data"] else None


def _stands(bank: Bank, found: Facts, is_so: Any) -> bool:
    now = bank.find(found["charge"])
    return now is not None and bool(is_so(now))
