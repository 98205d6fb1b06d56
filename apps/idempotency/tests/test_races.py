"""Many at once, and connections that are lost around the commit."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.db import InternalError, OperationalError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from apps.core import db
from apps.core.errors import Conflict, DomainError, Unprocessable
from apps.idempotency import services
from apps.idempotency.errors import Busy, InFlight
from apps.idempotency.tests.scene import Scene
from apps.idempotency.tests.wire import wired

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 30


@pytest.fixture
def scene() -> Scene:
    return Scene()


def at_once(send, *, count: int = MANY) -> list:
    """What the threads got that called at one moment, each with a connection of its own."""
    barrier, results = threading.Barrier(count), []

    def call(number: int) -> None:
        try:
            barrier.wait()
            try:
                results.append(send(number))
            except DomainError as error:
                results.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=call, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == count
    return results


class TestManyAtOnce:
    @pytest.mark.parametrize("is_locking", [False, True])
    def test_thirty_requests_with_one_key_make_one_thing(self, scene, is_locking):
        results = at_once(lambda _: scene.send(is_locking=is_locking))
        answers = [one for one in results if not isinstance(one, InFlight)]

        assert len(scene.things()) == 1
        assert answers
        assert {(one.status_code, one.content) for one in answers} == {
            (201, scene.key().body.encode())
        }
        assert Counter("Idempotent-Replayed" in one for one in answers)[False] == 1

    def test_thirty_requests_with_thirty_keys_make_thirty_things(self, scene):
        results = at_once(lambda number: scene.send(f"k{number}"))
        assert {one.status_code for one in results} == {201}
        assert len(set(scene.things())) == MANY

    def test_thirty_refused_requests_get_one_refusal(self, scene):
        def refuse(_resource_id):
            raise Conflict("no")

        scene.during_create = refuse
        results = at_once(lambda _: scene.send())
        assert {(one.status_code, one.content) for one in results} == {
            (409, scene.key().body.encode())
        }
        assert scene.things() == []

    def test_thirty_who_find_a_dead_request_are_one_who_takes_over(self, scene):
        resource_id = scene.die_before_the_answer()
        results = at_once(lambda _: scene.send())

        renders = [one for one in scene.rendered if one == (resource_id, True)]
        assert len(renders) == 1
        assert {one.content for one in results if not isinstance(one, InFlight)} == {
            scene.key().body.encode()
        }

    def test_deadlock_is_not_the_callers_business(self, scene):
        """Two requests lock two keys' rows crosswise; PostgreSQL ends one, which comes again."""
        first, second = scene.send("a") and scene.key("a").id, scene.send("b") and scene.key("b").id
        barrier = threading.Barrier(2)

        def lock(one, other):
            def during(_resource_id):
                _touch(one)
                if not barrier.broken:
                    with suppress(threading.BrokenBarrierError):
                        barrier.wait(5)
                barrier.abort()
                _touch(other)

            return during

        def send(number):
            own = Scene(book_id=scene.book_id)
            own.during_create = lock(first, second) if number == 0 else lock(second, first)
            return own.send(f"new{number}", is_locking=True)

        results = at_once(send, count=2)
        assert [one.status_code for one in results] == [201, 201]
        assert len(scene.things()) == 4

    def test_lock_that_is_not_given_up_is_409_and_nothing_is_made(self, scene):
        resource_id = scene.send("held") and scene.key("held").id
        with _another_connection() as holder, holder.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT 1 FROM idempotency_key WHERE id = %s FOR UPDATE", [resource_id])

            def wait(_resource_id):
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL lock_timeout = '50ms'")
                _touch(resource_id)

            scene.during_create = wait
            with pytest.raises(Busy):
                scene.send(is_locking=True)
        assert len(scene.things()) == 1


