"""What a process does in `bench wallets`: transfers, holds, and reads of short and long wallets."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from paysys.bench.worker import Measured

BOOK = UUID(int=(0x0190_0000_0000_7000 << 64) | (0x8000 << 48) | 1)
WALLETS = 1_000
USD = "USD"
# A long wallet has a line every 30 seconds, and a checkpoint a day, as the jobs leave them.
LINE_SECONDS = 30
CHUNK = 100_000
STATEMENT_LINES = 120
PAGE_LINES = 100

_LINES = f"""
WITH t AS (
    INSERT INTO ledger_transaction
        (id, book_id, reference, kind, occurred_at, booked_on, created_at, fingerprint)
    SELECT uuidv7(p.at - now()), %(book)s, 'bulk ' || %(wallet)s || ' ' || p.n, 'top_up',
           p.at, p.at::date, p.at, ''
    FROM (
        SELECT n, now() - make_interval(secs => {LINE_SECONDS} * n) AS at
        FROM generate_series(%(first)s::int, %(last)s::int) n
    ) p
    RETURNING id, created_at
)
INSERT INTO ledger_entry (transaction_id, line, book_id, account_id, entry_type, amount, currency,
    created_at)
SELECT t.id, row_number() OVER (PARTITION BY t.id), a.book_id, a.id, a.normal_side, 0.01, 'USD',
       t.created_at
FROM t CROSS JOIN ledger_account a
WHERE a.book_id = %(book)s AND a.currency = 'USD' AND a.code IN (%(bank)s, %(code)s)
"""  # noqa: S608  a number of ours
_BALANCE = """
UPDATE ledger_account a SET balance = a.normal_side * (
    SELECT sum(e.entry_type * e.amount) FROM ledger_entry e WHERE e.account_id = a.id)
