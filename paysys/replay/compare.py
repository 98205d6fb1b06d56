"""Do our payments and the provider's agree, one by one? Ours are read through the API."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

from paysys.replay.client import Client
from paysys.replay.drive import Merchant

PAGE = 100
SETTLING_SECONDS = 60.0

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
# States in which a payment that is captured automatically does not stay.
UNDER_WAY = ("CREATED", "VALIDATED", "AUTHORIZED")


def settle_down(url: str, merchants: Iterable[Merchant], wanted: set[str]) -> dict[str, Any]:
    """Our payments by public id, once none of the wanted ones is under way any more.

    Gives up when for `SETTLING_SECONDS` not one of them has got any further.
    """
    client, fewest, deadline = Client(url), len(wanted) + 1, 0.0
    with tqdm(total=len(wanted), desc="captured", unit="", mininterval=0.5) as bar:
        while True:
            found: dict[str, Any] = {}
            for merchant in merchants:
                found |= _payments(client, merchant, wanted)
            under_way = sum(payment["status"] in UNDER_WAY for payment in found.values())
            bar.update(len(wanted) - under_way - bar.n)
            if under_way < fewest:
                fewest, deadline = under_way, time.monotonic() + SETTLING_SECONDS
            if not under_way or time.monotonic() > deadline:
                client.close()
                return found
            time.sleep(2)


def disagreements(ours: dict[str, Any], simulator_url: str) -> list[str]:
    """Every payment on which the two books differ, in words; empty if they agree."""
    theirs = _book(simulator_url)
    found = []
    for public_id, payment in ours.items():
        intents = theirs.get(public_id, [])
        if len(intents) != 1:
            found.append(f"{public_id} is {payment['status']}; the provider has {len(intents)}")
            continue
        found += _compare(payment, intents[0])
    return found


def _compare(payment: dict[str, Any], intent: dict[str, Any]) -> list[str]:
    name, status = payment["id"], payment["status"]
    if intent["status"] not in _AT_THE_PROVIDER.get(status, ()):
        return [f"{name} is {status}; at the provider it is {intent['status']}"]
    if payment["amount_captured"] != intent["amount_received"]:
        return [
            f"{name} captured {payment['amount_captured']}; "
            f"the provider received {intent['amount_received']}"
        ]
    if payment["amount_refunded"] != intent["amount_refunded"]:
        return [
            f"{name} refunded {payment['amount_refunded']}; "
            f"the provider refunded {intent['amount_refunded']}"
        ]
    return []


def _payments(client: Client, merchant: Merchant, wanted: set[str]) -> dict[str, Any]:
    """A merchant's payments among the wanted ones, newest first, until all are found."""
    mine: dict[str, Any] = {}
    after, more = "", True
    while more:
        answer = client.get(f"/v1/payments?limit={PAGE}{after}", api_key=merchant.api_key)
        assert answer.status == 200, f"/v1/payments answered {answer.status}: {answer.body}"
        page = answer.body["data"]
        ours = {payment["id"]: payment for payment in page if payment["id"] in wanted}
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
