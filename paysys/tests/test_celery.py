"""Celery as a doorbell: what the timetable rings for exists, and nothing waits for an answer."""

import celery
import kombu
import pytest
from django.conf import settings

from paysys.celery import TIMETABLE, app
from paysys.embedded import redis
from paysys.embedded.folder import data_folder, make_folder


class TestTimetable:
    def test_rings_only_for_tasks_that_exist(self):
        app.loader.import_default_modules()
        assert [job.task for job in TIMETABLE if job.task not in app.tasks] == []

    def test_a_bell_that_nobody_heard_expires(self):
        for entry in app.conf.beat_schedule.values():
            assert 0 < entry["options"]["expires"] <= 3600

    def test_gives_a_payout_that_failed_to_leave_another_chance_every_hour_of_its_day(self):
        [job] = [job for job in TIMETABLE if job.task == "payments.pay_out_daily"]
        # A bell is heard within an hour or not at all: never on the day after.
        assert (job.when.minute, job.when.hour) == ({40}, set(range(23)))


class TestApp:
    def test_is_the_one_that_web_processes_ring_with(self):
        assert celery.current_app._get_current_object() is app

    def test_rings_at_the_broker_of_the_settings(self):
        assert app.conf.broker_url == settings.REDIS_URL

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("task_acks_late", True),
            ("worker_prefetch_multiplier", 1),
            ("task_ignore_result", True),
            ("accept_content", ["json"]),
            ("worker_hijack_root_logger", False),
        ],
    )
    def test_promises(self, name, value):
        assert app.conf[name] == value


@pytest.fixture
def broker():
    server = redis.start(make_folder(data_folder() / "test" / "broker"), password="secret")
    yield server
    server.stop()


class TestABrokerThatDies:
    def test_takes_no_worker_along_that_has_a_message_in_hand(self, broker):
        """A worker closes its connection, goes on with the task, and acknowledges it after."""
        options = app.conf.broker_transport_options
        connection = kombu.Connection(broker.url, transport_options=options)
        with kombu.Connection(broker.url).SimpleQueue("bells") as ringing:
            ringing.put({"id": 1})
        message = connection.SimpleQueue("bells").get(timeout=5)

        broker.stop()
        connection.close()
        message.ack()

        assert message.acknowledged