class TestKilledBackend:
    """The server ends our backend: `pg_terminate_backend`, as a fail-over does."""

    def test_before_the_message_is_sent_again_and_made_once(self, scene):
        def kill(_resource_id):
            if len(scene.created) == 1:
                _terminate(_pid())

        scene.during_create = kill
        assert scene.send().status_code == 201
        assert len(scene.created) == 2
        assert scene.things() == [scene.key().id] == scene.created[:1]

    def test_amid_the_message_nothing_was_committed_and_it_is_made_once(self, scene):
        def kill(_resource_id):
            if len(scene.created) == 1:
                db.write("SELECT pg_terminate_backend(pg_backend_pid())")

        scene.during_create = kill
        assert scene.send().status_code == 201
        assert len(scene.created) == 2
        assert scene.things() == [scene.key().id]

    def test_at_the_commit_of_an_open_transaction_it_is_made_once(self, scene):
        def kill(_resource_id):
            if len(scene.created) == 1:
                _terminate(_pid())

        scene.during_create = kill
        assert scene.send(is_locking=True).status_code == 201
        assert scene.things() == [scene.key().id]

    def test_every_time_is_an_error_and_nothing_is_made(self, scene):
        scene.during_create = lambda _id: db.write("SELECT pg_terminate_backend(pg_backend_pid())")
        with pytest.raises(Busy):
            scene.send()
        assert len(scene.created) == services.ATTEMPTS
        assert scene.things() == []

    def test_after_the_answer_was_rendered_is_taken_over_by_the_repeat(self, scene):
        scene.during_render = lambda _made: _terminate(_pid())
        with pytest.raises(OperationalError):
            scene.send()
        connection.close()
        scene.during_render = None
        with pytest.raises(InFlight):
            scene.send()
        scene.unlock()
        assert scene.send().status_code == 201
        assert len(scene.things()) == 1


class TestADemotedServer:
    """After a fail-over an old connection may still lead to a server that only reads."""

    @pytest.mark.parametrize("is_locking", [False, True])
    def test_is_left_for_the_one_that_writes(self, scene, is_locking):
        _demote()
        assert scene.send(is_locking=is_locking).status_code == 201
        assert scene.things() == [scene.key().id]

    def test_that_all_connections_lead_to_is_an_error_of_the_database(self, scene):
        connection_created.connect(_demote)
        connection.close()
        try:
            with pytest.raises(InternalError) as caught:
                scene.send()
        finally:
            connection_created.disconnect(_demote)
            connection.close()
        assert db.is_away(caught.value)
        assert scene.things() == []


class TestLostNews:
    """The commit happened; the connection is lost before we hear of it."""

    def test_the_row_is_read_again_and_answered_for(self, scene):
        with wired() as wire:
            wire.cut_after("thing.made")
            response = scene.send()
            assert wire.cuts == 1

        assert response.status_code == 201
        assert len(scene.created) == 1
        assert scene.things() == [scene.key().id] == scene.created
        # As with a dead request: nobody knows what create had returned.
        assert scene.rendered == [(scene.created[0], True)]
        assert scene.send().content == response.content

    def test_commit_of_an_open_transaction_too(self, scene):
        with wired() as wire:
            scene.during_create = lambda _id: wire.cut_after("COMMIT")
            response = scene.send(is_locking=True)
            assert wire.cuts == 1

        assert response.status_code == 201
        assert scene.things() == [scene.key().id] == scene.created

    def test_commit_that_is_still_under_way_is_waited_for(self, scene):
        scene.during_create = lambda _id: db.write("SELECT pg_sleep(0.4)")
        with wired() as wire:
            wire.cut_after("thing.made", waits_for_answer=False)
            response = scene.send()
            assert wire.delivered.wait(5)

        assert response.status_code == 201
        assert scene.things() == [scene.key().id] == scene.created

    def test_refusal_after_a_lost_commit_is_not_believed(self, scene):
        """The first sending took what there was; the second would find nothing left."""

        def only_once(_resource_id):
            if len(scene.created) > 1:
                raise Unprocessable("nothing left")

        scene.during_create = only_once
        with wired() as wire:
            wire.cut_after("thing.made")
            assert scene.send().status_code == 201
        assert len(scene.things()) == 1

    def test_database_that_stays_away_is_an_error_for_the_view(self, scene):
        with wired() as wire:
            pid = _pid()
            _terminate(pid)
            wire.close()
            with pytest.raises(OperationalError):
                scene.send()
        assert scene.things() == []


def _touch(resource_id) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE idempotency_key SET locked_until = locked_until WHERE id = %s", (resource_id,)
        )


def _demote(**_: Any) -> None:
    """As if the server at the other end had been demoted since."""
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")


def _pid() -> int:
    connection.ensure_connection()
    return connection.connection.info.backend_pid


@contextmanager
def _another_connection() -> Iterator[BaseDatabaseWrapper]:
    other = connection.copy()
    try:
        yield other
    finally:
        other.close()


def _terminate(pid: int) -> None:
    """From another connection, and wait until the backend is gone."""
    with _another_connection() as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
