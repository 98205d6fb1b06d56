"""Writes that travel together, on a table of the tests' own."""

from functools import partial

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.core import db
from apps.core.errors import Conflict

pytestmark = pytest.mark.django_db(transaction=True)

INSERT = "INSERT INTO core_test_thing VALUES (%s, %s)"
RAISE = (
    "DO $$ BEGIN RAISE EXCEPTION USING errcode = 'PX777', message = 'no', detail = 'why'; END $$"
)


class TooMuch(Conflict):
    code = "too_much"


@pytest.fixture(autouse=True)
def things():
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE core_test_thing (name text PRIMARY KEY, size int CHECK (size < 100))"
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE core_test_thing")


@pytest.fixture
def statements():
    with CaptureQueriesContext(connection) as captured:
        yield captured


def stored():
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM core_test_thing ORDER BY name")
        return [name for (name,) in cursor.fetchall()]


def sizes():
    with connection.cursor() as cursor:
        cursor.execute("SELECT size FROM core_test_thing ORDER BY name")
        return [size for (size,) in cursor.fetchall()]


class TestUnit:
    def test_sends_nothing_before_its_end_and_one_message_then(self, statements):
        with db.unit():
            db.write(INSERT, ["a", 1])
            db.write(INSERT, ["b", 2])
            assert len(statements) == 0

        assert len(statements) == 1
        assert stored() == ["a", "b"]

    def test_is_one_transaction(self):
        with pytest.raises(IntegrityError), db.unit():
            db.write(INSERT, ["a", 1])
            db.write(INSERT, ["b", 200])
            db.write(INSERT, ["c", 3])

        assert stored() == []
        assert not connection.in_atomic_block

    def test_rows_of_one_unit_have_one_transaction_id(self):
        with db.unit():
            db.write(INSERT, ["a", 1])
            db.write(INSERT, ["b", 2])

        with connection.cursor() as cursor:
            cursor.execute("SELECT count(DISTINCT xmin::text) FROM core_test_thing")
            assert cursor.fetchone() == (1,)

    def test_without_writes_asks_the_database_nothing(self, statements):
        with db.unit():
            pass

        assert len(statements) == 0

    def test_an_exception_in_the_block_sends_nothing(self, statements):
        with pytest.raises(RuntimeError), db.unit():
            db.write(INSERT, ["a", 1])
            raise RuntimeError

        assert len(statements) == 0
        assert not db.is_open()
        assert stored() == []

    def test_an_inner_unit_joins_the_outer_one(self, statements):
        with db.unit():
            db.write(INSERT, ["a", 1])
            with db.unit():
                db.write(INSERT, ["b", 2])
            assert len(statements) == 0

        assert len(statements) == 1
        assert stored() == ["a", "b"]

    def test_an_inner_unit_that_failed_leaves_nothing_in_the_outer_one(self):
        rung = []
        with db.unit():
            db.write(INSERT, ["a", 1])
            with pytest.raises(RuntimeError), db.unit():
                db.write(INSERT, ["b", 2])
                db.on_commit(lambda: rung.append("b"))
                raise RuntimeError
            db.on_commit(lambda: rung.append("a"))

        assert stored() == ["a"]
        assert rung == ["a"]

    def test_joins_an_open_transaction(self):
        with pytest.raises(RuntimeError), transaction.atomic():
            with db.unit():
                db.write(INSERT, ["a", 1])
            assert stored() == ["a"]
            raise RuntimeError

        assert stored() == []

    def test_takes_a_percent_sign_and_quotes_as_they_are(self):
        with db.unit():
            db.write(INSERT, ["it's 100% \\ ; DROP", 1])
            db.write("UPDATE core_test_thing SET size = 2 WHERE name LIKE '%%100%%'", expect=1)

        assert (stored(), sizes()) == (["it's 100% \\ ; DROP"], [2])

    def test_a_write_needs_a_transaction(self):
        assert not db.is_open()
        with pytest.raises(AssertionError):
            db.write(INSERT, ["a", 1])

        assert stored() == []

    def test_a_write_inside_of_a_transaction_is_sent_at_once(self):
        with transaction.atomic():
            assert db.is_open()
            db.write(INSERT, ["a", 1])
            assert stored() == ["a"]

    def test_is_open_inside_of_a_unit(self):
        with db.unit():
            assert db.is_open()
        assert not db.is_open()


