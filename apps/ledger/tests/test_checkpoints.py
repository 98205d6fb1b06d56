"""Checkpoints: a short walk that always ends at the full sum, whoever is still at work."""

import random
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread

import pytest
from django.db import connection, transaction

from apps.core.ids import new_id
from apps.ledger import selectors
from apps.ledger import services as ledger
from apps.ledger.tests.books import (
    AT_ONCE,
    EVERYONE,
    at_once,
    balance,
    eur,
    post,
    query,
    settle,
    take_checkpoints,
    until_somebody_waits,
    until_true,
    violations,
)

pytestmark = pytest.mark.django_db(transaction=True)

PENDING = "merchant:pending"
CREDITED = f"debit payment:unallocated 10\n credit {PENDING} 10"


def checkpoints(book):
    return [
        total
        for (total,) in query(
            "SELECT c.balance FROM ledger_checkpoint c JOIN ledger_account a ON a.id = c.account_id"
            " WHERE a.book_id = %s AND a.code = %s ORDER BY c.upto",
            [book, PENDING],
        )
    ]


def take_what_one_can():
    """As `take_checkpoints`, but without waiting for a horizon to come."""
    ledger.take_horizon(margin=AT_ONCE)
    return ledger.take_checkpoints(sieve=EVERYONE, margin=AT_ONCE)


def read(book):
    """The balance as it is read and the full sum, by one statement, hence by one snapshot."""
    ((fast, full),) = query(
        "SELECT ledger_balance(%s, %s, 'EUR'), coalesce((SELECT sum(-e.entry_type * e.amount)"
        " FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id"
        " WHERE a.book_id = %s AND a.code = %s), 0)",
        [book, PENDING, book, PENDING],
    )
    return fast, full


class TestTaken:
    def test_a_balance_is_the_checkpoint_and_what_came_after(self, book):
        post(book, CREDITED)
        assert take_checkpoints() == 2
        post(book, CREDITED)

        assert checkpoints(book) == [10]
        assert balance(book, PENDING) == 20

    def test_the_walk_really_begins_at_the_checkpoint(self, book):
        """A planted wrong checkpoint is believed: that is what makes the walk short."""
        post(book, CREDITED)
        query(
            "INSERT INTO ledger_checkpoint (account_id, upto, book_id, balance)"
            " SELECT id, now(), book_id, 1000 FROM ledger_account WHERE code = %s",
            [PENDING],
        )
        assert balance(book, PENDING) == 1000
        assert violations() == ["ledger.checkpoint"]

    def test_each_adds_to_the_one_before(self, book):
        for _ in range(3):
            post(book, CREDITED)
            take_checkpoints()

        assert checkpoints(book) == [10, 20, 30]
        assert violations() == []

    def test_nothing_new_makes_no_checkpoint(self, book):
        post(book, CREDITED)
        take_checkpoints()

        assert take_checkpoints() == 0

    def test_a_sieve_keeps_the_busy(self, book):
        quiet = new_id()
        post(quiet, CREDITED)
        for _ in range(3):
            post(book, CREDITED)

        assert take_checkpoints(ledger.Sieve(timedelta(days=1), 3)) == 2
        assert (checkpoints(book), checkpoints(quiet)) == ([30], [])
        assert (balance(book, PENDING), balance(quiet, PENDING)) == (30, 10)

    def test_ten_seconds_behind_means_nothing_recent(self, book):
        post(book, CREDITED)
        ledger.take_horizon()

        assert ledger.take_checkpoints(sieve=EVERYONE) == 0

    def test_without_a_horizon_there_is_none(self, book):
        post(book, CREDITED)

        assert ledger.take_checkpoints(sieve=EVERYONE, margin=AT_ONCE) == 0
        assert selectors.settled_until() is None

    def test_old_horizons_are_forgotten(self, book):
        for _ in range(5):
            settle()

        ledger.take_horizon(margin=AT_ONCE)
        assert query("SELECT count(*) <= 2 FROM ledger_horizon") == [(True,)]

    def test_four_checkpointers_at_once_agree(self, book):
        for _ in range(20):
            post(book, CREDITED)
            at_once([take_what_one_can] * 4)

        fast, full = read(book)
        assert fast == full == 200
        assert violations() == []

    def test_a_horizon_inside_a_longer_transaction_is_refused(self, book):
        with transaction.atomic(), pytest.raises(AssertionError, match="of its own"):
            ledger.take_horizon()


@contextmanager
def slow_writer(book):
    """A posting that is stamped and not committed until the block ends."""
    stamped, go_on = Event(), Event()

    def write():
        with transaction.atomic():
            post(book, CREDITED)
            stamped.set()
            go_on.wait(30)
        connection.close()

    thread = Thread(target=write)
    thread.start()
    assert stamped.wait(30)
    try:
        yield
    finally:
        go_on.set()
        thread.join(30)


