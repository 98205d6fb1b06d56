"""Whom the transactions are about: customers with cards, wallets and bank accounts, made once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from paysys.replay import mix
from paysys.replay.client import Client
from paysys.replay.crew import Crew
from paysys.replay.purses import Purses
from paysys.replay.report import Merchant
from paysys.replay.source import CURRENCY, GOOD_CARD, card_of

# Who pays or is paid: a merchant's id and a customer's number.
Place = tuple[str, int]

LEAST = 100  # in minor units: no provider charges less than about half of it


class Refused(Exception):
    """The API did not do what the replay needs it to do; the message is its own."""


@dataclass
class Scene:
    """`prepared` holds the payments that were made beforehand, with their merchants."""

    crew: Crew
    merchants: Mapping[str, Merchant]
    run_id: str
    purses: Purses
    prepared: dict[str, Merchant] = field(default_factory=dict)
    customers: dict[Place, str] = field(default_factory=dict)
    cards: dict[Place, str] = field(default_factory=dict)
    wallets: dict[Place, str] = field(default_factory=dict)
    banks: dict[Place, str] = field(default_factory=dict)

    def make_customers(self, places: Iterable[Place]) -> None:
        self.crew.do(sorted(places), self._make_customer, "customers and cards")

    def make_wallets(self, places: Iterable[Place]) -> None:
        self.crew.do(sorted(places), self._make_wallet, "wallets")

    def make_banks(self, places: Iterable[Place]) -> None:
        self.crew.do(sorted(places), self._make_bank, "bank accounts")

    def find_banks(self, merchants: Iterable[str]) -> None:
        """Each merchant's own account, which an earlier replay may have made."""
        self.crew.do(sorted(merchants), self._find_bank, "merchants' bank accounts")

    def fill(self, needed: Mapping[Place, int]) -> None:
        """Top wallets up with so much; it may be spent once all of `prepared` is captured."""
        wanted = [
            (place, max(minor // 2 if mix.is_short(place[1]) else minor, LEAST))
            for place, minor in sorted(needed.items())
            if minor
        ]
        self.crew.do(wanted, self._top_up, "top-ups beforehand")

    def earn(self, needed: Mapping[str, int]) -> None:
        """A payment by card for each merchant, of which so much is left for a payout."""
        wanted = [(merchant, minor * 2 + LEAST) for merchant, minor in sorted(needed.items())]
        self.crew.do(wanted, self._charge, "receipts beforehand")

    def _make_customer(self, client: Client, place: Place) -> None:
        body = {"name": f"customer {place[1]}"}
        customer = self._made(client, place[0], "/v1/customers", body)["id"]
        body = {"provider_token": card_of(place[1]), "customer": customer}
        self.customers[place] = customer
        self.cards[place] = self._made(client, place[0], "/v1/payment_methods", body)["id"]

    def _make_wallet(self, client: Client, place: Place) -> None:
        body = {"customer": self.customers[place], "currency": CURRENCY}
        self.wallets[place] = self._made(client, place[0], "/v1/wallets", body)["id"]

    def _make_bank(self, client: Client, place: Place) -> None:
        body = _bank(mix.iban_of(place[1]), customer=self.customers[place])
        self.banks[place] = self._made(client, place[0], "/v1/bank_accounts", body)["id"]

    def _find_bank(self, client: Client, merchant: str) -> None:
        answer = client.get("/v1/bank_accounts?limit=100", api_key=self.merchants[merchant].api_key)
        own = [one for one in _listed(answer.body) if _is_usable(one)]
        if not own:
            own = [self._made(client, merchant, "/v1/bank_accounts", _bank(mix.GOOD_IBAN))]
        self.banks[merchant, mix.NOBODY] = own[0]["id"]

    def _top_up(self, client: Client, wanted: tuple[Place, int]) -> None:
        place, minor = wanted
        wallet = self.wallets[place]
        path, body = f"/v1/wallets/{wallet}/top_up", {"amount": minor, "source": GOOD_CARD}
        self.purses.note(self._paid(client, place[0], path, body, wallet), {wallet: minor})

    def _charge(self, client: Client, wanted: tuple[str, int]) -> None:
        merchant, minor = wanted
        body = {"amount": minor, "currency": CURRENCY, "source": GOOD_CARD}
        self._paid(client, merchant, "/v1/payments", body, merchant)

    def _paid(
        self, client: Client, merchant: str, path: str, body: dict[str, Any], name: str
    ) -> str:
        """The public id of a payment made beforehand."""
        key = f"prepare-{self.run_id}-{name}"
        payment = str(self._made(client, merchant, path, body, key=key)["id"])
        self.prepared[payment] = self.merchants[merchant]
        return payment

    def _made(
        self, client: Client, merchant: str, path: str, body: dict[str, Any], *, key: str = ""
    ) -> dict[str, Any]:
        answer = client.post(path, body, api_key=self.merchants[merchant].api_key, key=key)
        if answer.status not in (200, 201, 202):
            raise Refused(f"{path} answered {answer.status}: {answer.body}")
        return answer.body


def _bank(iban: str, **more: str) -> dict[str, Any]:
    holder = {"holder": "A customer of the replay", "country": "DE", "currency": CURRENCY}
    return {**holder, "iban": iban, **more}


def _listed(body: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    listed: Sequence[Mapping[str, Any]] = body["data"]
    return listed


def _is_usable(account: Mapping[str, Any]) -> bool:
    facts = (account["customer"], account["currency"], account["status"])
    return facts == (None, CURRENCY, "usable")
