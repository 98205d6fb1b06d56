"""Couriers that die, stall, meet each other or trouble: nothing is lost, nothing out of order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction

from apps.core import clock, ids
from apps.core.ids import new_id
from apps.merchants.tests.makers import Shop, make_shop
from apps.notifications import selectors, services, store, tasks
from apps.notifications.courier import Courier
from apps.notifications.models import (
    Delivery,
    DeliveryAttempt,
    OutboxEntry,
    WebhookQueue,
    WebhookSecret,
)
from apps.notifications.tests.killing import (
    RECORDS,
    Axe,
    Killed,
    at_every_moment,
    kill_for_real,
)
from apps.notifications.tests.scene import (
    add_event,
    assert_books_hold,
    finish,
    let_leases_end,
    make_due,
    make_endpoint,
    publish,
    publish_line,
    uuid_of,
)
from apps.notifications.tests.sink import PATIENCE

pytestmark = pytest.mark.django_db(transaction=True)


def send_and_answer(courier: Courier, sink: Any) -> None:
    """A round that sends one delivery, and its answer is in; nothing is recorded yet."""
    courier.round(now=clock.now())
    sink.wait_for(1)
    assert courier.woken.wait(PATIENCE)


class TestKilled:
    def test_between_sending_and_recording_sends_again_under_the_same_id(self, shop, sink, courier):
        endpoint = make_endpoint(shop, sink.url())
        event = publish(shop)

        kill_for_real(lambda: finish(Courier(threads=2)), before=RECORDS)

        assert (len(sink.received), DeliveryAttempt.objects.count()) == (1, 0)
        finish(courier)
        assert len(sink.received) == 1, "the dead one's lease holds"
        let_leases_end()
        finish(courier)
        assert [one.id for one in sink.received] == [ids.encode("evt", event.id)] * 2
        assert sink.received[0].body == sink.received[1].body
        sink.received[1].verified(endpoint["secret"])
        assert Delivery.objects.get().status == "DELIVERED"
        assert_books_hold()

    def test_at_any_moment_loses_nothing_and_keeps_the_order(self, sink):
        def run(axe: Axe) -> None:
            sink.received.clear()
            sink.plan(500)
            shop = Shop(new_id(), api_key="")
            services.create_endpoint(
                book_id=shop.book_id,
                endpoint_id=new_id(),
                url=sink.url(),
                event_types=["*"],
                is_enabled=True,
                actor="system",
                now=clock.now(),
            )
            publish_line(shop, 2)
            with axe, suppress(Killed):
                doomed = Courier(threads=2)
                finish(doomed)
                make_due()
                finish(doomed)
            connection.close()
            heir = Courier(threads=2)
            for _ in range(2):
                let_leases_end()
                make_due()
                finish(heir)
            assert set(sink.sequences) == {1, 2}, axe.fell
            assert sink.sequences == sorted(sink.sequences), axe.fell
            assert len(sink.received) <= 4, axe.fell
            states = Delivery.objects.filter(book_id=shop.book_id).values_list("status", flat=True)
            assert list(states) == ["DELIVERED"] * 2, axe.fell
            sink.plans.clear()

        assert at_every_moment(run) >= 20
        assert not OutboxEntry.objects.exists()
        assert_books_hold()

    def test_stopping_records_what_ends_soon_and_lets_go(self, shop, sink, courier):
        make_endpoint(shop, sink.url())
        sink.plan(sink.hang)
        publish(shop)
        courier.round(now=clock.now())
        sink.wait_for(1)
        threading.Timer(0.05, sink.released.set).start()
        courier.close()
        assert Delivery.objects.get().status == "DELIVERED"
        assert WebhookQueue.objects.get().lease_until is None
        assert_books_hold()


class TestTwoCouriers:
    def test_who_was_too_slow_records_nothing(self, shop, sink, courier):
        make_endpoint(shop, sink.url())
        sink.plan(sink.hang)
        publish(shop)
        courier.round(now=clock.now())
        sink.wait_for(1)
        let_leases_end()
        heir = Courier(threads=2)
        finish(heir)
        assert Delivery.objects.get().status == "DELIVERED"

        sink.released.set()
        finish(courier)
        assert len(sink.received) == 2
        assert DeliveryAttempt.objects.count() == 1
        assert_books_hold()

    def test_one_queue_has_one_courier(self, shop, sink, courier):
        make_endpoint(shop, sink.url())
        sink.always = sink.hang
        for _ in range(3):
            publish(shop)
        courier.round(now=clock.now())
        sink.wait_for(1)
        other = Courier(threads=2)
        other.round(now=clock.now())
        assert not other.is_busy
        sink.released.set()
        finish(courier)
        assert len(sink.received) == 3

    def test_with_many_who_publish_tell_everything_once_and_in_order(self, sink, other_sink):
        """Fan-out, recording and publishing at the same time: no line ever gets stuck."""
        shops = [make_shop() for _ in range(2)]
        for shop in shops:
            make_endpoint(shop, sink.url())
            make_endpoint(shop, other_sink.url())
        lines, length = 12, 8
        stopping = threading.Event()

        def publish_in_order(number: int) -> None:
            publish_line(shops[number % 2], length)

        def deliver() -> None:
            Courier(threads=4).run(stopping)

        couriers = [_thread(deliver) for _ in range(2)]
        with ThreadPoolExecutor(4) as publishers:
            list(publishers.map(_closing(publish_in_order), range(lines)))
        for one in (sink, other_sink):
            one.wait_for(lines * length)
        stopping.set()
        for thread in couriers:
            thread.join(PATIENCE)

        for one in (sink, other_sink):
            assert len({received.id for received in one.received}) == lines * length
            assert len(one.received) == lines * length
        states = set(Delivery.objects.values_list("status", flat=True))
        assert states == {"DELIVERED"}
        for endpoint, subject in set(Delivery.objects.values_list("endpoint_id", "subject_id")):
            line = Delivery.objects.filter(endpoint_id=endpoint, subject_id=subject)
            told = [one.sequence for one in line.order_by("last_attempt_at")]
            assert told == list(range(1, length + 1))
        assert_books_hold()


class TestLateCommits:
    def test_event_that_commits_after_later_ones_is_told_all_the_same(self, shop, sink, courier):
        """No moment and no id is taken for "everything up to here has been seen"."""
        make_endpoint(shop, sink.url())
        written, go_on = threading.Event(), threading.Event()
        late = new_id()

        def commit_late() -> None:
            with transaction.atomic():
                add_event(shop, subject_id=late)
                written.set()
                go_on.wait(PATIENCE)

        thread = _thread(commit_late)
        assert written.wait(PATIENCE)
        publish(shop)
        finish(courier)
        assert len(sink.received) == 1
        assert_books_hold()

        go_on.set()
        thread.join(PATIENCE)
        finish(courier)
        assert len(sink.received) == 2
        assert Delivery.objects.filter(subject_id=late, status="DELIVERED").count() == 1
        assert_books_hold()

    def test_event_under_way_while_an_endpoint_is_made_may_miss_it_and_is_no_violation(
        self, shop, sink, courier
    ):
        written, go_on = threading.Event(), threading.Event()

        def commit_late() -> None:
            with transaction.atomic():
                add_event(shop, subject_id=new_id())
                written.set()
                go_on.wait(PATIENCE)

        thread = _thread(commit_late)
        assert written.wait(PATIENCE)
        make_endpoint(shop, sink.url())
        finish(courier)
        go_on.set()
        thread.join(PATIENCE)
        finish(courier)
        assert sink.received == []
        assert_books_hold()

    def test_more_than_a_batch_is_queued_line_by_line(self, shop, sink, courier, monkeypatch):
        monkeypatch.setattr(store, "FAN_OUT_BATCH", 2)
        make_endpoint(shop, sink.url())
        for _ in range(3):
            publish_line(shop, 3)
        finish(courier)
        assert len(sink.received) == 9
        for one in Delivery.objects.all():
            assert one.status == "DELIVERED"
        assert_books_hold()


class TestTrouble:
    def test_database_that_is_away_when_an_answer_is_recorded_makes_nobody_send_twice(
        self, shop, sink, courier
    ):
        make_endpoint(shop, sink.url())
        publish(shop)
        send_and_answer(courier, sink)

        def away(execute: Any, *facts: Any) -> Any:
            raise OperationalError("the connection is lost")

        with connection.execute_wrapper(away), pytest.raises(OperationalError):
            courier.round(now=clock.now())
        assert DeliveryAttempt.objects.count() == 0
        finish(courier)
        assert len(sink.received) == 1
        assert Delivery.objects.get().status == "DELIVERED"

    def test_secret_that_cannot_be_read_is_no_other_endpoints_trouble(
        self, shop, sink, other_sink, courier
    ):
        broken = make_endpoint(shop, sink.url())
        make_endpoint(shop, other_sink.url())
        WebhookSecret.objects.filter(endpoint_id=uuid_of(broken)).update(secret_encrypted="v1.k9.x")
        publish(shop)
        finish(courier)
        assert sink.received == []
        assert len(other_sink.received) == 1
        assert Delivery.objects.get(endpoint_id=uuid_of(broken)).status == "PENDING"

    def test_endpoint_deleted_before_its_secret_is_read_gets_nothing_unsigned(
        self, shop, sink, courier, monkeypatch
    ):
        endpoint = uuid_of(make_endpoint(shop, sink.url()))
        publish(shop)
        read = selectors.list_live_secrets

        def delete_and_read(**of: Any) -> list[str]:
            services.delete_endpoint(
                book_id=shop.book_id, endpoint_id=endpoint, actor="system", now=clock.now()
            )
            return read(**of)

        monkeypatch.setattr(selectors, "list_live_secrets", delete_and_read)
        courier.round(now=clock.now())
        finish(courier)
        assert sink.received == []
        assert_books_hold()

    def test_sends_nothing_inside_a_transaction(self, shop, sink, courier):
        """What is sent has been committed as due before, and nothing is open meanwhile."""
        make_endpoint(shop, sink.url())
        seen = []
        sink.plan(lambda handler: (seen.append(_open_transactions()), handler.answer(200)))
        publish(shop)
        finish(courier)
        assert seen == [0]


class TestInAWorker:
    def test_a_courier_begins_with_its_process_and_ends_with_it(
        self, shop, sink, settings, monkeypatch
    ):
        settings.PAYSYS_WEBHOOK_POLL_SECONDS = 0.02
        monkeypatch.setattr(tasks, "_stopping", threading.Event())
        make_endpoint(shop, sink.url())
        publish(shop)

        tasks.start_courier()
        [thread] = [one for one in threading.enumerate() if one.name == "courier"]
        sink.wait_for(1)
        publish(shop)
        sink.wait_for(2)
        tasks.stop_courier()

        assert not thread.is_alive(), "the process ends after this, and what it knows with it"
        assert WebhookQueue.objects.get().lease_until is None, "nobody has to wait for it to end"
        assert {one.status for one in Delivery.objects.all()} == {"DELIVERED"}
        assert_books_hold()

    def test_it_outlives_a_round_that_fails(self, shop, sink, settings, monkeypatch):
        settings.PAYSYS_WEBHOOK_POLL_SECONDS = 0.01
        make_endpoint(shop, sink.url())
        publish(shop)
        listen, failures = store.listen, iter([OperationalError("away"), RuntimeError("a bug")])

        def fail_twice() -> None:
            for error in failures:
                raise error
            listen()

        monkeypatch.setattr(store, "listen", fail_twice)
        stopping = threading.Event()
        thread = _thread(lambda: Courier(threads=2).run(stopping))
        sink.wait_for(1)
        stopping.set()
        thread.join(PATIENCE)
        assert Delivery.objects.get().status == "DELIVERED"


def _thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=_closing(lambda _: work()), args=(None,))
    thread.start()
    return thread


def _closing(work: Callable[[Any], None]) -> Callable[[Any], None]:
    def run(fact: Any) -> None:
        try:
            work(fact)
        finally:
            connections.close_all()

    return run


def _open_transactions() -> int:
    """How many sessions of this database hold a transaction open, besides the one that asks."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%%'"
            )
            return int(cursor.fetchone()[0])
    finally:
        connection.close()
