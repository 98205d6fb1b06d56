"""The jobs that the clock rings for: each does its part, and again does no harm."""

from datetime import timedelta

import pytest

from apps.ledger import selectors, tasks
from apps.ledger import services as ledger
from apps.ledger.tests.books import post, query, settle, until_true, violations

pytestmark = pytest.mark.django_db(transaction=True)

CREDITED = "debit payment:unallocated 10\n credit merchant:pending 10"


class TestHorizon:
    def test_the_books_become_settled(self, book):
        post(book, CREDITED)
        tasks.take_horizon()
        until_true(lambda: selectors.settled_until() is not None)


class TestCheckpoint:
    @pytest.fixture
    def as_if_twenty_seconds_had_passed(self, book):
        """Horizons stay ten seconds behind: one is taken and set back, and so is what it covers."""
        for _ in range(100):
            post(book, CREDITED)
        settle()
        query(
            "BEGIN; SET LOCAL session_replication_role = replica;"
            "UPDATE ledger_horizon SET taken_at = taken_at - interval '20 seconds';"
            "UPDATE ledger_transaction SET created_at = created_at - interval '20 seconds';"
            "UPDATE ledger_entry SET created_at = created_at - interval '20 seconds'; COMMIT"
        )

    @pytest.mark.parametrize(
        "task", [tasks.checkpoint, tasks.checkpoint_busy, tasks.checkpoint_all]
    )
    def test_busy_accounts_get_theirs_once(self, as_if_twenty_seconds_had_passed, task):
        assert task() == 2
        assert task() == 0
        balances = query("SELECT balance FROM ledger_checkpoint ORDER BY balance")
        assert balances == [(-1000,), (1000,)]
        assert violations() == []

    def test_a_quiet_account_waits_for_the_daily_one(self, book, wallet):
        post(book, f"debit platform:bank 10\n credit {wallet} 10")
        settle()
        query("UPDATE ledger_horizon SET taken_at = taken_at - interval '11 seconds'")

        assert (tasks.checkpoint(), tasks.checkpoint_busy()) == (0, 0)

    def test_each_sieve_looks_further_than_the_clock_rings(self):
        """Else an account could slip through between two rings."""
        minute, hour, day = (ledger.SIEVES[name] for name in ("minute", "hour", "day"))
        assert minute.window > timedelta(minutes=1)
        assert hour.window > timedelta(hours=1)
        assert day.window > timedelta(days=1)
        assert day.least == 1