@contextmanager
def prepared_writer(book):
    """A posting in a prepared transaction, which no timeout of the server reaches."""
    name = f"test-{new_id()}"

    def prepare():
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            connection.in_atomic_block = True
            post(book, CREDITED)
            connection.in_atomic_block = False
            cursor.execute(f"PREPARE TRANSACTION '{name}'")

    (error,) = at_once([prepare])
    assert error is None, error
    try:
        yield
    finally:
        query(f"COMMIT PREPARED '{name}'")


@contextmanager
def waiting_writer(book):
    """A posting that is stamped and then waits for a row that somebody else holds."""
    payable = "debit merchant:pending 0.01\n credit merchant:payable 0.01"
    post(book, payable)
    credited = "debit merchant:payable 10\n credit merchant:pending 10"
    thread = Thread(target=lambda: (post(book, credited), connection.close()))
    held, go_on = Event(), Event()

    def hold():
        with transaction.atomic():
            query("SELECT FROM ledger_account WHERE balance IS NOT NULL FOR UPDATE")
            held.set()
            go_on.wait(30)
        connection.close()

    holder = Thread(target=hold)
    holder.start()
    assert held.wait(30)
    thread.start()
    until_somebody_waits()
    try:
        yield
    finally:
        go_on.set()
        holder.join(30)
        thread.join(30)


class TestAgainstWriters:
    @pytest.mark.parametrize("writer", [slow_writer, prepared_writer, waiting_writer])
    def test_what_is_stamped_and_not_committed_is_never_lost(self, book, writer):
        post(book, CREDITED)
        take_checkpoints()
        with writer(book):
            settled = selectors.settled_until()
            post(book, CREDITED)  # later, and committed at once
            take_what_one_can()
            assert selectors.settled_until() == settled, "the horizon waits for the writer"
            assert read(book)[0] == read(book)[1]

        fast, full = read(book)
        assert fast == full
        take_checkpoints()
        assert selectors.settled_until() > settled
        assert read(book) == (full, full)
        assert violations() == []

    def test_a_stamp_is_never_older_than_its_transaction_id(self, book):
        """Else a posting held up between the two would be missed: here by a lock on the table."""
        post(book, CREDITED)
        thread = Thread(target=lambda: (post(book, CREDITED), connection.close()))
        with transaction.atomic():
            query("LOCK TABLE ledger_transaction IN SHARE MODE")
            thread.start()
            until_somebody_waits()
            (taken,) = at_once([take_what_one_can])
            assert taken == 0
        thread.join(30)
        take_checkpoints()

        assert read(book) == (20, 20)
        assert violations() == []

    def test_a_storm(self, book):
        """Writers of every kind, two checkpointers, and a reader that is never wrong."""
        post(book, CREDITED)
        over = Event()

        def until_over(step):
            def run():
                count = 0
                while not over.is_set():
                    step(random.Random(count))
                    count += 1

            return run

        def quick(_chance):
            post(book, CREDITED)

        def slow(chance):
            with transaction.atomic():
                post(book, CREDITED)
                over.wait(chance.choice([0, 0.005, 0.05, 0.2]))
                if chance.random() < 0.3:
                    transaction.set_rollback(True)

        def prepare(chance):
            with prepared_writer(book):
                over.wait(chance.choice([0.01, 0.3]))

        reads = []

        def enough():
            reads.append(read(book))
            return len(reads) >= 400 and len(set(reads)) > 10 and len(checkpoints(book)) > 3

        def reader():
            try:
                until_true(enough)
            finally:
                over.set()

        checks = [until_over(lambda _chance: take_what_one_can())] * 2
        errors = at_once([*map(until_over, [quick, slow, slow, prepare]), *checks, reader])

        assert errors == [None] * 7
        assert [pair for pair in set(reads) if pair[0] != pair[1]] == []
        assert violations() == []


class TestBalanceAt:
    def test_answers_a_past_moment_and_never_another_answer(self, book):
        post(book, CREDITED)
        take_checkpoints()
        then = selectors.settled_until()
        answer = selectors.balance(book_id=book, code=PENDING, currency="EUR", at=then)
        post(book, CREDITED)
        take_checkpoints()

        again = selectors.balance(book_id=book, code=PENDING, currency="EUR", at=then)
        assert again == answer == eur(10)

    def test_of_a_row_account_it_is_the_past_too(self, book, wallet):
        post(book, f"debit platform:bank 10\n credit {wallet} 10")
        take_checkpoints()
        then = selectors.settled_until()
        post(book, f"debit platform:bank 5\n credit {wallet} 5")

        found = selectors.balance(book_id=book, code=wallet, currency="EUR", at=then)
        assert (found, balance(book, wallet)) == (eur(10), 15)

    def test_refuses_a_moment_before_which_something_may_still_come(self, book):
        with slow_writer(book):
            ledger.take_horizon(margin=AT_ONCE)
            (moment,) = query("SELECT now()")[0]
            with pytest.raises(selectors.NotSettled):
                selectors.balance(book_id=book, code=PENDING, currency="EUR", at=moment)

    def test_before_everything_it_is_zero(self, book):
        (before,) = query("SELECT now()")[0]
        post(book, CREDITED)
        take_checkpoints()

        found = selectors.balance(book_id=book, code=PENDING, currency="EUR", at=before)
        assert found == eur(0)
