"""check_books: one line an invariant, and a planted violation turns it red."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from apps.core.ids import new_id
from apps.core.types import Invariant
from apps.ledger import selectors
from apps.ledger.tests.books import post
from paysys.management.commands import check_books

pytestmark = pytest.mark.django_db(transaction=True)


def run(**options):
    """What the command prints, and its error if it ends with one."""
    out = io.StringIO()
    try:
        call_command("check_books", stdout=out, no_color=True, **options)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), None


def plant(sql):
    with connection.cursor() as cursor:
        cursor.execute(f"BEGIN; SET LOCAL session_replication_role = replica; {sql}; COMMIT")


class TestClean:
    def test_every_invariant_of_every_app_has_its_line(self):
        post(new_id(), "debit platform:bank 1\n credit platform:promotions 1")

        printed, error = run()

        assert error is None
        names = [rule.name for _, rule in check_books.collected()]
        assert len(names) == len(set(names)) >= len(selectors.INVARIANTS)
        assert printed.count("✓") == len(names)
        assert f"{len(names)} invariants hold" in printed

    def test_one_app_alone(self):
        printed, error = run(app=["ledger"])
        assert (error, printed.count("✓")) == (None, len(selectors.INVARIANTS))

    def test_an_app_that_does_not_exist_is_no_clean_book(self):
        assert run(app=["legder"])[1] == "no invariants: no such app?"


class TestViolated:
    def test_is_an_error_that_shows_where(self):
        book = new_id()
        for _ in range(7):
            post(book, "debit platform:bank 1\n credit platform:promotions 1")
        plant("UPDATE ledger_entry SET amount = 2 WHERE line = 1")

        printed, error = run(app=["ledger"], rows=3)

        assert error == f"2 of {len(selectors.INVARIANTS)} invariants do not hold"
        assert "✗ ledger.balanced_transaction" in printed
        assert "NOT TRUE in 7 rows: debits equal credits in every transaction" in printed
        assert printed.count("transaction_id=") == 3
        assert f"book_id={book}  currency=EUR  off=7.0000" in printed

    def test_a_check_that_cannot_be_made_is_not_passed(self, monkeypatch):
        broken = Invariant("core.broken", "SELECT * FROM no_such_table", "nothing")
        works = Invariant("core.works", "SELECT 1 WHERE false", "nothing")
        monkeypatch.setattr(
            check_books, "collected", lambda: iter([("core", broken), ("core", works)])
        )
        printed, error = run()

        assert error == "1 of 2 invariants do not hold"
        assert "✗ core.broken  cannot be checked" in printed
        assert "✓ core.works" in printed

    def test_it_only_looks(self, monkeypatch):
        writes = Invariant(
            "core.writes", "INSERT INTO ledger_book (id) VALUES (uuidv7()) RETURNING id", "nothing"
        )
        calls = Invariant("core.calls", "SELECT pg_current_xact_id()", "nothing")
        monkeypatch.setattr(
            check_books, "collected", lambda: iter([("core", writes), ("core", calls)])
        )
        assert run()[1] == "2 of 2 invariants do not hold"
