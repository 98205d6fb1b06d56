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
from paysys.replay.scene import Place, Scene
from paysys.replay.source import CURRENCY, Transaction

# What takes money out of the payer's wallet, as far as one knows beforehand: all, or a part.
_SPENDING = (Kind.WALLET, Kind.TRANSFER, Kind.WITHDRAWAL)
_WITHOUT_WALLET = (Kind.CARD, Kind.PAYOUT)


@dataclass(frozen=True)
class Order:
    """A request, and what it moves in wallets if it is granted."""

    path: str
    body: Mapping[str, Any]
    moves: Moves


class Replay:
    """`run_id` goes into the idempotency keys: the same file can be replayed again as new.

    Without `is_mixed` every transaction is a card payment. `purses` is what the client knows of
    wallets.
    """

    def __init__(
        self, crew: Crew, merchants: Sequence[Merchant], *, run_id: str, is_mixed: bool
    ) -> None:
        self.crew = crew
        self.merchants = merchants
        self.run_id = run_id
        self.is_mixed = is_mixed
        self.purses = Purses()
        self.scene = Scene(crew, {one.id: one for one in merchants}, run_id, self.purses)

    @property
    def wallets(self) -> dict[str, Merchant]:
        """Every wallet that was made, and its merchant."""
        known = self.scene.merchants
        return {wallet: known[place[0]] for place, wallet in self.scene.wallets.items()}

    def merchant_of(self, transaction: Transaction) -> Merchant:
        return self.merchants[transaction.terminal % len(self.merchants)]

    def kind_of(self, transaction: Transaction) -> Kind:
        return mix.kind_of(transaction) if self.is_mixed else Kind.CARD

    def prepare(self, transactions: Sequence[Transaction]) -> None:
        """Make whatever the transactions need, once; not counted.

        Wallets are topped up with what will be taken out of them, merchants earn what will be paid
        out: it is there once the payments of `scene.prepared` are captured, and released.
        """
        kinds = [(self.kind_of(t), self._place(t), t) for t in transactions]
        partners = {self._partner(t) for kind, _, t in kinds if kind is Kind.TRANSFER}
        self.scene.make_customers({place for _, place, _ in kinds} | partners)
        if not self.is_mixed:
            return
        self.scene.make_wallets(
            {p for kind, p, _ in kinds if kind not in _WITHOUT_WALLET} | partners
        )
        self.scene.make_banks({place for kind, place, _ in kinds if kind is Kind.WITHDRAWAL})
        spent: Counter[Place] = Counter()
        paid_out: Counter[str] = Counter()
        for kind, place, transaction in kinds:
            if kind in _SPENDING:
                spent[place] += transaction.amount_minor
            elif kind is Kind.SPLIT:
                spent[place] += mix.wallet_part_of(transaction) or 0
            elif kind is Kind.PAYOUT:
                paid_out[place[0]] += transaction.amount_minor
        self.scene.find_banks(paid_out)
        self.scene.fill(spent)
        self.scene.earn(paid_out)

    def post(self, transactions: Sequence[Transaction]) -> Report:
        """Post every transaction as what it becomes; a progress bar tells how far it is."""
        report = Report()

        def post_one(client: Client, transaction: Transaction) -> None:
            merchant, kind = self.merchant_of(transaction), self.kind_of(transaction)
            order = self._order(kind, transaction)
            key = f"replay-{self.run_id}-{transaction.id}"
            answer = client.post(order.path, dict(order.body), api_key=merchant.api_key, key=key)
            made = report.note(kind, merchant, transaction, answer)
            if made is not None:
                self.purses.note(made, _decided(order, answer.body))

        self.crew.do(transactions, post_one, "transactions")
        return report

    # --- what a transaction becomes -------------------------------------------------------------

    def _order(self, kind: Kind, transaction: Transaction) -> Order:
        place, amount = self._place(transaction), transaction.amount_minor
        facts = {"amount": amount, "metadata": _metadata(transaction)}
        in_currency = {**facts, "currency": CURRENCY}
        card, wallet = self.scene.cards[place], self.scene.wallets.get(place, "")
        match kind:
            case Kind.CARD:
                return Order("/v1/payments", {**in_currency, "source": card}, {})
            case Kind.WALLET:
                body = {**in_currency, "source": wallet}
                return Order("/v1/payments", body, {wallet: -amount})
            case Kind.SPLIT:
                part = mix.wallet_part_of(transaction)
                named = {} if part is None else {"wallet_amount": part}
                body = {**in_currency, "source": card, "wallet": wallet, **named}
                return Order("/v1/payments", body, {wallet: -(part or 0)})
            case Kind.TOP_UP:
                body = {**facts, "source": card}
                return Order(f"/v1/wallets/{wallet}/top_up", body, {wallet: amount})
            case Kind.TRANSFER:
                to = self.scene.wallets[self._partner(transaction)]
                body = {**facts, "to": to}
                return Order(f"/v1/wallets/{wallet}/transfer", body, {wallet: -amount, to: amount})
            case Kind.WITHDRAWAL:
                body = {**facts, "bank_account": self.scene.banks[place]}
                return Order(f"/v1/wallets/{wallet}/withdraw", body, {wallet: -amount})
            case Kind.PAYOUT:
                bank = self.scene.banks[place[0], mix.NOBODY]
                return Order("/v1/payouts", {**in_currency, "bank_account": bank}, {})

    def _place(self, transaction: Transaction) -> Place:
        return self.merchant_of(transaction).id, transaction.customer

    def _partner(self, transaction: Transaction) -> Place:
        return self.merchant_of(transaction).id, mix.partner_of(transaction.customer)


def _metadata(transaction: Transaction) -> dict[str, str]:
    return {
        "terminal": str(transaction.terminal),
        "transaction": transaction.id,
        "occurred_at": transaction.occurred_at,
    }


def _decided(order: Order, answer: Mapping[str, Any]) -> Moves:
    """What the order moves; where it left a wallet's part open, the answer says what that is."""
    if "wallet" not in order.body or "wallet_amount" in order.body:
        return order.moves
    payment = answer.get("error", {}).get("payment") or answer
    parts = [one["amount"] for one in payment["tenders"] if one["type"] == "wallet"]
    return {order.body["wallet"]: -sum(parts)}