WHERE a.book_id = %(book)s AND a.code = %(code)s
"""
_CHECKPOINTS = """
INSERT INTO ledger_checkpoint (account_id, upto, book_id, balance)
SELECT d.account_id, d.upto, d.book_id, sum(d.moved) OVER (ORDER BY d.upto)
FROM (
    SELECT a.id AS account_id, a.book_id, e.created_at::date + interval '1 day' AS upto,
           a.normal_side * sum(e.entry_type * e.amount) AS moved
    FROM ledger_account a JOIN ledger_entry e ON e.account_id = a.id
    WHERE a.book_id = %(book)s AND a.code = %(code)s AND e.created_at < current_date
    GROUP BY 1, 2, 3
) d
"""


class Worker(Measured):
    """Every method answers with numbers, or with what a later call needs."""

    def __init__(self) -> None:
        super().__init__()
        from django.db import transaction

        from apps.core import db, ids
        from apps.core.money import Money
        from apps.ledger import chart
        from apps.ledger import services as ledger
        from apps.ledger.types import Posting, credit, debit
        from apps.payments import services as payments
        from apps.wallets import selectors, services

        self.db, self.ids, self.atomic = db, ids, transaction.atomic
        self.chart, self.ledger = chart, ledger
        self.posting, self.credit, self.debit = Posting, credit, debit
        self.payments, self.selectors, self.wallets = payments, selectors, services
        self.cent = Money(Decimal("0.01"), USD)
        self.now = datetime.now(UTC)
        self.chance = random.Random()  # noqa: S311
        self.known: list[UUID] = []

    def open_wallets(self, *, count: int = WALLETS) -> list[str]:
        """Customers with a wallet each and money in it; their public ids."""
        made = [self.open_wallet() for _ in range(count)]
        million = self.cent * 100_000_000
        postings = [
            self.posting(f"top-up {one}", "top_up", self.paid_in(one, million), self.now)
            for one in made
        ]
        for begin in range(0, count, 1_000):
            with self.db.unit():
                self.ledger.post_many(book_id=BOOK, postings=postings[begin : begin + 1_000])
        return [self.ids.encode("wallet", one) for one in made]

    def open_wallet(self) -> UUID:
        customer_id, wallet_id = self.ids.new_id(), self.ids.new_id()
        with self.atomic():
            self.wallets.create_customer(
                book_id=BOOK,
                customer_id=customer_id,
                name=None,
                email=None,
                metadata={},
                actor="system",
                now=self.now,
            )
            self.wallets.open_wallet(
                book_id=BOOK,
                wallet_id=wallet_id,
                customer_id=customer_id,
                currency=USD,
                metadata={},
                actor="system",
                now=self.now,
            )
        return wallet_id

    def paid_in(self, wallet_id: UUID, amount: Any) -> list[Any]:
        code = self.chart.wallet_available(wallet_id)
        return [self.debit(self.chart.PLATFORM_BANK, amount), self.credit(code, amount)]

    def know(self, *, wallets: list[str]) -> None:
        """The wallets that transfers and holds choose among."""
        self.known = [self.ids.decode("wallet", one) for one in wallets]

    def transfer(self, *, seconds: float) -> dict[str, Any]:
        """From one wallet to another, as the API first tries it, each in a commit of its own."""

        def one() -> int:
            source, target = self.chance.sample(self.known, 2)
            with self.db.unit():
                self.payments.transfer(
                    transfer_id=self.ids.new_id(),
                    book_id=BOOK,
                    from_wallet=self.ids.encode("wallet", source),
                    to_wallet=self.ids.encode("wallet", target),
                    amount=self.cent,
                    metadata={},
                    trusts_wallets=True,
                    actor="system",
                    now=self.now,
                )
            return 1

        return self.timed(seconds, one)

    def hold(self, *, seconds: float) -> dict[str, Any]:
        """Set money aside, as the API does it: look at the wallet, place the hold, one commit."""

        def one() -> int:
            wallet = self.selectors.get_wallet(book_id=BOOK, id=self.chance.choice(self.known))
            with self.db.unit():
                self.wallets.place_standalone_hold(
                    wallet=wallet,
                    hold_id=self.ids.new_id(),
                    amount=self.cent,
                    expires_at=self.now + timedelta(days=7),
                    metadata={},
                    actor="system",
                    now=self.now,
                )
            return 1

        return self.timed(seconds, one)

    # --- reading --------------------------------------------------------------------------------

    def open_long_wallet(self, *, lines: int) -> str:
        """A wallet with so many lines, written by the owner past the posting function.

        All other guards look on. Its public id.
        """
        wallet_id = self.open_wallet()
        code = self.chart.wallet_available(wallet_id)
        with self.db.unit():
            self.ledger.post(
                book_id=BOOK,
                reference=f"first {wallet_id}",
                kind="top_up",
                lines=self.paid_in(wallet_id, self.cent),
                occurred_at=self.now,
            )
        known: dict[str, Any] = {
            "book": BOOK,
            "wallet": str(wallet_id),
            "code": code,
            "bank": self.chart.PLATFORM_BANK,
        }
        with self.connection.cursor() as cursor:
            for first in range(1, lines, CHUNK):
                last = min(first + CHUNK, lines) - 1
                cursor.execute(_LINES, {**known, "first": first, "last": last})
            cursor.execute(_BALANCE, known)
            cursor.execute(_CHECKPOINTS, known)
        return str(self.ids.encode("wallet", wallet_id))

    def settle(self) -> None:
        """Past moments can be answered from now on."""
        self.ledger.take_horizon(margin=timedelta(0))

    def read(self, *, what: str, wallet: str, lines: int, count: int) -> dict[str, float]:
        """How long it takes to read one of `READINGS` of a wallet of so many lines."""
        found = self.selectors.get_wallet(book_id=BOOK, id=self.ids.decode("wallet", wallet))
        middle = self.now - timedelta(seconds=LINE_SECONDS * lines // 2)
        found.created_at = middle  # its lines are older than the wallet itself
        return self.read_times(count, self._reading(what, found, middle))

    def _reading(self, what: str, wallet: Any, middle: datetime) -> Callable[[], object]:
        end = middle + timedelta(seconds=LINE_SECONDS * STATEMENT_LINES)

        def statement() -> object:
            found = self.selectors.statement(wallet=wallet, since=middle, until=end)
            lines = list(found.lines)
            assert len(lines) == STATEMENT_LINES, len(lines)
            return lines

        readings: dict[str, Callable[[], object]] = {
            "balance": lambda: self.selectors.balance_at(wallet=wallet),
            "past balance": lambda: self.selectors.balance_at(wallet=wallet, at=middle),
            "page": lambda: self.selectors.history(wallet=wallet, limit=PAGE_LINES),
            "statement": statement,
        }
        return readings[what]
