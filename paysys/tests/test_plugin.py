"""The test house itself: what every other test stands on."""

import pytest
from django.db import DatabaseError, connection

from apps.core.db import append_only_sql
from paysys.testing import plugin


def fetch(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


@pytest.mark.django_db
class TestDatabase:
    def test_is_postgresql_18(self):
        assert fetch("SHOW server_version").startswith("18.")

    def test_knows_both_roles(self):
        assert fetch("SELECT current_user") == "paysys_owner"
        assert fetch("SELECT count(*) FROM pg_roles WHERE rolname = 'paysys_app'") == 1

    def test_takes_prepared_transactions(self):
        assert int(fetch("SHOW max_prepared_transactions")) >= 20


@pytest.mark.django_db(transaction=True)
class TestEmptying:
    """Two tests on one table, in either order: neither finds the other's rows."""

    @pytest.mark.parametrize("_time", [1, 2])
    def test_leaves_no_row_of_the_test_before(self, _time, django_user_model):
        assert django_user_model.objects.count() == 0
        django_user_model.objects.create(username="ann")

    def test_empties_append_only_tables_too(self):
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE plugin_try AS SELECT 1 AS n")
            for create, _ in append_only_sql("plugin_try"):
                cursor.execute(create)
        try:
            with pytest.raises(DatabaseError, match="append-only"):
                connection.cursor().execute("DELETE FROM plugin_try")
            plugin.empty(connection)
            assert fetch("SELECT count(*) FROM plugin_try") == 0
        finally:
            connection.cursor().execute("DROP TABLE plugin_try")


class TestReports:
    def test_text_that_utf8_cannot_hold_does_not_end_the_run(self):
        report = {"sections": [("log", "half a pair: \ud800, and a whole: ü")], "duration": 0.1}
        assert plugin._sendable(report) == {
            "sections": [("log", "half a pair: \\ud800, and a whole: ü")],
            "duration": 0.1,
        }
