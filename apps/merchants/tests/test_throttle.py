"""Rate limits: shared through Redis, and still there when Redis is not."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
import redis as redis_client
import time_machine

from apps.core import clock
from apps.merchants import authentication
from apps.merchants.authentication import Allowances
from apps.merchants.models import ApiKey
from apps.merchants.tests.makers import make_shop
from paysys.embedded import redis as embedded
from paysys.embedded.folder import data_folder, make_folder


class Counters:
    """Redis as a dictionary: what every process sees, and how often it was asked."""

    def __init__(self):
        self.totals = Counter()
        self.asked = 0
        self.is_away = False

    def take(self, key, second, count):
        self.asked += 1
        if self.is_away:
            raise redis_client.ConnectionError
        self.totals[key, second] += count
        return self.totals[key, second]


def spent(allowances: Allowances, *, limit: int, times: int, second: int = 1) -> int:
    return sum(allowances.spend("k", limit=limit, second=second) for _ in range(times))


class TestOneProcess:
    @pytest.mark.parametrize("limit", [1, 2, 19, 20, 21, 39, 1000])
    def test_key_gets_its_limit_and_not_one_more(self, limit):
        assert spent(Allowances(Counters().take), limit=limit, times=limit + 50) == limit

    def test_next_second_begins_anew(self):
        allowances = Allowances(Counters().take)
        assert spent(allowances, limit=5, times=9, second=1) == 5
        assert spent(allowances, limit=5, times=9, second=2) == 5

    def test_keys_do_not_share(self):
        allowances = Allowances(Counters().take)
        assert spent(allowances, limit=1, times=2) == 1
        assert allowances.spend("other", limit=1, second=1)

    def test_redis_is_asked_once_per_twentieth_of_the_limit(self):
        counters = Counters()
        spent(Allowances(counters.take), limit=1000, times=1000)
        assert counters.asked == 20

    def test_refused_key_does_not_ask_redis_again_in_this_second(self):
        counters = Counters()
        spent(Allowances(counters.take), limit=1, times=100)
        assert counters.asked == 2

    def test_threads_together_get_the_limit_and_not_one_more(self):
        allowances, granted, barrier = Allowances(Counters().take), [], threading.Barrier(8)

        def ask():
            barrier.wait()
            granted.append(spent(allowances, limit=100, times=50))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(granted) == 100

    def test_memory_has_a_limit(self, monkeypatch):
        monkeypatch.setattr(authentication, "REMEMBERED", 3)
        allowances = Allowances(Counters().take)
        for number in range(10):
            allowances.spend(f"k{number}", limit=5, second=1)
        assert len(allowances._windows) <= 3


class TestManyProcesses:
    def test_together_they_get_the_limit_but_for_the_last_batches(self):
        counters = Counters()
        processes = [Allowances(counters.take) for _ in range(4)]
        total = 0
        for _ in range(400):
            total += sum(process.spend("k", limit=1000, second=1) for process in processes)
        assert total == 1000

    def test_small_limit_is_kept_exactly(self):
        counters = Counters()
        processes = [Allowances(counters.take) for _ in range(4)]
        assert sum(p.spend("k", limit=5, second=1) for p in processes for _ in range(5)) == 5


class TestRedisAway:
    def test_process_keeps_the_limit_by_itself(self):
        counters = Counters()
        counters.is_away = True
        assert spent(Allowances(counters.take), limit=50, times=80) == 50

    def test_redis_that_fails_amid_a_second_takes_nothing_away(self):
        counters = Counters()
        allowances = Allowances(counters.take)
        assert spent(allowances, limit=100, times=10) == 10
        counters.is_away = True
        assert spent(allowances, limit=100, times=200) == 90

    @pytest.mark.parametrize("error", [ValueError, AttributeError, OSError])
    def test_a_client_that_breaks_with_it_is_no_error_of_the_request(self, error):
        """As redis-py reads from a socket that another thread has closed (ValueError)."""

        def take(_key, _second, _count):
            raise error("I/O operation on closed file.")

        assert spent(Allowances(take), limit=5, times=9) == 5

    def test_nobody_asks_it_again_for_five_seconds(self, monkeypatch):
        counters, seconds = Counters(), [100.0]
        counters.is_away = True
        allowances = Allowances(counters.take)
        monkeypatch.setattr(authentication.time, "monotonic", lambda: seconds[0])

        for second in range(5):
            spent(allowances, limit=5, times=3, second=second)
        assert counters.asked == 1
        seconds[0] += authentication.SILENCE_SECONDS
        counters.is_away = False
        assert spent(allowances, limit=5, times=9, second=9) == 5
        assert counters.totals["k", 9] > 0


@pytest.fixture
def real_redis(settings, monkeypatch):
    server = embedded.start(make_folder(data_folder() / "test" / "throttle"), password="secret")
    settings.REDIS_URL = server.url
    yield server
    server.stop()


class TestTheCounterInRedis:
    def test_windows_are_counted_together_and_forgotten(self, real_redis):
        one, other = authentication._Redis(), authentication._Redis()

        assert (one.take("k", 7, 10), other.take("k", 7, 10), one.take("k", 8, 10)) == (10, 20, 10)
        with redis_client.Redis.from_url(real_redis.url) as client:
            assert 0 < client.ttl("paysys:rate:k:7") <= 5
        for counter in (one, other):
            counter._client.close()

    def test_server_that_died_is_an_error_within_a_moment(self, real_redis):
        counter = authentication._Redis()
        counter.take("k", 7, 10)
        real_redis.stop()
        with pytest.raises((redis_client.RedisError, OSError)):
            counter.take("k", 7, 10)
        counter._client.close()


@pytest.mark.django_db
@pytest.mark.urls("apps.merchants.tests.urls")
class TestOverHttp:
    """The suite has no Redis: all of this is the local limit."""

    @pytest.fixture(autouse=True)
    def _fresh(self, monkeypatch):
        monkeypatch.setattr(authentication, "ALLOWANCES", Allowances(authentication._Redis().take))

    def test_too_many_requests_are_429_with_the_second_to_wait(self):
        shop = make_shop(requests_per_second=2)
        with time_machine.travel(clock.now(), tick=False):
            answers = [shop.get("/v1/bell") for _ in range(3)]

        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[2]["Retry-After"] == "1"
        assert answers[2].json()["error"]["type"] == "rate_limit_error"

    def test_key_works_again_in_the_next_second(self):
        shop = make_shop(requests_per_second=1)
        with time_machine.travel(clock.now(), tick=False) as traveller:
            assert [shop.get("/v1/bell").status_code for _ in range(2)] == [200, 429]
            traveller.shift(1)
            assert shop.get("/v1/bell").status_code == 200

    def test_key_without_a_limit_of_its_own_has_that_of_the_settings(self, settings):
        settings.PAYSYS_RATE_LIMIT_PER_SECOND = 3
        shop = make_shop()
        with time_machine.travel(clock.now(), tick=False):
            codes = [shop.get("/v1/bell").status_code for _ in range(4)]
        assert codes == [200, 200, 200, 429]

    def test_one_key_does_not_spend_the_limit_of_another(self):
        busy, calm = make_shop(requests_per_second=1), make_shop(requests_per_second=1)
        with time_machine.travel(clock.now(), tick=False):
            assert [busy.get("/v1/bell").status_code for _ in range(2)] == [200, 429]
            assert calm.get("/v1/bell").status_code == 200

    def test_limit_below_one_is_refused_by_the_table(self):
        from django.db import IntegrityError, transaction

        make_shop()
        with pytest.raises(IntegrityError), transaction.atomic():
            ApiKey.objects.update(requests_per_second=0)
