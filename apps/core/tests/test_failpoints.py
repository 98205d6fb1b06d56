"""Failpoints: passed by name, carried out once, and nothing at all while nothing is planned."""

import os
import signal

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from apps.core import db, failpoints


@pytest.fixture(autouse=True)
def disarmed():
    with failpoints.planned({}):
        yield


class TestAPlace:
    def test_is_named_by_who_passes_it(self):
        with failpoints.planned({}) as passed:
            failpoints.passing(lambda: "charge.CAPTURE", lambda: failpoints.reach("before_commit"))
            failpoints.reach("before_commit")

        assert passed == ["charge.CAPTURE.before_commit", "request.before_commit"]

    def test_does_what_is_planned_there_once_and_nowhere_else(self):
        with failpoints.planned({"request.one": failpoints.fail}):
            failpoints.reach("two")
            with pytest.raises(failpoints.Planted):
                failpoints.reach("one")
            failpoints.reach("one")

    def test_may_be_where_the_process_dies(self):
        child = os.fork()
        if child == 0:
            with failpoints.planned({"request.one": failpoints.die}):
                failpoints.reach("one")
            os._exit(1)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


class TestAPlanInTheSettings:
    def test_is_read_part_by_part(self):
        with failpoints.planned({}) as passed:
            failpoints.configure("request.one=raise, request.two=stall:0")
            failpoints.reach("two")
            with pytest.raises(failpoints.Planted):
                failpoints.reach("one")

        assert passed == ["request.two", "request.one"]
        assert not failpoints.armed

    @pytest.mark.parametrize("how", ["", "explode", "stall:long"])
    def test_that_cannot_be_read_is_refused(self, how):
        with failpoints.planned({}), pytest.raises(ImproperlyConfigured):
            failpoints.configure(f"request.one={how}")


@pytest.mark.django_db(transaction=True)
class TestACommit:
    @pytest.fixture(autouse=True)
    def table(self):
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS core_test_place (name text)")
        yield
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE core_test_place")

    def written(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM core_test_place")
            return cursor.fetchone()[0]

    @pytest.mark.parametrize(("where", "rows"), [("before_commit", 0), ("after_commit", 1)])
    def test_has_a_place_before_and_after(self, where, rows):
        with (
            failpoints.planned({f"request.{where}": failpoints.fail}),
            pytest.raises(failpoints.Planted),
            db.unit(),
        ):
            db.write("INSERT INTO core_test_place VALUES (%s)", ("one",))

        assert self.written() == rows
