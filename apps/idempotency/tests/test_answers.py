"""Which answers are kept, under which keys, and for how long."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from apps.core import clock, db, ids
from apps.core.errors import (
    CardError,
    Conflict,
    DomainError,
    InvalidRequest,
    NotFound,
    Unprocessable,
)
from apps.core.ids import new_id
from apps.idempotency import services
from apps.idempotency.errors import Busy, KeyMalformed, KeyRequired, KeyReused
from apps.idempotency.models import IdempotencyKey
from apps.idempotency.services import keeping
from apps.idempotency.tests.scene import Scene, body_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene() -> Scene:
    return Scene()


class TestWhatIsStored:
    def test_202_is_sent_and_never_stored(self, scene):
        scene.answer = (202, {"status": "VALIDATED"}, False)
        assert scene.send().status_code == 202
        assert scene.key().body is None
        scene.unlock()
        assert scene.send().status_code == 202

        scene.answer = (201, {"status": "AUTHORIZED"}, True)
        scene.unlock()
        assert body_of(scene.send()) == {"status": "AUTHORIZED"}
        assert scene.send()["Idempotent-Replayed"] == "true"
        assert len(scene.things()) == 1

    @pytest.mark.parametrize("status", [202, 500, 503, 404, 422, 429])
    def test_other_statuses_are_not_stored_whatever_render_thinks(self, scene, status):
        scene.answer = (status, {}, True)
        assert scene.send().status_code == status
        assert scene.key().body is None

    @pytest.mark.parametrize("status", [200, 201, 402, 409])
    def test_answers_are_stored(self, scene, status):
        scene.answer = (status, {"a": 1}, True)
        scene.send()
        repeat = scene.send()
        assert (repeat.status_code, repeat["Idempotent-Replayed"]) == (status, "true")

    def test_table_takes_no_202(self, scene):
        scene.answer = (202, {}, False)
        scene.send()
        with pytest.raises(IntegrityError), transaction.atomic():
            IdempotencyKey.objects.update(body="{}", status_code=202, expires_at=clock.now())

    @pytest.mark.parametrize("error", [CardError("no"), Conflict("no", remaining=2500)])
    def test_refusal_of_create_with_402_or_409_is_claimed_and_replayed(self, scene, error):
        def refuse(_resource_id):
            raise error

        scene.during_create = refuse
        first, second = scene.send(), scene.send()

        assert first.status_code == second.status_code == error.status
        assert first.content == second.content
        assert "Idempotent-Replayed" not in first
        assert second["Idempotent-Replayed"] == "true"
        assert body_of(first)["error"]["request_id"] == "req_test"
        assert body_of(first)["error"].get("remaining") == error.extra.get("remaining")
        assert (scene.things(), scene.rendered) == ([], [])

    @pytest.mark.parametrize("error", [CardError("no"), Conflict("no")])
    def test_refusal_of_render_with_402_or_409_is_stored(self, scene, error):
        def refuse(_made):
            raise error

        scene.during_render = refuse
        first, second = scene.send(), scene.send()
        assert first.status_code == error.status
        assert second.content == first.content
        assert len(scene.things()) == len(scene.rendered) == 1

    @pytest.mark.parametrize(
        "error", [InvalidRequest("no"), NotFound("no"), Unprocessable("no"), Busy()]
    )
    def test_other_refusals_leave_the_key_free(self, scene, error):
        def refuse(_resource_id):
            raise error

        scene.during_create = refuse
        with pytest.raises(DomainError):
            scene.send()
        assert (scene.things(), IdempotencyKey.objects.count()) == ([], 0)

        scene.during_create = None
        assert scene.send().status_code == 201

    def test_refused_key_still_belongs_to_its_request(self, scene):
        def refuse(_resource_id):
            raise Conflict("no")

        scene.during_create = refuse
        scene.send()
        with pytest.raises(KeyReused):
            scene.send(body={"amount": 2})


class TestTheKey:
    @pytest.mark.parametrize("key", ["", "a" * 256, "ö", "a\tb", "a\nb", "a\0b", "\x7f", "１"])
    def test_is_1_to_255_printable_characters(self, scene, key):
        with pytest.raises(KeyMalformed) as caught:
            scene.send(key)
        assert caught.value.status == 400
        assert scene.things() == []

    @pytest.mark.parametrize("key", ["a", "a" * 255, " ", "~!'\"%s;--{}", "%"])
    def test_may_hold_whatever_can_be_printed(self, scene, key):
        scene.send(key)
        assert scene.send(key)["Idempotent-Replayed"] == "true"
        assert len(scene.things()) == 1

    def test_is_required_where_money_moves(self, scene):
        with pytest.raises(KeyRequired) as caught:
            scene.send(None)
        assert caught.value.status == 400
        assert scene.things() == []

    def test_is_a_matter_of_taste_elsewhere(self, scene):
        first, second = (scene.send(None, key_required=False) for _ in range(2))
        assert first.content != second.content
        assert (len(scene.things()), IdempotencyKey.objects.count()) == (2, 0)


class TestExpiry:
    def test_answered_key_goes_after_its_time_and_not_before(self, scene, settings):
        settings.PAYSYS_IDEMPOTENCY_HOURS = 48
        scene.send()
        now = clock.now()

        assert services.expire(now=now + timedelta(hours=47)) == 0
        assert services.expire(now=now + timedelta(hours=49)) == 1
        assert "Idempotent-Replayed" not in scene.send()

    def test_key_without_an_answer_stays_for_ever(self, scene):
        scene.die_before_the_answer()
        assert services.expire(now=clock.now() + timedelta(days=1000)) == 0

    def test_unless_its_run_has_ended_and_nobody_asked(self, scene):
        resource_id = scene.die_before_the_answer()
        now = clock.now()
        with db.unit():
            services.let_expire(resource_id=resource_id, now=now)

        assert services.expire(now=now + timedelta(hours=47)) == 0
        assert services.expire(now=now + timedelta(hours=49)) == 1

    def test_late_question_after_that_is_still_answered_and_kept(self, scene):
        resource_id = scene.die_before_the_answer()
        with db.unit():
            services.let_expire(resource_id=resource_id, now=clock.now() - timedelta(hours=47))
        response = scene.send()

        assert services.expire(now=clock.now() + timedelta(hours=2)) == 0
        assert scene.send().content == response.content

    def test_let_expire_counts_from_the_end_of_the_run_for_an_answered_key_too(self, scene):
        scene.send()
        ended = clock.now() + timedelta(days=6)
        with db.unit():
            services.let_expire(resource_id=scene.key().id, now=ended)

        assert services.expire(now=ended + timedelta(hours=47)) == 0
        assert services.expire(now=ended + timedelta(hours=49)) == 1

    def test_answer_stored_by_a_run_is_kept_until_the_run_has_ended(self, scene):
        resource_id = scene.die_before_the_answer()
        with db.unit():
            services.store_answer(resource_id=resource_id, status=201, content={"id": "x"})

        assert services.expire(now=clock.now() + timedelta(days=1000)) == 0
        assert scene.send().content == b'{"id":"x"}'

    def test_goes_in_batches_until_nothing_is_left(self, scene, monkeypatch):
        monkeypatch.setattr(keeping, "EXPIRY_BATCH", 3)
        for number in range(7):
            scene.send(f"k{number}")
        assert services.expire(now=clock.now() + timedelta(hours=49)) == 7

    def test_the_task_deletes_by_the_present_clock(self, scene, settings):
        from apps.idempotency.tasks import expire

        settings.PAYSYS_IDEMPOTENCY_HOURS = 0
        scene.send()
        assert expire() == 1

    def test_the_task_comes_back_at_once_when_a_turn_was_not_enough(
        self, scene, settings, monkeypatch
    ):
        from apps.core import queue
        from apps.idempotency.tasks import expire

        settings.PAYSYS_IDEMPOTENCY_HOURS = 0
        monkeypatch.setattr(keeping, "EXPIRY_BATCH", 2)
        monkeypatch.setattr(keeping, "EXPIRY_BATCHES", 2)
        for number in range(5):
            scene.send(f"k{number}")
        with queue.recorded() as bells:
            assert (expire(), expire()) == (4, 1)
        assert bells == [("idempotency.expire", ())]

    def test_reads_no_row_that_is_too_young(self, scene):
        """The id says when a key was made: what came since is never looked at."""
        scene.send()
        bound = ids.lowest_at(clock.now() - timedelta(hours=1))
        assert bound < scene.key().id
        assert ids.lowest_at(clock.now() + timedelta(seconds=1)) > scene.key().id
        assert new_id() > ids.lowest_at(clock.now() - timedelta(milliseconds=5))


class TestForgetting:
    def forget(self, scene, *about_ids):
        with db.unit():
            services.forget_answers(book_id=scene.book_id, about_ids=about_ids)

    def bodies(self):
        return {row.key: row.body for row in IdempotencyKey.objects.all()}

    def test_of_a_customer_leaves_everybody_elses(self, scene):
        customer, other = new_id(), new_id()
        scene.send("theirs", about_id=customer)
        scene.send("another's", about_id=other)
        scene.send("made them")
        scene.send("nobody's")
        made = IdempotencyKey.objects.get(key="made them").id
        kept = self.bodies()
        self.forget(scene, customer, made)

        forgotten = {"theirs": None, "made them": None}
        assert self.bodies() == {**kept, **forgotten}
        self.forget(scene, customer, made)

    def test_another_merchants_answers_stay(self, scene):
        customer = new_id()
        scene.send("k", about_id=customer)
        elsewhere = Scene()
        self.forget(elsewhere, customer)
        assert self.bodies()["k"] is not None

    def test_a_repeat_acts_no_second_time_and_is_answered_from_what_is_left(self, scene):
        customer = new_id()
        scene.send("k", about_id=customer)
        self.forget(scene, customer)
        scene.answer = (201, {"name": None}, True)

        assert body_of(scene.send("k", about_id=customer)) == {"name": None}
        assert len(scene.things()) == 1
        assert services.expire(now=clock.now() + timedelta(hours=49)) == 1
