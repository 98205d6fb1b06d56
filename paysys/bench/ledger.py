"""`bench ledger`: postings a second through Django's own service, next to pgbench's TPC-B.

Everything is real: the migrations with every guard, the application's role, `fsync` on, one commit
a posting (or a batch). A posting is a wallet's payment to a merchant with its fee, so that one row
account is locked and moved in each.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

from paysys.bench import harness
from paysys.bench.harness import Bench, Fleet, Row, quiet_median, quiet_ratio
from paysys.bench.worker import Measured
from paysys.embedded import postgres

WALLETS, MERCHANTS = 10_000, 200
PROCESSES = (1, 4, 8)
BATCH_PROCESSES = (1, 4)
HOT_PROCESSES = 4
ENTRIES = 1_000_000
TAILS = (100, 10_000)
READS = 2_000
EUR = "EUR"


def merchant(number: int) -> UUID:
    return UUID(int=(0x0190_0000_0000_7000 << 64) | (0x8000 << 48) | number)


def wallet(number: int) -> UUID:
    return UUID(int=(0x0190_0000_0000_7000 << 64) | (0x8001 << 48) | number)


class Worker(Measured):
    """What one process does; every method answers with numbers."""

    def __init__(self) -> None:
        super().__init__()
        from apps.core import db
        from apps.core.ids import new_id
        from apps.core.money import Money
        from apps.ledger import chart, selectors, services, types

        self.db, self.new_id, self.money = db, new_id, Money
        self.chart, self.selectors, self.ledger, self.types = chart, selectors, services, types
        self.now = datetime.now(UTC)
        self.chance = random.Random()  # noqa: S311

    def fill(self) -> None:
        """Every merchant's wallets, with money in them."""
        million = self.money(Decimal(10_000_000), EUR)
        for book in range(MERCHANTS):
            postings = [
                self.types.Posting(
                    f"top-up {number}",
                    "top_up",
                    [
                        self.types.debit(self.chart.PLATFORM_BANK, million),
                        self.types.credit(self.chart.wallet_available(wallet(number)), million),
                    ],
                    self.now,
                )
                for number in range(book, WALLETS, MERCHANTS)
            ]
            with self.db.unit():
                self.ledger.post_many(book_id=merchant(book), postings=postings)

    @cached_property
    def wallets(self) -> list[tuple[UUID, str]]:
        """Every wallet's book and code, made beforehand: choosing one is not measured."""
        return [
            (merchant(number % MERCHANTS), self.chart.wallet_available(wallet(number)))
            for number in range(WALLETS)
        ]

    def pick(self, hot: bool) -> tuple[UUID, str]:
        """A merchant and one of its wallets; if `hot`, every second time the same merchant."""
        number = int(self.chance.random() * WALLETS)
        if hot and self.chance.random() < 0.5:
            number -= number % MERCHANTS
        return self.wallets[number]

    def lines(self, code: str, entries: int) -> list[Any]:
        """A payment of four entries, or of six with a part by card."""
        debit, credit, chart = self.types.debit, self.types.credit, self.chart
        cents = int(100 + self.chance.random() * 9_900)
        gross, fee = self.of_cents(cents), self.of_cents(max(1, cents * 3 // 100))
        made = [
            debit(code, gross),
            credit(chart.MERCHANT_PENDING, gross),
            debit(chart.MERCHANT_PENDING, fee),
            credit(chart.PLATFORM_FEES, fee),
        ]
        if entries == 6:
            made.append(debit(chart.provider_clearing("stripe"), gross))
            made.append(credit(chart.PAYMENT_UNALLOCATED, gross))
        return made

    def of_cents(self, cents: int) -> Any:
        return self.money(Decimal(cents).scaleb(-2), EUR)

    def post(self, seconds: float, entries: int = 4, hot: bool = False) -> dict[str, Any]:
        """Post one by one, each in a commit of its own, for so long."""

        def one() -> int:
            book, code = self.pick(hot)
            with self.db.unit():
                self.ledger.post(
                    book_id=book,
                    reference=f"pay {self.new_id()}",
                    kind="payment",
                    lines=self.lines(code, entries),
                    occurred_at=self.now,
                )
            return 1

        return self.timed(seconds, one)

    def post_batches(self, seconds: float, size: int = 100) -> dict[str, Any]:
        """Post batches of one merchant's payments, each batch in a commit of its own."""

        def one() -> int:
            number = self.chance.randrange(MERCHANTS)
            postings = []
            for _ in range(size):
                nth = int(self.chance.random() * (WALLETS // MERCHANTS))
                _, code = self.wallets[number + MERCHANTS * nth]
                reference = f"pay {self.new_id()}"
                postings.append(
                    self.types.Posting(reference, "payment", self.lines(code, 4), self.now)
                )
            with self.db.unit():
                self.ledger.post_many(book_id=merchant(number), postings=postings)
            return size

        return self.timed(seconds, one)

    def fill_account(self, entries: int) -> None:
        """One account of so many entries, written by the owner past the posting function.

        In a book of its own; all other guards look on.
        """
        each = 1_000
        codes = (self.chart.MERCHANT_PENDING, self.chart.PAYMENT_UNALLOCATED)
        self.post_tail(1)
        with self.connection.cursor() as cursor:
            cursor.execute(
                "WITH t AS (INSERT INTO ledger_transaction (id, book_id, reference, kind,"
                " occurred_at, booked_on, created_at, fingerprint)"
                " SELECT uuidv7(), %s, 'bulk ' || n, 'bulk', now(), current_date,"
                " now() - make_interval(secs => n), '' FROM generate_series(1, %s) n"
                " RETURNING id, created_at)"
                " INSERT INTO ledger_entry (transaction_id, line, book_id, account_id, entry_type,"
                " amount, currency, created_at)"
                " SELECT t.id, l, a.book_id, a.id, CASE WHEN a.code = %s THEN -1 ELSE 1 END,"
                " CASE WHEN a.code = %s THEN 1 ELSE %s END, 'EUR', t.created_at"
                " FROM t CROSS JOIN generate_series(1, %s) l"
                " JOIN ledger_account a ON a.book_id = %s"
                " AND a.code = CASE WHEN l > 1 THEN %s ELSE %s END",
                [
                    *(merchant(MERCHANTS), entries // each, codes[0], codes[0], each),
                    *(each + 1, merchant(MERCHANTS), *codes),
                ],
            )
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("CHECKPOINT")

    def take_checkpoint(self) -> int:
        sieve = self.ledger.Sieve(timedelta(days=1), 1)
        self.ledger.take_horizon(margin=timedelta(0))
        return self.ledger.take_checkpoints(sieve=sieve, margin=timedelta(0))

    def post_tail(self, count: int) -> None:
        """So many entries on the account that is read."""
        for begin in range(0, count, 1_000):
            postings = [
                self.types.Posting(
                    f"tail {self.new_id()}",
                    "tail",
                    [
                        self.types.debit(self.chart.PAYMENT_UNALLOCATED, self.of_cents(1)),
                        self.types.credit(self.chart.MERCHANT_PENDING, self.of_cents(1)),
                    ],
                    self.now,
                )
                for _ in range(min(1_000, count - begin))
            ]
            with self.db.unit():
                self.ledger.post_many(book_id=merchant(MERCHANTS), postings=postings)

    def read(self, count: int) -> dict[str, float]:
        """Read the account's balance so often."""
        book, code = merchant(MERCHANTS), self.chart.MERCHANT_PENDING
        return self.read_times(
            count, lambda: self.selectors.balance(book_id=book, code=code, currency=EUR)
        )

    def read_without_checkpoints(self) -> float:
        """Milliseconds to sum all of the account's entries: what checkpoints save."""
        begun = time.perf_counter()
        with self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT sum(e.entry_type * e.amount) FROM ledger_entry e"
                " JOIN ledger_account a ON a.id = e.account_id"
                " WHERE a.book_id = %s AND a.code = %s",
                [merchant(MERCHANTS), self.chart.MERCHANT_PENDING],
            )
        return (time.perf_counter() - begun) * 1000


def cases(
    bench: Bench, workers: Mapping[int, Fleet], seconds: float
) -> dict[str, Callable[[], Mapping[str, float]]]:
    """Each beside its yardstick, because the machine of this second is not that of the next."""
    made: dict[str, Callable[[], Mapping[str, float]]] = {}

    def add(name: str, count: int, call: str, **options: Any) -> None:
        fleet = workers[count]
        made[f"{name} {count}"] = lambda: harness.together(
            fleet.call(call, seconds=seconds, **options)
        )

    for count in PROCESSES:
        made[f"tpcb {count}"] = lambda count=count: {  # type: ignore[misc]
            "per_second": bench.tpcb(count, seconds)
        }
        add("single", count, "post")
        if count == HOT_PROCESSES:
            add("hot", count, "post", hot=True)
        if count in BATCH_PROCESSES:
            add("batch", count, "post_batches")
            add("six", count, "post", entries=6)
    return made


def balance_reads(owner: Fleet) -> dict[str, Any]:
    """The time of a balance read at a million entries, with a short and a long tail."""
    (_,) = owner.call("fill_account", entries=ENTRIES)
    (full,) = owner.call("read_without_checkpoints")
    found: dict[str, Any] = {"all entries": full}
    while not owner.call("take_checkpoint")[0]:  # a vacuum may still be at work
        time.sleep(0.1)
    before = 0
    for tail in TAILS:
        owner.call("post_tail", count=tail - before)
        before = tail
        owner.call("read", count=50)
        (found[str(tail)],) = owner.call("read", count=READS)
    return found


def run(*, seconds: float, rounds: int, json_file: Path | None) -> str:
    """Measure all of it, write the JSON file if one is asked for, and hand back the table."""
    say = sys.stderr
    say.write("a server, the migrations, the wallets, TPC-B's tables …\n")
    with harness.started("ledger") as bench, ExitStack() as stack:
        bench.make_tpcb()
        target = "paysys.bench.ledger:Worker"
        owner = stack.enter_context(Fleet(target, 1, bench.environment(postgres.OWNER)))
        workers = harness.fleets(stack, target, PROCESSES, bench.environment(postgres.APP))
        workers[1].call("fill")
        bench.analyze()
        measured = harness.interleaved(rounds, cases(bench, workers, seconds), out=say)
        say.write("a million entries on one account …\n")
        reads = balance_reads(owner)
        memory = max(workers[1].call("peak_memory") + workers[8].call("peak_memory"))
    results = summary(measured, reads, memory)
    if json_file is not None:
        harness.write_json(json_file, results)
    return harness.table("Postings through Django, as ratios to TPC-B", rows(results))


def summary(
    measured: Mapping[str, harness.Numbers], reads: Mapping[str, Any], memory: float
) -> dict[str, Any]:
    """The figures by the names the issue gives them, and every round's below.

    Where there are rounds in which nobody else was at work, they alone count.
    """

    def by_processes(name: str, counts: tuple[int, ...]) -> dict[str, float]:
        return {str(n): quiet_ratio(measured[f"{name} {n}"], measured[f"tpcb {n}"]) for n in counts}

    def medians(name: str, key: str) -> dict[str, float]:
        return {str(n): quiet_median(measured[f"{name} {n}"], key) for n in PROCESSES}

    strangers = [value for numbers in measured.values() for value in numbers["strangers"]]
    return {
        "bench": "ledger",
        "tpcb_tps": medians("tpcb", "per_second"),
        "postings_per_second": medians("single", "per_second"),
        "single_ratio": by_processes("single", PROCESSES),
        "six_entries_ratio": by_processes("six", BATCH_PROCESSES),
        "batch100_ratio": by_processes("batch", BATCH_PROCESSES),
        "hot_merchant_ratio": quiet_ratio(
            measured[f"hot {HOT_PROCESSES}"], measured[f"single {HOT_PROCESSES}"]
        ),
        "client_cpu_us": quiet_median(measured["single 1"], "client_cpu_us"),
        "server_cpu_us": quiet_median(measured["single 1"], "server_cpu_us"),
        "latency_ms": {p: medians("single", p) for p in ("p50", "p95", "p99")},
        "balance_read_ms": {str(tail): reads[str(tail)]["p50"] for tail in TAILS},
        "full_sum_ms": reads["all entries"],
        "peak_memory_mb": memory,
        "quiet_slots": sum(value <= harness.QUIET for value in strangers) / len(strangers),
        "rounds": measured,
    }


def rows(results: Mapping[str, Any]) -> list[Row]:
    """The table: what the issue asks for, with its floors."""
    single, batch = results["single_ratio"], results["batch100_ratio"]
    reads, six = results["balance_read_ms"], results["six_entries_ratio"]
    floors = {"1": 1.1, "4": 0.6, "8": None}
    made = []
    for n in map(str, PROCESSES):
        per_second, tps = results["postings_per_second"][n], results["tpcb_tps"][n]
        note = f"{per_second:,.0f} a second, TPC-B {tps:,.0f}"
        made.append(Row(f"one by one, {n} processes", single[n], "×", floors[n], note=note))
    made += [Row(f"six entries, {n} processes", six[n], "×") for n in six]
    made += [
        Row("batches of 100, 1 process", batch["1"], "×", 7),
        Row("batches of 100, 4 processes", batch["4"], "×", 3),
        Row("half of it to one merchant", results["hot_merchant_ratio"], "×", 0.9),
        Row("client CPU a posting", results["client_cpu_us"], "µs", ceiling=130),
        Row("server CPU a posting", results["server_cpu_us"], "µs"),
        Row("latency, 1 process, p50", results["latency_ms"]["p50"]["1"], "ms"),
        Row("latency, 8 processes, p99", results["latency_ms"]["p99"]["8"], "ms"),
        Row("balance read, tail of 100", reads["100"], "ms", ceiling=0.2),
        Row("balance read, tail of 10,000", reads["10000"], "ms", ceiling=1.5),
        Row("sum of a million entries", results["full_sum_ms"], "ms"),
        Row("peak memory of a process", results["peak_memory_mb"], "MB"),
        Row("slots left alone by others", 100 * results["quiet_slots"], "%", 50),
    ]
    return made
