"""Posting the transactions: setting up customers and cards first, then payments in parallel."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tqdm import tqdm

from paysys.replay.client import Answer, Client
from paysys.replay.source import CURRENCY, Transaction

T = TypeVar("T")

MAX_PROBLEMS = 20


class Refused(Exception):
    """The API did not do what the replay needs it to do; the message is its own."""


@dataclass(frozen=True, slots=True)
class Merchant:
    id: str
    name: str
    api_key: str


# A transaction of less than the provider charges at all.
TOO_SMALL = "amount_too_small"


@dataclass
class Report:
    """What came of the payments. `posted` maps each payment's public id to its merchant.

    `refused` counts the transactions that no provider charges, of which nothing was written.
    """

    seconds: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    posted: dict[str, Merchant] = field(default_factory=dict)
    refused: int = 0
    problems: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, merchant: Merchant, transaction: Transaction, answer: Answer) -> None:
        error = answer.body.get("error", {})
        payment = error.get("payment") or answer.body
        code = error.get("decline_code") or error.get("code", "")
        outcome = f"{answer.status} {payment.get('status', 'no payment')}"
        with self.lock:
            self.seconds.append(answer.seconds)
            self.outcomes[f"{outcome} {code}".strip()] += 1
            if "id" in payment:
                self.posted[payment["id"]] = merchant
            elif error.get("code") == TOO_SMALL:
                self.refused += 1
            elif len(self.problems) < MAX_PROBLEMS:
                self.problems.append(f"transaction {transaction.id}: {answer.status} {answer.body}")


class Replay:
    """`run_id` goes into the idempotency keys: the same file can be replayed again as new."""

    def __init__(
        self, url: str, merchants: Sequence[Merchant], *, run_id: str, concurrency: int
    ) -> None:
        self.url = url
        self.merchants = merchants
        self.run_id = run_id
        self.concurrency = concurrency
        self._cards: dict[tuple[str, int], str] = {}

    def merchant_of(self, transaction: Transaction) -> Merchant:
        return self.merchants[transaction.terminal % len(self.merchants)]

    def prepare(self, transactions: Sequence[Transaction]) -> None:
        """Make every customer and card that the transactions need, once; not counted."""
        wanted = {
            (self.merchant_of(t).id, t.customer): (self.merchant_of(t), t) for t in transactions
        }
        self._in_parallel(list(wanted.values()), self._make_card, "customers and cards")

    def post(self, transactions: Sequence[Transaction]) -> Report:
        """Post every transaction as a payment; a progress bar tells how far it is."""
        report = Report()

        def post_one(client: Client, transaction: Transaction) -> None:
            merchant = self.merchant_of(transaction)
            answer = client.post(
                "/v1/payments",
                {
                    "amount": transaction.amount_minor,
                    "currency": CURRENCY,
                    "source": self._cards[(merchant.id, transaction.customer)],
                    "metadata": {
                        "terminal": str(transaction.terminal),
                        "transaction": transaction.id,
                        "occurred_at": transaction.occurred_at,
                    },
                },
                api_key=merchant.api_key,
                key=f"replay-{self.run_id}-{transaction.id}",
            )
            report.note(merchant, transaction, answer)

        self._in_parallel(transactions, post_one, "payments")
        return report

    def _make_card(self, client: Client, wanted: tuple[Merchant, Transaction]) -> None:
        merchant, transaction = wanted
        name = f"customer {transaction.customer}"
        customer = self._made(client, merchant, "/v1/customers", {"name": name})
        method = self._made(
            client,
            merchant,
            "/v1/payment_methods",
            {"provider_token": transaction.card, "customer": customer["id"]},
        )
        self._cards[(merchant.id, transaction.customer)] = method["id"]

    def _made(
        self, client: Client, merchant: Merchant, path: str, body: dict[str, Any]
    ) -> dict[str, Any]:
        answer = client.post(path, body, api_key=merchant.api_key)
        if answer.status not in (200, 201):
            raise Refused(f"{path} answered {answer.status}: {answer.body}")
        return answer.body

    def _in_parallel(self, work: Sequence[T], do: Callable[[Client, T], None], what: str) -> None:
        """`do` for every piece of work, in `concurrency` threads with a connection each."""
        waiting: queue.SimpleQueue[T] = queue.SimpleQueue()
        _fill(waiting, work)
        failures: list[BaseException] = []
        with tqdm(total=len(work), desc=what, unit="", mininterval=0.5) as bar:
            threads = [
                threading.Thread(target=self._work, args=(waiting, do, bar, failures), daemon=True)
                for _ in range(self.concurrency)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        if failures:
            raise failures[0]

    def _work(
        self,
        waiting: queue.SimpleQueue[T],
        do: Callable[[Client, T], None],
        bar: Any,
        failures: list[BaseException],
    ) -> None:
        client = Client(self.url)
        try:
            while not failures:
                try:
                    piece = waiting.get_nowait()
                except queue.Empty:
                    return
                do(client, piece)
                bar.update()
        except BaseException as error:  # noqa: BLE001  handed to the thread that waits for us
            failures.append(error)
        finally:
            client.close()


def _fill(waiting: queue.SimpleQueue[T], work: Iterable[T]) -> None:
    for piece in work:
        waiting.put(piece)
