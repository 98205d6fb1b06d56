"""The application's role: what the database itself would refuse, were the code wrong."""

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from apps.core.db import append_only_sql
from paysys import grants


@pytest.fixture
def as_application(db):
    """Tables of two kinds, granted, and the session of somebody who is only the application."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE grants_book AS SELECT 1 AS n")
        cursor.execute("CREATE TABLE grants_note AS SELECT 1 AS n")
        for create, _ in append_only_sql("grants_book"):
            cursor.execute(create)
        grants.grant(connection, grants.APP)
        cursor.execute(f"SET LOCAL ROLE {grants.APP}")
        yield cursor
        cursor.execute("RESET ROLE")


class TestApplicationRole:
    @pytest.mark.parametrize("sql", ["SELECT n FROM {}", "INSERT INTO {} VALUES (2)"])
    @pytest.mark.parametrize("table", ["grants_book", "grants_note"])
    def test_reads_and_adds_everywhere(self, as_application, sql, table):
        as_application.execute(sql.format(table))

    @pytest.mark.parametrize("sql", ["UPDATE {} SET n = 3", "DELETE FROM {}"])
    def test_changes_what_may_change(self, as_application, sql):
        as_application.execute(sql.format("grants_note"))

    @pytest.mark.parametrize("sql", ["UPDATE {} SET n = 3", "DELETE FROM {}", "TRUNCATE {}"])
    def test_changes_nothing_that_is_append_only(self, as_application, sql):
        with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
            as_application.execute(sql.format("grants_book"))
        as_application.execute("SELECT n FROM grants_book")
        assert as_application.fetchall() == [(1,)]

    @pytest.mark.parametrize(
        "sql",
        [
            "DELETE FROM django_migrations",
            "ALTER TABLE grants_book DISABLE TRIGGER ALL",
            "SET session_replication_role = replica",
            "CREATE TABLE grants_more (n int)",
        ],
    )
    def test_does_nothing_of_the_owners(self, as_application, sql):
        refused = r"permission denied|must be owner"
        with pytest.raises(DatabaseError, match=refused), transaction.atomic():
            as_application.execute(sql)


@pytest.mark.django_db
class TestCommand:
    def test_migrate_granted_every_table(self):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v')"
                " AND relnamespace = 'public'::regnamespace"
                " AND NOT has_table_privilege(%s, oid, 'SELECT')",
                [grants.APP],
            )
            assert cursor.fetchall() == []

    def test_refuses_to_run_as_anybody_but_the_owner(self):
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL ROLE {grants.APP}")
        with pytest.raises(CommandError, match="owner"):
            call_command("grant")

    def test_says_how_to_make_a_missing_role(self):
        with pytest.raises(CommandError, match="CREATE ROLE nobody_knows"):
            call_command("grant", role="nobody_knows")
