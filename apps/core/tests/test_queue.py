import pytest
from celery import current_app
from django.db import transaction
from structlog.testing import capture_logs

from apps.core import db, queue

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def celery(settings, monkeypatch):
    """A broker whose every message is seen, and which can be away."""
    settings.PAYSYS_QUEUE = "celery"
    monkeypatch.setattr(queue._State, "silent_until", 0.0)

    class Broker:
        def __init__(self):
            self.messages, self.attempts, self.is_away = [], 0, False

        def send_task(self, name, args, **options):
            self.attempts += 1
            if self.is_away:
                raise ConnectionRefusedError("nobody there")
            self.messages.append((name, args, options))

    broker = Broker()
    monkeypatch.setattr(current_app._get_current_object(), "send_task", broker.send_task)
    return broker


class TestRecorded:
    def test_holds_what_was_rung_in_order(self):
        with queue.recorded() as bells:
            queue.enqueue("sagas.advance", "run-1")
            queue.enqueue("gateways.apply", "event-1", "event-2")

        assert bells == [("sagas.advance", ("run-1",)), ("gateways.apply", ("event-1", "event-2"))]

    def test_holds_nothing_before_the_commit(self):
        with queue.recorded() as bells, db.unit():
            queue.enqueue("sagas.advance", "run-1")
            assert bells == []
        assert bells == [("sagas.advance", ("run-1",))]

    def test_holds_nothing_of_a_unit_that_failed(self):
        with queue.recorded() as bells:
            with pytest.raises(RuntimeError), db.unit():
                queue.enqueue("sagas.advance", "run-1")
                raise RuntimeError
            with pytest.raises(RuntimeError), transaction.atomic():
                queue.enqueue("sagas.advance", "run-2")
                raise RuntimeError

        assert bells == []

    def test_an_inner_block_keeps_its_bells_to_itself(self):
        with queue.recorded() as outer:
            with queue.recorded() as inner:
                queue.enqueue("a", "1")
            queue.enqueue("b", "2")

        assert (inner, outer) == ([("a", ("1",))], [("b", ("2",))])

    def test_reaches_no_broker(self, celery):
        with queue.recorded():
            queue.enqueue("a", "1")

        assert celery.attempts == 0


class TestBell:
    def test_is_not_sent_by_tests_that_do_not_ask(self, celery, settings):
        settings.PAYSYS_QUEUE = "record"

        queue.enqueue("a", "1")

        assert celery.attempts == 0

    def test_rings_by_name_with_ids_and_without_retries(self, celery):
        queue.enqueue("sagas.advance", "run-1")

        assert celery.messages == [("sagas.advance", ("run-1",), {"retry": False})]

    def test_lost_is_logged_and_no_error(self, celery):
        celery.is_away = True

        with capture_logs() as logs:
            queue.enqueue("sagas.advance", "run-1")

        assert [entry["event"] for entry in logs] == ["queue.bell_lost"]
        assert celery.messages == []

    def test_is_not_tried_again_for_five_seconds_after_a_failure(self, celery, monkeypatch):
        now = 1000.0
        monkeypatch.setattr(queue.time, "monotonic", lambda: now)
        celery.is_away = True
        queue.enqueue("a", "1")
        celery.is_away = False

        now = 1004.9
        queue.enqueue("a", "2")
        assert celery.attempts == 1

        now = 1005.1
        queue.enqueue("a", "3")
        assert [args for _, args, _ in celery.messages] == [("3",)]

    def test_whatever_a_broken_broker_raises_the_commit_stands(self, celery, monkeypatch):
        class Odd(Exception):
            pass

        def explode(*args, **kwargs):
            raise Odd

        monkeypatch.setattr(current_app._get_current_object(), "send_task", explode)

        with db.unit():
            queue.enqueue("a", "1")
