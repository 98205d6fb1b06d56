"""One key, one effect: what the first request does and what its repeats get."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection

from apps.audit import services as audit
from apps.core import clock, db
from apps.core.errors import (
    Conflict,
    Unprocessable,
)
from apps.core.ids import new_id
from apps.idempotency import services
from apps.idempotency.errors import Busy, InFlight, KeyReused
from apps.idempotency.models import IdempotencyKey
from apps.idempotency.tests.scene import Scene, body_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene() -> Scene:
    return Scene()


class TestTheFirstRequest:
    def test_makes_its_resource_and_stores_the_answer_it_sends(self, scene):
        response = scene.send()
        row = scene.key()

        assert response.status_code == 201
        assert "Idempotent-Replayed" not in response
        assert response["Content-Type"] == "application/json"
        assert scene.things() == [row.id] == scene.created
        assert scene.rendered == [(row.id, False)]
        assert (row.status_code, row.body.encode()) == (201, response.content)

    def test_key_and_resource_are_committed_in_one_message(self, scene, django_assert_num_queries):
        with django_assert_num_queries(2) as queries:
            scene.send()
        accept, answer = (query["sql"] for query in queries.captured_queries)
        assert accept.startswith("INSERT INTO idempotency_key")
        assert "INSERT INTO audit_entry" in accept
        assert answer.startswith("UPDATE idempotency_key")

    def test_renders_outside_of_any_transaction(self, scene):
        scene.during_render = lambda _made: open_ones.append(db.is_open())
        open_ones: list[bool] = []
        scene.send()
        assert open_ones == [False]

    def test_renders_what_create_returned(self, scene):
        original = scene.create
        scene.create = lambda resource_id: original(resource_id) or "a payment"
        scene.send()
        assert scene.rendered == [("a payment", False)]

    def test_locking_create_runs_after_the_claim_in_one_transaction(self, scene):
        seen = []

        def look(resource_id):
            assert connection.in_atomic_block
            seen.append(IdempotencyKey.objects.get(id=resource_id).key)

        scene.during_create = look
        assert scene.send(is_locking=True).status_code == 201
        assert seen == ["k1"]
        assert scene.send(is_locking=True)["Idempotent-Replayed"] == "true"
        assert len(scene.things()) == 1

    @pytest.mark.parametrize("is_locking", [False, True])
    def test_that_fails_for_an_unknown_reason_leaves_nothing_and_may_be_sent_again(
        self, scene, is_locking
    ):
        def fail(_resource_id):
            raise RuntimeError

        scene.during_create = fail
        with pytest.raises(RuntimeError):
            scene.send(is_locking=is_locking)
        assert (scene.things(), IdempotencyKey.objects.count()) == ([], 0)

        scene.during_create = None
        assert scene.send().status_code == 201
        assert len(scene.things()) == 1


class TestARepeat:
    def test_gets_the_same_bytes_and_makes_nothing(self, scene):
        first, second = scene.send(), scene.send()

        assert (second.status_code, second.content) == (first.status_code, first.content)
        assert second["Idempotent-Replayed"] == "true"
        assert len(scene.things()) == 1
        assert len(scene.rendered) == 1

    def test_may_order_its_fields_as_it_likes(self, scene):
        first = scene.send(body={"a": 1, "b": {"c": "ö", "d": None}})
        assert scene.send(body={"b": {"d": None, "c": "ö"}, "a": 1}).content == first.content

    @pytest.mark.parametrize(
        "other",
        [
            {"body": {"amount": 2}},
            {"body": {"amount": "1"}},
            {"body": {"amount": 1.0}},
            {"body": {"amount": 1, "reference": None}},
            {"body": {}},
            {"path": "/v1/others"},
            {"method": "PUT"},
        ],
    )
    def test_that_asks_for_something_else_is_refused_with_422(self, scene, other):
        first = scene.send()
        with pytest.raises(KeyReused) as caught:
            scene.send(**other)

        assert (caught.value.status, caught.value.type) == (422, "idempotency_error")
        assert len(scene.things()) == 1
        assert scene.send().content == first.content

    def test_of_another_merchant_or_scope_is_no_repeat(self, scene):
        scene.send()
        scene.send(scope="staff:7")
        neighbour = Scene()
        assert "Idempotent-Replayed" not in neighbour.send()
        assert (len(scene.things()), len(neighbour.things())) == (2, 1)

    def test_is_case_sensitive(self, scene):
        scene.send("Key")
        scene.send("key")
        assert len(scene.things()) == 2

    def test_while_the_first_is_alive_is_409_with_a_second_to_wait(self, scene):
        def repeat(_made):
            with pytest.raises(InFlight) as caught:
                Scene(book_id=scene.book_id).send()
            assert (caught.value.status, caught.value.retry_after) == (409, 1)
            assert caught.value.type == "idempotency_error"

        scene.during_render = repeat
        assert scene.send().status_code == 201
        assert len(scene.things()) == 1

    def test_gets_the_answer_though_its_own_creation_would_now_be_refused(self, scene):
        first = scene.send()

        def refuse(_resource_id):
            raise Unprocessable("the first one took it all")

        scene.during_create = refuse
        assert scene.send().content == first.content


class TestTakingOver:
    def test_repeat_of_a_dead_request_answers_from_the_present_state(self, scene):
        resource_id = scene.die_before_the_answer()
        response = scene.send()

        assert body_of(response)["id"] == str(resource_id)
        assert scene.rendered[-1] == (resource_id, True)
        assert scene.things() == [resource_id]
        assert scene.send().content == response.content

    def test_lock_lasts_five_seconds_of_the_databases_time(self, scene):
        scene.die_before_the_answer()
        scene.answer = (202, {}, False)
        scene.send()
        with connection.cursor() as cursor:
            cursor.execute("SELECT extract(epoch FROM locked_until - now()) FROM idempotency_key")
            ahead = float(cursor.fetchone()[0])
        assert 4 < ahead <= 5

    def test_only_one_takes_over_at_a_time(self, scene):
        scene.die_before_the_answer()

        def second(_made):
            with pytest.raises(InFlight):
                Scene(book_id=scene.book_id).send()

        scene.during_render = second
        assert scene.send().status_code == 201

    def test_dead_request_that_comes_back_sends_what_the_row_holds(self, scene):
        def overtake(_made):
            scene.during_render = None
            scene.unlock()
            overtaken.append(scene.send())

        overtaken = []
        scene.during_render = overtake
        late = scene.send()

        assert late.content == overtaken[0].content
        assert late["Idempotent-Replayed"] == "true"
        assert len(scene.things()) == 1


class TestBrokenConstraints:
    """A unique violation that is not the key's."""

    @pytest.fixture
    def duplicate(self, scene):
        """The resource's own row exists already, so the unit breaks a constraint."""

        def write_twice(resource_id):
            db.write(
                "INSERT INTO idempotency_key"
                " (id, book_id, scope, key, fingerprint, locked_until)"
                " VALUES (%s::uuid, %s::uuid, 'x', 'x', '', now())",
                (resource_id, scene.book_id),
            )

        scene.during_create = write_twice

    def test_is_a_bug_if_nobody_knows_it(self, scene, duplicate):
        with pytest.raises(IntegrityError):
            scene.send()
        assert (scene.things(), IdempotencyKey.objects.count()) == ([], 0)

    def test_is_the_refusal_that_the_caller_finds_in_it(self, scene, duplicate):
        def explain():
            return Conflict("This reference is taken.", payment="pay_1")

        first = scene.send(on_duplicate=explain)
        assert first.status_code == 409
        assert body_of(first)["error"]["payment"] == "pay_1"
        assert scene.send(on_duplicate=explain)["Idempotent-Replayed"] == "true"
        assert scene.things() == []

    def test_is_not_asked_about_when_the_key_itself_is_taken(self, scene):
        scene.send()
        assert scene.send(on_duplicate=pytest.fail)["Idempotent-Replayed"] == "true"

    def test_other_constraints_are_never_explained(self, scene):
        scene.during_create = lambda _id: db.write("UPDATE idempotency_key SET status_code = 202")
        with pytest.raises(IntegrityError):
            scene.send(on_duplicate=pytest.fail)
        assert scene.things() == []


