"""A check that cannot fail is a defect: each invariant is broken on purpose and seen to notice."""

import pytest
from django.db import connection, transaction

from apps.core.ids import new_id
from apps.ledger import selectors
from apps.ledger.tests.books import (
    NOON,
    close_day,
    post,
    query,
    reverse,
    take_checkpoints,
    violations,
)

pytestmark = pytest.mark.django_db(transaction=True)

CREDITED = "debit payment:unallocated 10\n credit merchant:pending 10"


@pytest.fixture
def whole(book, wallet):
    """Books with everything in them that a rule speaks of, and no rule broken."""
    post(book, CREDITED, reference="first")
    post(book, f"debit platform:bank 10\n credit {wallet} 10", reference="top-up")
    post(book, "debit platform:losses 1\n credit platform:bank 1", reference="wrong")
    reverse(book, "wrong", reversal="undone")
    take_checkpoints()
    post(book, CREDITED)
    close_day(book, NOON.date(), NOON.replace(day=11))
    take_checkpoints()
    assert violations() == []
    return book


def plant(*statements):
    """Do what no guard allows: triggers and foreign keys off, constraints taken away."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for sql in statements:
            cursor.execute(sql)


OF_FIRST = "transaction_id = (SELECT id FROM ledger_transaction WHERE reference = 'first')"
FIRST = "(SELECT id FROM ledger_transaction WHERE reference = 'first')"

PLANTED = {
    "ledger.balanced_transaction": [
        f"UPDATE ledger_entry SET amount = 11 WHERE {OF_FIRST} AND line = 1"
    ],
    "ledger.balanced_book": [f"DELETE FROM ledger_entry WHERE {OF_FIRST} AND line = 1"],
    "ledger.whole_transaction": [f"DELETE FROM ledger_entry WHERE {OF_FIRST}"],
    "ledger.entry_at_home": ["UPDATE ledger_entry SET book_id = uuidv7() WHERE line = 1"],
    "ledger.entry_positive": [
        "ALTER TABLE ledger_entry DROP CONSTRAINT ledger_entry_positive_on_a_side",
        f"UPDATE ledger_entry SET amount = -amount WHERE {OF_FIRST}",
    ],
    "ledger.row_balance": ["UPDATE ledger_account SET balance = balance + 0.01 WHERE floor = 0"],
    "ledger.floor": [
        "ALTER TABLE ledger_account DROP CONSTRAINT ledger_account_floor",
        "UPDATE ledger_account SET balance = -1 WHERE floor = 0",
    ],
    "ledger.of_chart": ["UPDATE ledger_account SET floor = -100 WHERE floor = 0"],
    "ledger.checkpoint": ["UPDATE ledger_checkpoint SET balance = balance + 0.01"],
    "ledger.reversal": [
        "UPDATE ledger_entry SET amount = 2 WHERE transaction_id ="
        " (SELECT id FROM ledger_transaction WHERE reference = 'undone')"
    ],
    "ledger.closing_balance": ["UPDATE ledger_closing SET balance = balance - 1"],
    "ledger.closed_day": ["DELETE FROM ledger_closing"],
}


class Rollback(Exception):
    pass


class TestPlanted:
    def test_every_invariant_has_a_planted_violation(self):
        assert set(PLANTED) == {rule.name for rule in selectors.INVARIANTS}

    @pytest.mark.parametrize("name", PLANTED)
    def test_is_noticed(self, whole, name):
        with pytest.raises(Rollback), transaction.atomic():
            plant(*PLANTED[name])
            assert name in violations()
            raise Rollback
        assert violations() == []

    @pytest.mark.parametrize(
        ("name", "change"),
        [
            (
                "ledger.entry_at_home",
                "UPDATE ledger_entry SET account_id = uuidv7() WHERE line = 1",
            ),
            ("ledger.entry_at_home", "UPDATE ledger_entry SET currency = 'USD'"),
            ("ledger.entry_at_home", f"DELETE FROM ledger_transaction WHERE id = {FIRST}"),
            (
                "ledger.entry_at_home",
                "UPDATE ledger_entry SET created_at = now() - interval '1 day'",
            ),
            (
                "ledger.whole_transaction",
                f"UPDATE ledger_entry SET line = line + 1 WHERE {OF_FIRST} AND line = 2",
            ),
            ("ledger.row_balance", "DELETE FROM ledger_entry WHERE line = 2"),
            ("ledger.checkpoint", "DELETE FROM ledger_entry"),
            (
                "ledger.of_chart",
                "UPDATE ledger_account SET code = 'x' WHERE code = 'platform:bank'",
            ),
            ("ledger.of_chart", "UPDATE ledger_account SET balance = 0 WHERE balance IS NULL"),
            (
                "ledger.reversal",
                "UPDATE ledger_transaction SET reverses_id = id WHERE reverses_id IS NOT NULL",
            ),
            ("ledger.closed_day", "DELETE FROM ledger_closing WHERE balance = 20"),
        ],
    )
    def test_is_noticed_too(self, whole, name, change):
        with pytest.raises(Rollback), transaction.atomic():
            plant(change)
            assert name in violations()
            raise Rollback

    def test_a_posting_smuggled_into_a_closed_day(self, whole):
        made = new_id()
        with pytest.raises(Rollback), transaction.atomic():
            plant(
                "INSERT INTO ledger_transaction (id, book_id, reference, kind, occurred_at,"
                " booked_on, created_at, fingerprint) SELECT"
                f" '{made}', book_id, 'smuggled', kind, occurred_at, booked_on, now(), ''"
                f" FROM ledger_transaction WHERE id = {FIRST}",
                "INSERT INTO ledger_entry (transaction_id, line, book_id, account_id, entry_type,"
                f" amount, currency, created_at) SELECT '{made}', line, book_id, account_id,"
                f" entry_type, amount, currency, now() FROM ledger_entry WHERE {OF_FIRST}",
            )
            assert "ledger.closing_balance" in violations()
            raise Rollback

    def test_the_rows_say_where(self, whole):
        rule = next(rule for rule in selectors.INVARIANTS if rule.name == "ledger.row_balance")
        with pytest.raises(Rollback), transaction.atomic():
            plant("UPDATE ledger_account SET balance = 10.01 WHERE floor = 0")
            ((book, code, currency, kept, summed),) = query(rule.sql)
            assert (book, currency, str(kept), str(summed)) == (whole, "EUR", "10.0100", "10.0000")
            assert code.startswith("wallet:")
            raise Rollback
