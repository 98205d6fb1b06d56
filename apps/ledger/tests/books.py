"""How the tests keep books: amounts as one says them, postings as one writes them on paper."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Barrier, Thread
from time import monotonic, sleep
from typing import Any
from uuid import UUID

from django.db import connection

from apps.core import db
from apps.core.ids import new_id
from apps.core.money import Money
from apps.ledger import selectors
from apps.ledger import services as ledger
from apps.ledger.types import Line, Posting, credit, debit

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
AT_ONCE = timedelta(0)
EVERYONE = ledger.Sieve(timedelta(days=1), 1)


def eur(amount: str | int) -> Money:
    return Money(Decimal(amount), "EUR")


def usd(amount: str | int) -> Money:
    return Money(Decimal(amount), "USD")


def lines(text: str) -> list[Line]:
    """Lines as an accountant writes them: `debit merchant:pending 3.00`, a currency if not EUR."""
    sides = {"debit": debit, "credit": credit}
    made = []
    for row in filter(None, map(str.strip, text.splitlines())):
        side, code, amount, *rest = row.split()
        currency = next((word for word in rest if word != "guarded"), "EUR")
        money = Money(Decimal(amount), currency)
        made.append(sides[side](code, money, guarded="guarded" in rest))
    return made


def posting(text: str, reference: str = "", kind: str = "test") -> Posting:
    return Posting(reference or f"test:{new_id()}", kind, lines(text), NOON)


def post(
    book_id: UUID,
    text: str,
    *,
    reference: str = "",
    kind: str = "test",
    occurred_at: datetime = NOON,
) -> str:
    """Book it in a transaction of its own, and say under which reference."""
    reference = reference or f"test:{new_id()}"
    with db.unit():
        ledger.post(
            book_id=book_id,
            reference=reference,
            kind=kind,
            lines=lines(text),
            occurred_at=occurred_at,
        )
    return reference


def post_many(book_id: UUID, postings: Sequence[Posting]) -> None:
    with db.unit():
        ledger.post_many(book_id=book_id, postings=postings)


def fill(
    book_id: UUID, code: str, count: int, *, at_a_time: int = 1000, currency: str = "EUR"
) -> None:
    """So many lines of one unit each; those of a batch are recorded at one moment."""
    move = lines(f"debit platform:bank 1 {currency}\n credit {code} 1 {currency}")
    for begin in range(0, count, at_a_time):
        numbers = range(begin, min(begin + at_a_time, count))
        post_many(book_id, [Posting(f"{code}:{number}", "fill", move, NOON) for number in numbers])


def reverse(book_id: UUID, reference: str, *, reversal: str = "") -> str:
    reversal = reversal or f"reversal of {reference}"
    with db.unit():
        ledger.reverse(
            book_id=book_id,
            reference=reference,
            reversal_reference=reversal,
            occurred_at=NOON,
        )
    return reversal


def balance(book_id: UUID, code: str, currency: str = "EUR") -> Decimal:
    return selectors.balance(book_id=book_id, code=code, currency=currency).amount


def balances(book_id: UUID) -> dict[tuple[str, str], Decimal]:
    """Every account of the book that is not at zero, from its entries."""
    rows = query(
        "SELECT a.code, a.currency, a.normal_side * sum(e.entry_type * e.amount)"
        " FROM ledger_account a JOIN ledger_entry e ON e.account_id = a.id"
        " WHERE a.book_id = %s GROUP BY a.id ORDER BY a.code",
        [book_id],
    )
    return {(code, currency): total for code, currency, total in rows if total}


def in_euros(book_id: UUID) -> dict[str, str]:
    return {code: f"{total:.2f}" for (code, _), total in balances(book_id).items()}


def counted() -> tuple[int, ...]:
    """How many accounts, transactions and entries there are: what a refusal must not change."""
    (row,) = query(
        "SELECT (SELECT count(*) FROM ledger_account), (SELECT count(*) FROM ledger_transaction),"
        " (SELECT count(*) FROM ledger_entry)"
    )
    return tuple(row)


def violations() -> list[str]:
    """The names of the ledger's invariants that do not hold now."""
    return [rule.name for rule in selectors.INVARIANTS if query(rule.sql)]


def until_true(ask: Callable[[], Any]) -> None:
    """Ask again until it is so, as long as a busy machine may take.

    Transaction ids are the whole server's: what waits for earlier ones to end waits for other
    databases too, where the suite's other workers write.
    """
    give_up = monotonic() + 60
    while not ask():
        assert monotonic() < give_up, "it does not become true"
        sleep(0.002)


def until_somebody_waits() -> None:
    """Until some session waits for a lock."""
    waits = (
        "SELECT 1 FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    # A transaction sees one picture of the activity unless it asks for a new one.
    until_true(lambda: query("SELECT pg_stat_clear_snapshot()") and query(waits))


def settle() -> None:
    """Take a horizon and wait until it has come: everything up to this moment is there."""
    ((now,),) = query("SELECT clock_timestamp()")
    ledger.take_horizon(margin=AT_ONCE)
    until_true(lambda: (found := selectors.settled_until()) and found >= now)


def take_checkpoints(sieve: ledger.Sieve = EVERYONE) -> int:
    """As the job does, but for every account that moved and without staying ten seconds behind."""
    settle()
    return ledger.take_checkpoints(sieve=sieve, margin=AT_ONCE)


def close_day(book_id: UUID, day: date, now: datetime) -> None:
    ledger.begin_close_day(book_id=book_id, day=day, now=now)
    until_true(lambda: ledger.finish_close_day(book_id=book_id, day=day, now=now))


def query(sql: str, params: Sequence[Any] | None = None) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall() if cursor.description is not None else []


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Call each in a thread of its own, all let go at one moment; what came back, or the error."""
    results: list[Any] = [None] * len(calls)
    start = Barrier(len(calls))

    def run(number: int, call: Callable[[], Any]) -> None:
        try:
            connection.ensure_connection()
            start.wait(30)
            results[number] = call()
        except Exception as error:  # noqa: BLE001
            results[number] = error
        finally:
            connection.close()

    threads = [Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive(), "a thread did not come back: a deadlock?"
    return results
