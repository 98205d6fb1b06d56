"""The short way of a unit through libpq: nobody can tell it from the long one."""

import threading
import time
from types import SimpleNamespace

import psycopg
import pytest
from django.db import (
    DataError,
    IntegrityError,
    InternalError,
    OperationalError,
    connection,
    transaction,
)
from psycopg.pq import ConnStatus, ExecStatus

from apps.core import db
from apps.core.errors import Conflict

pytestmark = pytest.mark.django_db(transaction=True)


class TooMuch(Conflict):
    code = "too_much"


@pytest.fixture(autouse=True)
def things():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE core_direct (name text PRIMARY KEY, size int)")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE core_direct")


def insert(name, size=1):
    with db.unit():
        db.write("INSERT INTO core_direct VALUES (%s, %s)", [name, size])


def names():
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM core_direct ORDER BY name")
        return [name for (name,) in cursor.fetchall()]


@pytest.fixture
def seen():
    """What goes through a Django cursor; units do only when somebody watches."""
    found = []

    def note(execute, sql, params, many, context):
        found.append(sql)
        return execute(sql, params, many, context)

    return connection.execute_wrapper(note), found


class TestSent:
    def test_it_is_committed(self):
        insert("100% 'sure' \\ é €")
        connection.close()
        assert names() == ["100% 'sure' \\ é €"]

    def test_a_watcher_sees_it(self, seen):
        watching, found = seen
        insert("unseen")
        with watching:
            insert("seen")
        assert len(found) == 1
        assert names() == ["seen", "unseen"]

    def test_inside_a_transaction_it_is_a_part_of_it(self):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            insert("a")
            1 / 0  # noqa: B018
        assert names() == []

    def test_other_threads_go_on_while_one_waits(self):
        def wait():
            with db.unit():
                db.write("SELECT pg_sleep(0.3)")
            connection.close()

        thread = threading.Thread(target=wait)
        thread.start()
        began, turns = time.monotonic(), 0
        while thread.is_alive():
            turns += 1
        assert time.monotonic() - began < 5
        assert turns > 1_000


class TestErrors:
    @pytest.mark.parametrize(
        ("error", "cause", "sql"),
        [
            (
                IntegrityError,
                psycopg.errors.UniqueViolation,
                "INSERT INTO core_direct VALUES ('a')",
            ),
            (DataError, psycopg.errors.DivisionByZero, "SELECT 1 / 0"),
        ],
    )
    def test_are_djangos_with_the_drivers_as_cause(self, error, cause, sql):
        insert("a")
        with pytest.raises(error) as caught, db.unit():
            db.write("INSERT INTO core_direct VALUES ('b')")
            db.write(sql)
        assert type(caught.value.__cause__) is cause
        assert names() == ["a"]

    def test_of_registered_states_are_the_apps_own(self, monkeypatch):
        monkeypatch.setitem(db.ERRORS, "PX778", lambda message, detail: TooMuch(message + detail))
        with pytest.raises(TooMuch) as caught, db.unit():
            db.write(
                "DO $$ BEGIN RAISE EXCEPTION USING errcode = 'PX778', message = 'no ',"
                " detail = 'way'; END $$"
            )
        assert caught.value.message == "no way"

    def test_a_session_ended_by_the_server_is_an_operational_error_and_the_next_unit_works(self):
        insert("before")
        with pytest.raises(OperationalError), db.unit():
            db.write("SELECT pg_terminate_backend(pg_backend_pid())")
        connection.close()
        insert("after")
        assert names() == ["after", "before"]

    def test_a_server_that_was_demoted_is_away_and_the_next_unit_finds_the_other(self):
        insert("before")
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on")
        with pytest.raises(InternalError) as caught:
            insert("lost")
        assert db.is_away(caught.value)
        db.let_go(caught.value)
        insert("after")
        assert names() == ["after", "before"]

    def test_what_the_database_refuses_is_not_its_absence(self):
        insert("before")
        with pytest.raises(IntegrityError) as caught:
            insert("before")
        assert not db.is_away(caught.value)

    def test_a_connection_that_broke_meanwhile_is_an_operational_error(self):
        insert("before")
        with psycopg.connect(connection.connection.info.dsn, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid]
            )
            while other.execute(
                "SELECT 1 FROM pg_stat_activity WHERE pid = %s",
                [connection.connection.info.backend_pid],
            ).fetchone():
                pass
        with pytest.raises(OperationalError):
            insert("lost")
        connection.close()
        assert names() == ["before"]

    def test_what_libpq_says_without_the_server_is_an_operational_error(self):
        """Of a connection cut amid an answer, whose status was still good when it was looked at."""
        words = "server closed the connection unexpectedly"
        result = SimpleNamespace(status=ExecStatus.FATAL_ERROR, error_field=lambda _: None)
        libpq = SimpleNamespace(
            exec_=lambda _: result, status=ConnStatus.OK, get_error_message=lambda: words
        )
        with pytest.raises(OperationalError, match=words):
            db._send_directly(SimpleNamespace(pgconn=libpq, lock=threading.Lock()), "SELECT 1")
