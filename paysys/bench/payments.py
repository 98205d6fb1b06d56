"""How fast payments are taken over HTTP, next to the least that a view can do, in the same run.

The provider is in the process and answers at once, so what is measured is ours: the *accept*
(claim, payment, run, event, audit and the first promise to call: one transaction) and the
*answer*, the whole way to AUTHORIZED. Both stand next to a bare DRF view: a key that is looked up,
and one INSERT by the ORM. The *leanest* view, with our own authentication, which remembers keys,
and plain SQL, says how much of the difference is the framework's.
"""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import psycopg

from paysys.bench import harness
from paysys.bench.harness import Bench, Fleet, Row, ratio
from paysys.bench.worker import peak_memory_mb
from paysys.embedded import postgres, processes
from paysys.embedded.folder import CHECKOUT
from paysys.embedded.redis import free_port
from paysys.replay.client import Client

PATHS = {
    "bare": "/bench/bare",
    "leanest": "/bench/leanest",
    "accept": "/bench/accept",
    "answer": "/v1/payments",
}
CLIENT_PROCESSES, CONNECTIONS = 2, 4  # eight requests under way at any moment
BODY = {"amount": 10_000, "currency": "USD", "source": "pm_card_visa"}


class Worker:
    """One process of clients, each asking again as soon as it is answered."""

    def ask(self, *, url: str, path: str, api_key: str, seconds: float) -> dict[str, Any]:
        latencies: list[float] = []
        deadline = time.monotonic() + seconds

        def ask() -> None:
            client, mine = Client(url), []
            while time.monotonic() < deadline:
                answer = client.post(path, BODY, api_key=api_key, key=uuid.uuid4().hex)
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


def run(*, seconds: float, rounds: int, json_file: Path | None) -> str:
    """Measure all of it, write the JSON file if one is asked for, and hand back the table."""
    sys.stderr.write("a server, the migrations, a merchant …\n")
    with harness.started("payments") as bench:
        environment = _environment(bench)
        api_key = _prepare(bench, environment)
        with (
            _web(bench, environment) as (url, pid),
            Fleet("paysys.bench.payments:Worker", CLIENT_PROCESSES, environment) as clients,
        ):
            cases = {
                name: partial(_case, clients, url, path, api_key, seconds)
                for name, path in PATHS.items()
            }
            measured = harness.interleaved(rounds, cases, out=sys.stderr)
            memory = _memory_mb(pid)
        messages: dict[str, Any] = json.loads(_python(environment, "-c", _MESSAGES, api_key))
    results = _summary(measured, messages, memory)
    if json_file is not None:
        harness.write_json(json_file, results)
    return harness.table("Payments over HTTP, as ratios to a bare DRF view", _rows(results))


def _environment(bench: Bench) -> dict[str, str]:
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
import django; django.setup()
from apps.core import clock, ids
from apps.merchants import services
book_id, now = ids.new_id(), clock.now()
services.onboard(id=book_id, name="Bench", country="US", default_currency="USD",
    basis_points=300, actor="system", now=now)
print(services.issue_key(book_id=book_id, name="bench", actor="system", now=now)[1])
"""

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
def ask(path):
    sent.clear()
    answer = client.post(path, json.dumps({"amount": 10000, "currency": "USD",
        "source": "pm_card_visa"}), content_type="application/json", headers={"Host": "127.0.0.1",
        "Authorization": f"Bearer {sys.argv[1]}", "Idempotency-Key": uuid.uuid4().hex})
    assert answer.status_code in (201, 202), answer.content
    reading = sum(sql.lstrip().upper().startswith("SELECT") for sql in sent)
    return {"round_trips": len(sent), "commits": len(sent) - reading}
for warm in ("/bench/accept", "/v1/payments"):
    ask(warm)
print(json.dumps({"accept": ask("/bench/accept"), "answer": ask("/v1/payments")}))
"""


def _prepare(bench: Bench, environment: Mapping[str, str]) -> str:
    """The bare view's table, and a merchant; its key is returned."""
    with psycopg.connect(bench.server.url(postgres.OWNER), autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE bench_row (id uuid PRIMARY KEY, book_id uuid, amount numeric(20,4), "
            "currency varchar(3), created_at timestamptz DEFAULT now())"
        )
        connection.execute(f"GRANT SELECT, INSERT ON bench_row TO {postgres.APP}")
        connection.execute("VACUUM ANALYZE")
    return _python(environment, "-c", _MERCHANT).strip()


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
def _web(bench: Bench, environment: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """gunicorn as in production, on a free port; ends with the block."""
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


def _case(clients: Fleet, url: str, path: str, api_key: str, seconds: float) -> Mapping[str, float]:
    answers = clients.call("ask", url=url, path=path, api_key=api_key, seconds=seconds)
    latencies = [one for answer in answers for one in answer["latencies"]]
    return {
        "per_second": len(latencies) / seconds,
        **harness.percentiles(latencies, 50, 99),
    }


def _memory_mb(pid: int) -> float:
    """Of the web server and its workers: what is theirs alone."""
    parent = psutil.Process(pid)
    family = [parent, *parent.children(recursive=True)]
    return sum(member.memory_full_info().uss for member in family) / 2**20


def _summary(
    measured: Mapping[str, harness.Numbers], messages: Mapping[str, Any], memory: float
) -> dict[str, Any]:
    """The figures by the names the issue gives them, and every round's below."""
    bare, leanest = measured["bare"]["per_second"], measured["leanest"]["per_second"]
    return {
        "bench": "payments",
        "accept_ratio": ratio(measured["accept"]["per_second"], bare),
        "answer_ratio": ratio(measured["answer"]["per_second"], bare),
        "leanest_ratio": ratio(leanest, bare),
        "accept_to_leanest": ratio(measured["accept"]["per_second"], leanest),
        "answer_to_leanest": ratio(measured["answer"]["per_second"], leanest),
        "per_second": {name: median(found["per_second"]) for name, found in measured.items()},
        "latency_ms": {
            name: {point: median(found[point]) for point in ("p50", "p99")}
            for name, found in measured.items()
        },
        "per_payment": messages,
        "web_memory_mb": memory,
        "rounds": measured,
    }


def _rows(results: Mapping[str, Any]) -> list[Row]:
    """The table: what the issue asks for, with its floors."""
    speeds, latency = results["per_second"], results["latency_ms"]
    made = [
        Row("bare view", 1, "×", note=f"{speeds['bare']:,.0f} requests a second"),
        Row(
            "leanest view", results["leanest_ratio"], "×", note=f"{speeds['leanest']:,.0f} a second"
        ),
    ]
    for name, floor in (("accept", 0.45), ("answer", 0.3)):
        sent = results["per_payment"][name]
        note = (
            f"{speeds[name]:,.0f} a second; "
            f"{sent['round_trips']} round trips, {sent['commits']} commits"
        )
        made.append(Row(name, results[f"{name}_ratio"], "×", floor, note=note))
    made += [
        Row(f"{name}, of the leanest view", results[f"{name}_to_leanest"], "×")
        for name in ("accept", "answer")
    ]
    made += [Row(f"{name}, p50", latency[name]["p50"], "ms") for name in PATHS]
    made += [Row(f"{name}, p99", latency[name]["p99"], "ms") for name in PATHS]
    made.append(Row("memory of the web server", results["web_memory_mb"], "MB"))
    return made
