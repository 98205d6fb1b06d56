"""Posting the transactions: what they need is made first, then all of them in parallel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paysys.replay import mix
from paysys.replay.client import Client
from paysys.replay.crew import Crew
from paysys.replay.mix import Kind
from paysys.replay.purses import Moves, Purses
from paysys.replay.report import Merchant, Report
from paysys.replay.source import CURRENCY, GOOD_CARD, Transaction, card_of

# Who pays or is paid: a merchant's id and a customer's number.
Place = tuple[str, int]

LEAST_TOP_UP = 100  # in minor units: less than about half of it no provider charges


class Refused(Exception):
    """The API did not do what the replay needs it to do; the message is its own."""


@dataclass(frozen=True)
class Order:
    """A request, and what it moves in wallets if it is granted."""

    kind: Kind
    path: str
    body: Mapping[str, Any]
    moves: Moves


class Replay:
    """`run_id` goes into the idempotency keys: the same file can be replayed again as new.

    Without `is_mixed` every transaction is a card payment. `purses` is what the client knows of
    wallets, `prepared` the payments that filled them beforehand.
    """

    def __init__(
        self, crew: Crew, merchants: Sequence[Merchant], *, run_id: str, is_mixed: bool
    ) -> None:
        self.crew = crew
        self.merchants = merchants
        self.run_id = run_id
        self.is_mixed = is_mixed
        self.purses = Purses()
        self.prepared: dict[str, Merchant] = {}
        self._customers: dict[Place, str] = {}
        self._cards: dict[Place, str] = {}
        self._wallets: dict[Place, str] = {}

    def merchant_of(self, transaction: Transaction) -> Merchant:
        return self.merchants[transaction.terminal % len(self.merchants)]

    def kind_of(self, transaction: Transaction) -> Kind:
        return mix.kind_of(transaction) if self.is_mixed else Kind.CARD

    def prepare(self, transactions: Sequence[Transaction]) -> None:
        """Make every customer, card and wallet that the transactions need, once; not counted."""
        holders = {place for t in transactions for place in self._holders(t)}
        payers = {self._place(t) for t in transactions}
        self.crew.do(sorted(payers | holders), self._make_customer, "customers and cards")
        if holders:
            self.crew.do(sorted(holders), self._make_wallet, "wallets")

    def fill(self, transactions: Sequence[Transaction]) -> None:
        """Top up every wallet with what the transactions will take out of it; not counted.

        What it posts is in `prepared`, and may be spent once all of that is captured.
        """
        needed: Counter[Place] = Counter()
        for transaction in transactions:
            needed[self._place(transaction)] += self._taken_by(transaction)
        wanted = [
            (place, max(minor // 2 if mix.is_short(place[1]) else minor, LEAST_TOP_UP))
            for place, minor in sorted(needed.items())
            if minor
        ]
        if wanted:
            self.crew.do(wanted, self._top_up, "top-ups beforehand")

    def post(self, transactions: Sequence[Transaction]) -> Report:
        """Post every transaction as what it becomes; a progress bar tells how far it is."""
        report = Report()

        def post_one(client: Client, transaction: Transaction) -> None:
            merchant = self.merchant_of(transaction)
            order = self._order(transaction)
            key = f"replay-{self.run_id}-{transaction.id}"
            answer = client.post(order.path, dict(order.body), api_key=merchant.api_key, key=key)
            made = report.note(order.kind, merchant, transaction, answer)
            if made is not None:
                self.purses.note(made, _decided(order, answer.body))

        self.crew.do(transactions, post_one, "transactions")
        return report

    @property
    def wallets(self) -> dict[str, Merchant]:
        """Every wallet that was made, and its merchant."""
        return {wallet: self._merchant(place) for place, wallet in self._wallets.items()}

    # --- what a transaction becomes -------------------------------------------------------------

    def _order(self, transaction: Transaction) -> Order:
        kind, place = self.kind_of(transaction), self._place(transaction)
        amount = transaction.amount_minor
        facts = {"amount": amount, "metadata": _metadata(transaction)}
        if kind is Kind.CARD:
            return Order(kind, *self._payment(self._cards[place], facts), {})
        wallet = self._wallets[place]
        if kind is Kind.WALLET:
            return Order(kind, *self._payment(wallet, facts), {wallet: -amount})
        if kind is Kind.SPLIT:
            part = mix.wallet_part_of(transaction)
            named = {} if part is None else {"wallet_amount": part}
            split = {**facts, "wallet": wallet, **named}
            return Order(kind, *self._payment(self._cards[place], split), {wallet: -(part or 0)})
        if kind is Kind.TOP_UP:
            body = {**facts, "source": self._cards[place]}
            return Order(kind, f"/v1/wallets/{wallet}/top_up", body, {wallet: amount})
        to = self._wallets[self._partner(transaction)]
        moves = {wallet: -amount, to: amount}
        return Order(kind, f"/v1/wallets/{wallet}/transfer", {**facts, "to": to}, moves)

    @staticmethod
    def _payment(source: str, facts: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        return "/v1/payments", {"currency": CURRENCY, "source": source, **facts}

    def _taken_by(self, transaction: Transaction) -> int:
        """What the transaction takes out of the payer's wallet, as far as one knows beforehand."""
        kind = self.kind_of(transaction)
        if kind is Kind.SPLIT:
            return mix.wallet_part_of(transaction) or 0
        return transaction.amount_minor if kind in (Kind.WALLET, Kind.TRANSFER) else 0

    def _holders(self, transaction: Transaction) -> list[Place]:
        """Whose wallets take part."""
        kind = self.kind_of(transaction)
        if kind is Kind.CARD:
            return []
        partner = [self._partner(transaction)] if kind is Kind.TRANSFER else []
        return [self._place(transaction), *partner]

    def _place(self, transaction: Transaction) -> Place:
        return self.merchant_of(transaction).id, transaction.customer

    def _partner(self, transaction: Transaction) -> Place:
        return self.merchant_of(transaction).id, mix.partner_of(transaction.customer)

    # --- what it needs --------------------------------------------------------------------------

    def _make_customer(self, client: Client, place: Place) -> None:
        body = {"name": f"customer {place[1]}"}
        customer = self._made(client, place, "/v1/customers", body)["id"]
        body = {"provider_token": card_of(place[1]), "customer": customer}
        self._customers[place] = customer
        self._cards[place] = self._made(client, place, "/v1/payment_methods", body)["id"]

    def _make_wallet(self, client: Client, place: Place) -> None:
        body = {"customer": self._customers[place], "currency": CURRENCY}
        self._wallets[place] = self._made(client, place, "/v1/wallets", body)["id"]

    def _top_up(self, client: Client, wanted: tuple[Place, int]) -> None:
        place, minor = wanted
        wallet = self._wallets[place]
        path, body = f"/v1/wallets/{wallet}/top_up", {"amount": minor, "source": GOOD_CARD}
        payment = self._made(client, place, path, body, key=f"fill-{self.run_id}-{wallet}")["id"]
        self.prepared[payment] = self._merchant(place)
        self.purses.note(payment, {wallet: minor})

    def _made(
        self, client: Client, place: Place, path: str, body: dict[str, Any], key: str = ""
    ) -> dict[str, Any]:
        answer = client.post(path, body, api_key=self._merchant(place).api_key, key=key)
        if answer.status not in (200, 201, 202):
            raise Refused(f"{path} answered {answer.status}: {answer.body}")
        return answer.body

    def _merchant(self, place: Place) -> Merchant:
        return next(merchant for merchant in self.merchants if merchant.id == place[0])


def _metadata(transaction: Transaction) -> dict[str, str]:
    return {
        "terminal": str(transaction.terminal),
        "transaction": transaction.id,
        "occurred_at": transaction.occurred_at,
    }


def _decided(order: Order, answer: Mapping[str, Any]) -> Moves:
    """What the order moves; where it left a wallet's part open, the answer says what that is."""
    if order.kind is not Kind.SPLIT or "wallet_amount" in order.body:
        return order.moves
    payment = answer.get("error", {}).get("payment") or answer
    parts = [one["amount"] for one in payment["tenders"] if one["type"] == "wallet"]
    return {order.body["wallet"]: -sum(parts)}
