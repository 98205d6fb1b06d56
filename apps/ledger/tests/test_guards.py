"""What the database refuses whoever asks: the owner by triggers, the application also by grants."""

import pytest
from django.db import DatabaseError, connection, transaction

from apps.core import db
from apps.core.ids import new_id
from apps.ledger import services as ledger
from apps.ledger.tests.books import (
    NOON,
    balance,
    balances,
    close_day,
    counted,
    lines,
    post,
    post_many,
    posting,
    query,
    reverse,
    violations,
)
from paysys import grants

pytestmark = pytest.mark.django_db(transaction=True)

APPEND_ONLY = "PS002"
UNBALANCED = "LG001"
NO_ACCOUNT = "LG002"
DENIED = "42501"
CHECK, UNIQUE, FOREIGN_KEY, NOT_NULL = "23514", "23505", "23503", "23502"


def refused(sql, params=None):
    """The SQLSTATE with which the database refuses this statement."""
    with pytest.raises(DatabaseError) as caught, transaction.atomic():
        query(sql, params)
    return caught.value.__cause__.sqlstate


@pytest.fixture
def written(book, wallet):
    """A book with two transactions, one of them reversed, checkpoints and a closed day."""
    post(book, f"debit platform:bank 10\n credit {wallet} 10", reference="top-up")
    post(book, "debit merchant:pending 1\n credit platform:fees 1", reference="fee")
    reverse(book, "fee")
    close_day(book, NOON.date(), NOON.replace(day=11))
    query(
        "INSERT INTO ledger_checkpoint (account_id, upto, book_id, balance)"
        " SELECT id, now(), book_id, balance FROM ledger_account WHERE balance > 0"
    )
    return book


class TestAppendOnly:
    @pytest.mark.parametrize(
        ("table", "column"),
        [
            ("ledger_transaction", "kind = 'other'"),
            ("ledger_transaction", "id = id"),
            ("ledger_entry", "amount = amount + 1"),
            ("ledger_entry", "account_id = account_id"),
            ("ledger_checkpoint", "balance = 0"),
            ("ledger_closing", "balance = 0"),
            ("ledger_account", "code = 'merchant:pending'"),
            ("ledger_account", "floor = -1000000"),
            ("ledger_account", "book_id = id"),
            ("ledger_account", "normal_side = -normal_side"),
        ],
    )
    def test_nothing_written_is_changed(self, written, table, column):
        assert refused(f"UPDATE {table} SET {column}") == APPEND_ONLY

    @pytest.mark.parametrize(
        "table",
        [
            "ledger_transaction",
            "ledger_entry",
            "ledger_account",
            "ledger_checkpoint",
            "ledger_closing",
        ],
    )
    def test_nothing_written_is_deleted(self, written, table):
        before = counted()
        assert refused(f"DELETE FROM {table}") == APPEND_ONLY
        assert refused(f"TRUNCATE {table} CASCADE") == APPEND_ONLY
        assert counted() == before


def entries(transaction_id, book, *rows, start=1):
    """Insert raw entries, past the posting function, as the owner could."""
    values = ",".join(
        f"('{transaction_id}', {number}, '{book}', (SELECT id FROM ledger_account WHERE"
        f" book_id = '{book}' AND code = '{code}'), {side}, {amount}, '{currency}', now())"
        for number, (code, side, amount, currency) in enumerate(rows, start)
    )
    return (
        "INSERT INTO ledger_entry (transaction_id, line, book_id, account_id, entry_type,"
        f" amount, currency, created_at) VALUES {values}"
    )


class TestEntries:
    @pytest.fixture
    def empty(self, book):
        """A transaction that has no entries yet, and accounts to write in."""
        post(book, "debit merchant:pending 1\n credit platform:fees 1", reference="first")
        made = new_id()
        query(
            "INSERT INTO ledger_transaction (id, book_id, reference, kind, occurred_at, booked_on,"
            " created_at, fingerprint) VALUES (%s, %s, 'raw', 'x', now(), now(), now(), '')",
            [made, book],
        )
        return made

    @pytest.mark.parametrize(
        "rows",
        [
            [("merchant:pending", 1, 5, "EUR"), ("platform:fees", -1, 4, "EUR")],
            [("merchant:pending", 1, 5, "EUR"), ("platform:fees", -1, 5, "USD")],
            [("merchant:pending", 1, 5, "EUR"), ("platform:fees", 1, 5, "EUR")],
            [("merchant:pending", 1, 5, "EUR")],
            [
                ("merchant:pending", 1, 5, "EUR"),
                ("platform:fees", -1, 4, "EUR"),
                ("platform:fees", -1, 1, "USD"),
            ],
        ],
    )
    def test_balance_in_every_currency(self, book, empty, rows):
        assert refused(entries(empty, book, *rows)) == UNBALANCED

    def test_come_in_one_insert_numbered_from_one(self, book, empty):
        pair = [("merchant:pending", 1, 5, "EUR"), ("platform:fees", -1, 5, "EUR")]
        assert refused(entries(empty, book, *pair, start=2)) == UNBALANCED

    def test_cannot_be_added_later(self, book, empty):
        pair = [("merchant:pending", 1, 5, "EUR"), ("platform:fees", -1, 5, "EUR")]
        query(entries(empty, book, *pair))

        assert refused(entries(empty, book, *pair)) == UNIQUE
        assert refused(entries(empty, book, *pair, start=3)) == UNBALANCED

    @pytest.mark.parametrize("row", [(1, 0), (1, -5), (-1, -5), (0, 5), (2, 5)])
    def test_are_a_positive_amount_on_one_side(self, book, empty, row):
        side, amount = row
        rows = [("merchant:pending", side, amount, "EUR"), ("platform:fees", -side, amount, "EUR")]
        assert refused(entries(empty, book, *rows)) == CHECK

    def test_belong_to_a_transaction_at_once_and_not_at_the_commit(self, book, empty):
        pair = [("merchant:pending", 1, 5, "EUR"), ("platform:fees", -1, 5, "EUR")]
        assert refused(entries(new_id(), book, *pair)) == FOREIGN_KEY

    def test_belong_to_an_account(self, book, empty):
        pair = [("merchant:nobody", 1, 5, "EUR"), ("platform:fees", -1, 5, "EUR")]
        assert refused(entries(empty, book, *pair)) == NOT_NULL


