"""Do our payments and the provider's agree, one by one, and our wallets with the client's own book?

Ours are read through the API.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterable, Mapping
from typing import Any

from tqdm import tqdm

from paysys.replay.client import Client
from paysys.replay.crew import Crew
from paysys.replay.report import Merchant

PAGE = 100
SETTLING_SECONDS = 60.0
LOOK_AGAIN_SECONDS = 2.0

# What a payment's state must look like at the provider.
_AT_THE_PROVIDER = {
    "CAPTURED": ("succeeded",),
    "SETTLED": ("succeeded",),
    "REFUNDED": ("succeeded",),
    "AUTHORIZED": ("requires_capture",),
    "REQUIRES_ACTION": ("requires_action",),
    "VOIDED": ("canceled",),
    "FAILED": ("canceled", "requires_payment_method"),
}
# States in which a payment that is captured automatically does not stay, nor a payout.
UNDER_WAY = {
    "payment": ("CREATED", "VALIDATED", "AUTHORIZED"),
    "payout": ("PENDING", "IN_TRANSIT"),
}
# States in which what was asked for has moved money for good.
STANDS = ("CAPTURED", "SETTLED", "PAID")


def is_under_way(ours: Mapping[str, Any]) -> bool:
    """Whether something is still to come of a payment or payout, or is not known."""
    return ours["status"] in UNDER_WAY[ours["object"]] or ours["outcome"] != "known"


def settle_down(
    url: str, merchants: Iterable[Merchant], wanted: set[str], *, what: str = "payments"
) -> dict[str, Any]:
    """Our payments (or payouts) by public id, once none of the wanted ones is under way any more.

    Gives up when for `SETTLING_SECONDS` not one of them has got any further.
    """
    client, fewest, deadline = Client(url), len(wanted) + 1, 0.0
    with tqdm(total=len(wanted), desc=f"{what} done", unit="", mininterval=0.5) as bar:
        while True:
            found: dict[str, Any] = {}
            for merchant in merchants:
                found |= _listed(client, merchant, wanted, what)
            under_way = sum(map(is_under_way, found.values()))
            bar.update(len(wanted) - under_way - bar.n)
            if under_way < fewest:
                fewest, deadline = under_way, time.monotonic() + SETTLING_SECONDS
            if not under_way or time.monotonic() > deadline:
                client.close()
                return found
            time.sleep(LOOK_AGAIN_SECONDS)


def disagreements(ours: dict[str, Any], simulator_url: str) -> list[str]:
    """Every payment on which the two books differ, in words; empty if they agree."""
    theirs = _book(simulator_url)
    found = []
    for public_id, payment in ours.items():
        intents = theirs.get(public_id, [])
        cards = [tender for tender in payment["tenders"] if tender["type"] == "card"]
        if len(intents) != len(cards):
            found.append(
                f"{public_id} is {payment['status']} and asks {len(cards)} cards; "
                f"the provider has {len(intents)}"
            )
            continue
        for card, intent in zip(cards, intents, strict=True):
            found += _compare(payment, card, intent)
    return found


def payouts(crew: Crew, ours: Mapping[str, Any]) -> list[str]:
    """Every payout on which the two books differ, in words. The crew asks the simulator."""
    found: list[str] = []

    def look(client: Client, payout: Mapping[str, Any]) -> None:
        answer = client.get(f"/_sim/payouts?payout={payout['id']}", api_key="")
        theirs = [(one["status"], one["amount"]) for one in answer.body["payouts"]]
        if theirs != [(payout["status"].lower(), payout["amount"])]:
            found.append(
                f"{payout['id']} is {payout['status']} of {payout['amount']}; "
                f"the provider has {theirs}"
            )

    crew.do(list(ours.values()), look, "payouts compared")
    return found


def wallets(
    crew: Crew, ours: Mapping[str, Merchant], expected: Mapping[str, int]
) -> tuple[int, list[str]]:
    """How many of our wallets hold what the client's own book says, and in words which do not.

    Everything has ended, so nothing is held. `ours` maps a wallet to its merchant.
    """
    found: list[str] = []

    def look(client: Client, wallet: str) -> None:
        answer = client.get(f"/v1/wallets/{wallet}/balance", api_key=ours[wallet].api_key)
        assert answer.status == 200, f"the balance of {wallet} answered {answer.status}"
        holds = (answer.body["available"], answer.body["held"])
        if holds != (expected.get(wallet, 0), 0):
            found.append(
                f"{wallet} has {holds[0]} available and {holds[1]} held; "
                f"by the answers it must be {expected.get(wallet, 0)} and 0"
            )

    crew.do(sorted(ours), look, "wallets compared")
    return len(ours) - len(found), found


def _compare(
    payment: Mapping[str, Any], card: Mapping[str, Any], intent: Mapping[str, Any]
) -> list[str]:
    """A card's part of a payment next to what the provider has of it."""
    name, status = payment["id"], payment["status"]
    if intent["status"] not in _AT_THE_PROVIDER.get(status, ()):
        return [f"{name} is {status}; at the provider it is {intent['status']}"]
    return [
        f"{name} {verb} {card[ours]} by card; the provider has {intent[theirs]}"
        for verb, ours, theirs in (
            ("asks", "amount", "amount"),
            ("captured", "captured", "amount_received"),
            ("refunded", "refunded", "amount_refunded"),
        )
        if card[ours] != intent[theirs]
    ]


def _listed(client: Client, merchant: Merchant, wanted: set[str], what: str) -> dict[str, Any]:
    """A merchant's among the wanted ones, newest first, until all are found."""
    mine: dict[str, Any] = {}
    after, more = "", True
    while more:
        answer = client.get(f"/v1/{what}?limit={PAGE}{after}", api_key=merchant.api_key)
        assert answer.status == 200, f"/v1/{what} answered {answer.status}: {answer.body}"
        page = answer.body["data"]
        ours = {one["id"]: one for one in page if one["id"] in wanted}
        mine |= ours
        more = answer.body["has_more"] and bool(ours)
        after = f"&starting_after={page[-1]['id']}" if page else ""
    return mine


def _book(simulator_url: str) -> dict[str, list[dict[str, Any]]]:
    """The provider's payments by the payment id that we wrote into them."""
    with urllib.request.urlopen(f"{simulator_url}/_sim/book", timeout=60) as answer:  # noqa: S310
        lines = answer.read().splitlines()
    found: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        intent = json.loads(line)
        found.setdefault(intent["metadata"].get("paysys_payment", ""), []).append(intent)
    return found
