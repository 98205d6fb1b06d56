"""What a benchmark over HTTP needs: a merchant, a web server as in production, clients, its memory.

What is asked stands next to a bare DRF view (`payments_urls.py`): a key that is looked up, and one
INSERT by the ORM.
"""

from __future__ import annotations

import base64
import json
import random
import secrets
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import psycopg

from paysys.bench import harness
from paysys.bench.harness import Bench, Fleet
from paysys.bench.worker import peak_memory_mb
from paysys.embedded import postgres, processes
from paysys.embedded.folder import CHECKOUT
from paysys.embedded.redis import free_port
from paysys.replay.client import Client

CLIENT_PROCESSES, CONNECTIONS = 2, 4  # eight requests under way at any moment
BARE = "/bench/bare"
Body = Mapping[str, Any]


class Worker:
    """One process of clients, each asking again as soon as it is answered."""

    def __init__(self) -> None:
        self.sources: Sequence[str] = ()

    def know(self, *, sources: Sequence[str]) -> None:
        """What pays, from now on: one of these at random, instead of the body's own source."""
        self.sources = sources

    def ask(
        self, *, url: str, path: str, body: Body, api_key: str, seconds: float
    ) -> dict[str, Any]:
        latencies: list[float] = []
        deadline = time.monotonic() + seconds

        def ask() -> None:
            client, mine, chance = Client(url), [], random.Random()  # noqa: S311
            while time.monotonic() < deadline:
                asked = {**body, "source": chance.choice(self.sources)} if self.sources else body
                answer = client.post(path, dict(asked), api_key=api_key, key=uuid.uuid4().hex)
                assert answer.status in (201, 202), answer.body
                mine.append(answer.seconds * 1000)
            client.close()
            latencies.extend(mine)

        threads = [threading.Thread(target=ask) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"latencies": latencies, "seconds": seconds}

    def peak_memory(self) -> float:
        return peak_memory_mb()


def clients(environment: Mapping[str, str]) -> Fleet:
    return Fleet("paysys.bench.over_http:Worker", CLIENT_PROCESSES, environment)


def case(
    fleet: Fleet, *, url: str, path: str, body: Body, api_key: str, seconds: float
) -> Mapping[str, float]:
    """What all the clients together did a second, and how long one waited in milliseconds."""
    answers = fleet.call("ask", url=url, path=path, body=body, api_key=api_key, seconds=seconds)
    latencies = [one for answer in answers for one in answer["latencies"]]
    return {
        "per_second": len(latencies) / seconds,
        **harness.percentiles(latencies, 50, 99),
    }


def environment(bench: Bench) -> dict[str, str]:
    """Of the web server: the bench's routes added, the provider in the process, no limits."""
    return {
        **bench.environment(postgres.APP),
        "DJANGO_SETTINGS_MODULE": "paysys.bench.payments_settings",
        "PAYSYS_QUEUE": "record",
        "PAYSYS_PROVIDER": "instant",
        "PAYSYS_RATE_LIMIT_PER_SECOND": "1000000",
        "PAYSYS_FIELD_KEYS": f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "LOG_LEVEL": "WARNING",
    }


_MERCHANT = """
import sys, uuid
import django; django.setup()
from apps.core import clock
from apps.merchants import services
book_id, now = uuid.UUID(sys.argv[1]), clock.now()
services.onboard(id=book_id, name="Bench", country="US", default_currency="USD",
    basis_points=300, actor="system", now=now)
print(services.issue_key(book_id=book_id, name="bench", actor="system", now=now)[1])
"""


def make_merchant(bench: Bench, environment: Mapping[str, str], *, book_id: uuid.UUID) -> str:
    """The bare view's table, and a merchant; its key is returned."""
    with psycopg.connect(bench.server.url(postgres.OWNER), autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE bench_row (id uuid PRIMARY KEY, book_id uuid, amount numeric(20,4), "
            "currency varchar(3), created_at timestamptz DEFAULT now())"
        )
        connection.execute(f"GRANT SELECT, INSERT ON bench_row TO {postgres.APP}")
    bench.analyze()
    return _python(environment, "-c", _MERCHANT, str(book_id)).strip()


# What one request sends to the database; in autocommit every message that writes is a commit.
_MESSAGES = """
import json, sys, uuid
import django; django.setup()
from django.db.backends.signals import connection_created
from django.test import Client
sent = []
def count(execute, sql, params, many, context):
    sent.append(str(sql))
    return execute(sql, params, many, context)
def watch(connection, **_):
    connection.execute_wrappers.append(count)
connection_created.connect(watch)
client = Client()
def ask(path, body):
    sent.clear()
    answer = client.post(path, json.dumps(body), content_type="application/json",
        headers={"Host": "127.0.0.1", "Authorization": f"Bearer {sys.argv[1]}",
        "Idempotency-Key": uuid.uuid4().hex})
    assert answer.status_code in (201, 202), answer.content
    reading = sum(sql.lstrip().upper().startswith("SELECT") for sql in sent)
    return {"round_trips": len(sent), "commits": len(sent) - reading}
asked = json.loads(sys.argv[2])
for path, body in asked.values():
    ask(path, body)
print(json.dumps({name: ask(path, body) for name, (path, body) in asked.items()}))
"""


def messages(
    environment: Mapping[str, str], api_key: str, asked: Mapping[str, tuple[str, Body]]
) -> dict[str, dict[str, int]]:
    """Round trips and commits of one request each, once everything is warm."""
    found: dict[str, dict[str, int]] = json.loads(
        _python(environment, "-c", _MESSAGES, api_key, json.dumps(asked))
    )
    return found


def _python(environment: Mapping[str, str], *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603
        [sys.executable, *arguments],
        cwd=CHECKOUT,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise harness.BenchFailed(done.stderr[-1500:])
    return done.stdout


@contextmanager
def web(bench: Bench, environment: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """gunicorn as in production, on a free port: its URL and process; ends with the block."""
    url = f"http://127.0.0.1:{free_port()}"
    log = Path(bench.server.sockets) / "web.log"
    child = processes.spawn(
        [sys.executable, "-m", "gunicorn", "-c", "python:paysys.gunicorn", "paysys.wsgi"],
        env={**environment, "PAYSYS_BIND": url.removeprefix("http://")},
        log=log,
    )
    try:
        _wait_until(partial(_answers, url))
        yield url, child.pid
    finally:
        processes.stop(child)
        log.unlink()


def _answers(url: str) -> bool:
    try:
        return Client(url).get("/livez", api_key="").status == 200
    except OSError:
        return False


def _wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        if time.monotonic() > deadline:
            raise harness.BenchFailed("the web server does not answer")
        time.sleep(0.1)


def memory_mb(pid: int) -> float:
    """Of the web server and its workers: what is theirs alone."""
    parent = psutil.Process(pid)
    family = [parent, *parent.children(recursive=True)]
    return sum(member.memory_full_info().uss for member in family) / 2**20