class TestAccounts:
    OPEN = (
        "INSERT INTO ledger_account (id, book_id, code, currency, account_type, normal_side,"
        " floor, balance, created_at) VALUES (uuidv7(), uuidv7(), {}, now())"
    )

    @pytest.mark.parametrize(
        "row",
        [
            "'merchant:payable', 'EUR', 'asset', 1, NULL, 0",
            "'merchant:payable', 'EUR', 'liability', 1, NULL, 0",
            "'merchant:payable', 'EUR', 'liability', -1, NULL, 500",
            "'merchant:payable', 'EUR', 'liability', -1, NULL, NULL",
            "'merchant:reserve', 'EUR', 'liability', -1, NULL, 0",
            "'merchant:pending', 'EUR', 'liability', -1, NULL, 0",
            "'merchant:secret', 'EUR', 'liability', -1, NULL, NULL",
            "' merchant:pending', 'EUR', 'liability', -1, NULL, NULL",
            "E'merchant:pending\\n', 'EUR', 'liability', -1, NULL, NULL",
        ],
    )
    def test_are_what_the_chart_says_and_begin_empty(self, row):
        assert refused(self.OPEN.format(row)) == NO_ACCOUNT

    def test_one_of_a_code_and_currency_in_a_book(self, book):
        post(book, "debit merchant:pending 1\n credit platform:fees 1")
        assert (
            refused(
                "INSERT INTO ledger_account (id, book_id, code, currency, account_type,"
                " normal_side, created_at) SELECT uuidv7(), book_id, code, currency, account_type,"
                " normal_side, now() FROM ledger_account"
            )
            == UNIQUE
        )

    def test_no_balance_below_its_floor_also_for_the_owner(self, book, wallet):
        post(book, f"debit platform:bank 10\n credit {wallet} 10")
        assert refused("UPDATE ledger_account SET balance = -0.01 WHERE floor = 0") == CHECK


class TestTransactions:
    def test_one_reference_in_a_book(self, written):
        copy = (
            "INSERT INTO ledger_transaction (id, book_id, reference, kind, occurred_at, booked_on,"
            " created_at, reverses_id, fingerprint) SELECT uuidv7(), book_id, {}, kind,"
            " occurred_at, booked_on, created_at, reverses_id, fingerprint"
            " FROM ledger_transaction WHERE reverses_id IS NOT NULL"
        )
        assert refused(copy.format("reference")) == UNIQUE
        assert refused(copy.format("'another'")) == UNIQUE  # one reversal a transaction


@pytest.fixture
def as_application(written):
    """The session of somebody who is only the application."""
    grants.grant(connection, grants.APP)
    query(f"SET ROLE {grants.APP}")
    yield written
    query("RESET ROLE")


class TestApplicationRole:
    def test_posts_reverses_and_reads(self, as_application, wallet):
        book = as_application
        post(book, "debit platform:bank 3\n credit merchant:payable 3", reference="more")
        post_many(book, [posting("debit platform:bank 4\n credit merchant:payable 4")])
        reverse(book, "more")

        assert balance(book, "merchant:payable") == 4
        assert violations() == []

    @pytest.mark.parametrize(
        "sql",
        [
            "UPDATE ledger_account SET balance = 1000000",
            "UPDATE ledger_account SET floor = NULL",
            "UPDATE ledger_entry SET amount = 1",
            "UPDATE ledger_transaction SET kind = 'x'",
            "UPDATE ledger_checkpoint SET balance = 1",
            "DELETE FROM ledger_account",
            "DELETE FROM ledger_entry",
            "DELETE FROM ledger_transaction",
            "DELETE FROM ledger_closing",
            "TRUNCATE ledger_entry",
            "INSERT INTO ledger_entry SELECT * FROM ledger_entry",
            "INSERT INTO ledger_transaction SELECT * FROM ledger_transaction",
            "INSERT INTO ledger_account SELECT * FROM ledger_account",
            "ALTER TABLE ledger_entry DISABLE TRIGGER ALL",
            "DROP TRIGGER ledger_entry_balanced ON ledger_entry",
            "SET session_replication_role = replica",
        ],
    )
    def test_may_not_touch_the_books_but_by_posting(self, as_application, sql):
        before = balances(as_application)
        assert refused(sql) == DENIED
        assert balances(as_application) == before

    def test_puts_no_table_of_its_own_before_ours(self, as_application):
        """The posting functions run with the owner's rights: a table in the way would be a door."""
        query("CREATE TEMP TABLE ledger_account (LIKE ledger_account)")
        query("CREATE TEMP TABLE ledger_entry (LIKE ledger_entry)")
        with db.unit():
            ledger.post(
                book_id=as_application,
                reference="real",
                kind="test",
                lines=lines("debit platform:bank 3\n credit merchant:payable 3"),
                occurred_at=NOON,
            )
        assert query("SELECT count(*) FROM pg_temp.ledger_entry") == [(0,)]
        query("DROP TABLE pg_temp.ledger_entry, pg_temp.ledger_account")
        assert balance(as_application, "merchant:payable") == 3