class TestGuard:
    def test_that_holds_lets_the_unit_pass(self):
        with db.unit():
            db.write(INSERT, ["a", 1], expect=1)
            db.write("UPDATE core_test_thing SET size = 9 WHERE size = %s", [1], expect=1)
            db.write("DELETE FROM core_test_thing WHERE size = %s", [77], expect=0)
            db.require("(SELECT count(*) FROM core_test_thing) = %s", [1], what="one thing")

        assert sizes() == [9]

    def test_on_rows_that_fails_writes_nothing(self):
        with pytest.raises(db.GuardFailed, match="a of size 5") as caught, db.unit():
            db.write(INSERT, ["a", 1])
            db.write(
                "UPDATE core_test_thing SET size = 9 WHERE size = %s",
                [5],
                expect=1,
                what="a of size 5",
            )
            db.write(INSERT, ["c", 3])

        assert caught.value.what == "a of size 5"
        assert stored() == []

    def test_on_a_condition_that_fails_writes_nothing(self):
        with pytest.raises(db.GuardFailed, match="room"), db.unit():
            db.write(INSERT, ["a", 1])
            db.require("(SELECT count(*) FROM core_test_thing) < %s", [1], what="room")

        assert stored() == []

    def test_on_an_unknown_condition_fails(self):
        with pytest.raises(db.GuardFailed), db.unit():
            db.require("NULL::boolean", what="known")

    def test_sees_what_the_unit_wrote_before_it(self):
        with db.unit():
            db.write(INSERT, ["a", 1])
            db.require("EXISTS (SELECT FROM core_test_thing)", what="seen")

        assert stored() == ["a"]

    def test_that_fails_leaves_the_connection_usable(self):
        for _ in range(2):
            with pytest.raises(db.GuardFailed), db.unit():
                db.require("false", what="never")
        with db.unit():
            db.write(INSERT, ["a", 1])

        assert stored() == ["a"]


class TestOnCommit:
    def test_runs_after_the_commit_in_order(self):
        seen = []
        with db.unit():
            db.on_commit(lambda: seen.append(stored()))
            db.on_commit(lambda: seen.append("second"))
            db.write(INSERT, ["a", 1])
            assert seen == []

        assert seen == [["a"], "second"]

    def test_does_not_run_when_a_write_fails(self):
        seen = []
        with pytest.raises(IntegrityError), db.unit():
            db.on_commit(lambda: seen.append("rung"))
            db.write(INSERT, ["a", 200])

        assert seen == []

    def test_does_not_run_when_the_block_fails(self):
        seen = []
        with pytest.raises(RuntimeError), db.unit():
            db.on_commit(lambda: seen.append("rung"))
            raise RuntimeError

        assert seen == []

    def test_waits_for_the_transaction_that_the_unit_joined(self):
        seen = []
        with transaction.atomic():
            with db.unit():
                db.write(INSERT, ["a", 1])
                db.on_commit(lambda: seen.append("rung"))
            assert seen == []

        assert seen == ["rung"]

    def test_does_not_run_when_that_transaction_fails(self):
        seen = []
        with pytest.raises(RuntimeError), transaction.atomic():
            with db.unit():
                db.on_commit(lambda: seen.append("rung"))
            raise RuntimeError

        assert seen == []

    def test_a_call_that_fails_neither_undoes_nor_hides_the_commit(self, caplog):
        seen = []
        with db.unit():
            db.write(INSERT, ["a", 1])
            db.on_commit(lambda: 1 / 0)
            db.on_commit(lambda: seen.append("the next one"))

        assert stored() == ["a"]
        assert seen == ["the next one"]
        assert "division by zero" in caplog.text

    @pytest.mark.parametrize("opened", [db.unit, transaction.atomic])
    def test_a_partial_that_fails_neither_undoes_nor_hides_the_commit(self, caplog, opened):
        with opened():
            db.write(INSERT, ["a", 1])
            db.on_commit(partial(divmod, 1, 0))

        assert stored() == ["a"]
        assert "by zero" in caplog.text


class TestTranslation:
    @pytest.fixture(autouse=True)
    def registered(self, monkeypatch):
        monkeypatch.setitem(
            db.ERRORS, "PX777", lambda message, detail: TooMuch(f"{message}: {detail}")
        )

    def test_of_a_registered_state_raises_the_apps_own_exception(self):
        with pytest.raises(TooMuch, match="no: why") as caught, db.unit():
            db.write(INSERT, ["a", 1])
            db.write(RAISE)

        assert isinstance(caught.value.__cause__, DatabaseError)
        assert stored() == []

    def test_for_reads_that_call_functions(self):
        with pytest.raises(TooMuch), db.translated(), connection.cursor() as cursor:
            cursor.execute(RAISE)

    def test_leaves_other_errors_alone(self):
        with pytest.raises(IntegrityError), db.unit():
            db.write(INSERT, ["a", 200])


class TestAppendOnly:
    @pytest.fixture(autouse=True)
    def guarded(self):
        with connection.cursor() as cursor:
            for sql, _ in db.append_only_sql("core_test_thing"):
                cursor.execute(sql)
            cursor.execute(INSERT, ["a", 1])
        yield
        with connection.cursor() as cursor:
            for _, reverse in db.append_only_sql("core_test_thing"):
                cursor.execute(reverse)

    @pytest.mark.parametrize(
        "sql",
        [
            "UPDATE core_test_thing SET size = 2",
            "DELETE FROM core_test_thing",
            "TRUNCATE core_test_thing",
        ],
    )
    def test_refuses_every_change(self, sql):
        with pytest.raises(DatabaseError, match="append-only") as caught, db.unit():
            db.write(INSERT, ["b", 2])
            db.write(sql)

        assert caught.value.__cause__.sqlstate == "PS002"
        assert (stored(), sizes()) == (["a"], [1])

    def test_takes_new_rows(self):
        with db.unit():
            db.write(INSERT, ["b", 2])

        assert stored() == ["a", "b"]