class TestStaleReads:
    def test_unit_whose_guard_failed_is_sent_again_with_the_same_id(self, scene):
        def guard(_resource_id):
            db.require("%s::int > 2", (len(scene.created),), what="stale")

        scene.during_create = guard
        assert scene.send().status_code == 201
        assert len(scene.created) == 3
        assert len(set(scene.created)) == 1
        assert scene.things() == scene.created[:1]

    @pytest.mark.parametrize("key", ["k1", None])
    def test_that_never_end_are_409_to_be_sent_again_and_not_stored(self, scene, key):
        scene.during_create = lambda _id: db.require("false", what="stale")
        with pytest.raises(Busy) as caught:
            scene.send(key, key_required=False)
        assert caught.value.retry_after == 1
        assert len(scene.created) == services.ATTEMPTS
        assert (scene.things(), IdempotencyKey.objects.count()) == ([], 0)


class TestTheTrailStaysWhole:
    def test_row_written_by_a_refused_request_is_gone(self, scene):
        def late(_resource_id):
            audit.record(
                book_id=scene.book_id,
                actor="system",
                action="thing.doubted",
                subject_id=new_id(),
                subject_kind="thing",
                facts={},
                now=clock.now(),
            )
            raise Conflict("no")

        scene.during_create = late
        scene.send()
        assert scene.things() == []
