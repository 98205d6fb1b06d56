"""A row that a unit adds and changes is written once, and so is a log; nobody sees a difference."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.core import db
from apps.core.ids import new_id
from apps.core.rows import Rows

pytestmark = pytest.mark.django_db(transaction=True)

THINGS = Rows("core_test_thing", marks={"note": "upper(%s)"}, constants={"size": "7"})
LOG = Rows("core_test_log", is_log=True)


@pytest.fixture(autouse=True)
def tables():
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE core_test_thing (id uuid PRIMARY KEY, name text, size int, note text,"
            " CHECK (size < 100))"
        )
        cursor.execute("CREATE TABLE core_test_log (id uuid PRIMARY KEY, says text UNIQUE)")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE core_test_thing, core_test_log")


@pytest.fixture
def message():
    """What was sent: one text a message."""
    with CaptureQueriesContext(connection) as captured:
        yield lambda: [query["sql"] for query in captured.captured_queries]


def found(sql="SELECT name, size, note FROM core_test_thing ORDER BY name"):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def said():
    return [text for (text,) in found("SELECT says FROM core_test_log ORDER BY says")]


def add(name="a", **more):
    thing = new_id()
    db.insert(THINGS, {"id": thing, "name": name, "note": "n", **more})
    return thing


def rename(thing, before, after, *, expect=1):
    db.change(
        THINGS,
        thing,
        {"name": after},
        expects={"name": before},
        sql="UPDATE core_test_thing SET name = %s WHERE id = %s AND name = %s",
        params=(after, thing, before),
        expect=expect,
        what="its name",
    )


def resize(thing, size):
    db.change(
        THINGS,
        thing,
        {"size": size},
        expects={},
        sql="UPDATE core_test_thing SET size = %s WHERE id = %s",
        params=(size, thing),
    )


def say(text):
    db.insert(LOG, {"id": new_id(), "says": text})


class TestARow:
    def test_is_added_with_what_its_columns_have_unless_told_otherwise(self):
        with db.unit():
            add()
            add("b", size=8)

        assert found() == [("a", 7, "N"), ("b", 8, "N")]

    def test_that_is_changed_in_its_unit_is_written_once_as_it_is_in_the_end(self, message):
        with db.unit():
            thing = add()
            rename(thing, "a", "b")
            resize(thing, 9)
            rename(thing, "b", "c")

        assert found() == [("c", 9, "N")]
        assert "UPDATE" not in message()[0]

    def test_that_was_there_before_is_changed_where_it_is(self):
        with db.unit():
            thing = add()
        with db.unit():
            rename(thing, "a", "b")

        assert found() == [("b", 7, "N")]

    def test_that_is_not_as_expected_is_left_to_its_guard(self):
        with pytest.raises(db.GuardFailed, match="its name"), db.unit():
            thing = add()
            rename(thing, "another", "b")

        assert found() == []

    def test_is_seen_as_it_was_by_a_statement_that_names_its_table(self):
        with db.unit():
            thing = add()
            db.require("(SELECT name FROM core_test_thing) = %s", ["a"], what="still a")
            rename(thing, "a", "b")
            db.require("(SELECT name FROM core_test_thing) = %s", ["b"], what="b by now")

        assert found() == [("b", 7, "N")]

    def test_keeps_its_change_out_if_the_inner_unit_failed(self):
        with db.unit():
            thing = add()
            with pytest.raises(RuntimeError), db.unit():
                rename(thing, "a", "b")
                raise RuntimeError

        assert found() == [("a", 7, "N")]

    def test_of_another_id_is_another(self):
        with db.unit():
            first, second = add("a"), add("b")
            resize(second, 2)
            resize(first, 1)

        assert found() == [("a", 1, "N"), ("b", 2, "N")]

    def test_is_checked_as_ever(self):
        with pytest.raises(IntegrityError), db.unit():
            resize(add(), 100)

        assert found() == []

    def test_is_written_at_once_inside_of_a_transaction(self):
        with transaction.atomic():
            thing = add()
            assert found() == [("a", 7, "N")]
            rename(thing, "a", "b")
            assert found() == [("b", 7, "N")]


class TestALog:
    def test_is_written_in_one_statement(self, message):
        with db.unit():
            say("one")
            resize(add(), 9)
            say("three % and ; 'quotes'")
            say("two")

        assert said() == ["one", "three % and ; 'quotes'", "two"]
        assert message()[0].count("INSERT INTO core_test_log") == 1

    def test_comes_after_every_guard_that_was_before_its_last_row(self):
        """So whoever reads something stale hears of that, and not of the row he wrote twice."""
        with db.unit():
            say("once")
        with pytest.raises(db.GuardFailed), db.unit():
            say("once")
            db.require("false", what="never")
            say("twice")

        assert said() == ["once"]

    def test_is_seen_as_far_as_it_was_by_a_statement_that_names_it(self):
        with db.unit():
            say("one")
            db.require("(SELECT count(*) FROM core_test_log) = 1", what="one so far")
            say("two")

        assert said() == ["one", "two"]

    def test_keeps_a_failed_inner_units_rows_out(self):
        with db.unit():
            say("one")
            with pytest.raises(RuntimeError), db.unit():
                say("two")
                raise RuntimeError
            say("three")

        assert said() == ["one", "three"]

    def test_calls_what_it_returns_once_for_each_of_its_rows(self):
        calling = Rows(
            "core_test_log", is_log=True, returning="core_require(says <> 'never', says)"
        )
        with db.unit():
            db.insert(calling, {"id": new_id(), "says": "one"})
            db.insert(calling, {"id": new_id(), "says": "two"})
        with pytest.raises(db.GuardFailed, match="never"), db.unit():
            db.insert(calling, {"id": new_id(), "says": "three"})
            db.insert(calling, {"id": new_id(), "says": "never"})

        assert said() == ["one", "two"]
