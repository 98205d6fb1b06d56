"""The whole system, in a folder of its own and on free ports, made to be broken part by part."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psycopg
import redis as redis_client
from celery import Celery
from kombu.exceptions import OperationalError

from paysys import serve
from paysys.embedded import postgres, processes, redis
from paysys.embedded.folder import CHECKOUT, make_folder
from paysys.replay.report import Merchant
from paysys.soak import takeovers
from paysys.soak.mutants import Mutant
from paysys.soak.parts import Part
from paysys.soak.proxy import Wire
from paysys.up.plan import Plan, persistent_secrets

READY_SECONDS = 300.0
STEP_SECONDS = 240.0
BELL_SECONDS = 60.0  # a bell that was not answered for so long is not worth keeping
_MANAGE = (sys.executable, str(CHECKOUT / "manage.py"))
# Its command depends on its environment, which is not ours.
_SERVE = (sys.executable, "-m", "paysys.serve")
_SOCKET = ".s.PGSQL.5432"
# What goes wrong at the providers by itself, by the simulator's own dice.
PROVIDERS_FAULTS = (
    "*:timeout_before=0.006,*:timeout_after=0.012,*:reset_before=0.006,*:reset_after=0.012,"
    "*:error_before=0.008,*:error_after=0.008,*:unavailable=0.01,*:rate_limit=0.004,"
    "*:slow:400=0.03,webhook:late:2000=0.06,webhook:twice=0.06,webhook:reordered=0.06"
)


class CannotStart(Exception):
    """A part did not come up; the message says which, and where its log is."""


class Stack:
    """Started and broken from one thread: the kernel ends a child together with its starter."""

    def __init__(
        self, folder: Path, *, seed: int, lease_seconds: float = 0.0, mutant: Mutant | None = None
    ) -> None:
        self.folder = make_folder(folder)
        self.seed = seed
        self.lease_seconds = lease_seconds
        self.mutant = mutant
        self.parts: dict[str, Part] = {}
        web, wire = redis.free_port(), redis.free_port()
        secrets = persistent_secrets(folder / "secrets.json")
        self.plan = Plan(data=folder, port=web, simulator_port=wire, secrets=secrets)
        self._simulator_port, self._redis_port = redis.free_port(), redis.free_port()
        self._environment: dict[str, str] = {}
        self._database: postgres.Server | None = None
        self._redis: redis.Server | None = None
        self.wires: dict[str, Wire] = {}

    # --- the life of it

    def start(self) -> list[Merchant]:
        """Start everything, with the demo's merchants; returns when it answers.

        :raises CannotStart: something did not come up.
        """
        make_folder(self.plan.logs)
        self.start_database()
        self.start_redis()
        self._lay_wires()
        self._environment = self._everybodys_environment()
        self._add("simulator", [*_MANAGE, "simulator", *self._simulator_options("")])
        self._add("web", serve.command("web"))
        for name in ("worker-1", "worker-2"):
            self._add(name, [*_SERVE, "worker", "-n", f"{name}@soak"])
        self._add("beat", serve.command("beat", schedule=str(self.folder / "beat-schedule")))
        self.parts["simulator"].start()
        facts = self.folder / "seed.json"
        self.manage("migrate", "--noinput", "-v", "0")
        self._prepare_database()
        self.manage("demo", "--facts", str(facts))
        for name in ("web", "worker-1", "worker-2", "beat"):
            self.parts[name].start()
        self.wait_until_ready()
        return [
            Merchant(one["id"], one["name"], one["api_key"])
            for one in json.loads(facts.read_text())["merchants"]
        ]

    def revive(self) -> list[str]:
        """Start what ended though no fault ended it: of each part, how."""
        return [ended for part in self.parts.values() if (ended := part.revive())]

    def heal(self) -> None:
        """Everything runs again, and nothing goes wrong by itself any more."""
        for wire in self.wires.values():
            wire.heal()
        self.restart_providers(faults="")
        for part in self.parts.values():
            part.signal_all(signal.SIGCONT)
        if self._redis is None or self._redis.child.poll() is not None:
            self.start_redis()
        self.wait_until_ready()

    def restart_providers(self, *, faults: str) -> None:
        """From now on this goes wrong there by itself."""
        simulator = self.parts["simulator"]
        simulator.end()
        simulator.command = [*_MANAGE, "simulator", *self._simulator_options(faults)]
        simulator.start()

    def stop(self) -> None:
        """End everything that was started here, and leave no process."""
        for part in self.parts.values():
            part.signal_all(signal.SIGCONT)
            if part.child is not None and part.is_running:
                part.child.terminate()
        for part in self.parts.values():
            part.end()
        if self._redis is not None:
            self._redis.stop()
        if self._database is not None:
            self._database.stop()

    @property
    def url(self) -> str:
        return self.plan.web_url

    @property
    def simulator_url(self) -> str:
        """Past the wire, for whoever compares books."""
        return f"http://127.0.0.1:{self._simulator_port}"

    def manage(self, command: str, *options: str, seconds: float = STEP_SECONDS) -> str:
        """Run a management command beside the stack; what it says.

        :raises CannotStart: it failed.
        """
        done = self.try_to_manage(command, *options, seconds=seconds)
        if done.returncode:
            raise CannotStart(f"{command}: {done.stdout[-1000:]}{done.stderr[-2000:]}")
        return done.stdout

    def try_to_manage(
        self, command: str, *options: str, seconds: float = STEP_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        direct = {**self._environment, "DATABASE_URL": self._server.url(postgres.APP)}
        return subprocess.run(  # noqa: S603
            [*_MANAGE, command, *options],
            env=serve.environment(command, direct),
            timeout=seconds,
            capture_output=True,
            text=True,
            check=False,
        )

    # --- the database and Redis, which are no parts of ours

    @property
    def _server(self) -> postgres.Server:
        assert self._database is not None
        return self._database

    def connect(self) -> psycopg.Connection:
        """As the owner, past the wire; whoever connects closes."""
        return psycopg.connect(
            self._server.url(postgres.OWNER), autocommit=True, connect_timeout=10
        )

    def start_database(self) -> None:
        """As in production: every commit is on disk before it is told."""
        self._database = postgres.start(self.folder / "postgres")

    def stop_database(self, sig: signal.Signals) -> None:
        """SIGINT ends it in good order, SIGQUIT as a power cut does."""
        processes.stop(self._server.child, sig=sig)

    def start_redis(self) -> None:
        folder, password = make_folder(self.folder / "redis"), self.plan.secrets["redis_password"]
        self._redis = redis.start(folder, password=password, port=self._redis_port)

    def kill_redis(self) -> None:
        if self._redis is not None:
            self._redis.child.kill()
            self._redis.child.wait()

    def flush_redis(self) -> None:
        assert self._redis is not None
        with redis_client.Redis.from_url(self._redis.url, socket_timeout=5) as client:
            client.flushall()

    def ring(self, task: str) -> None:
        """Have a worker do what beat rings for at night. A bell that nobody hears is lost."""
        assert self._redis is not None
        celery = Celery(broker=self._redis.url, set_as_current=False)
        with celery, suppress(OperationalError, OSError):
            celery.send_task(task, retry=False, expires=BELL_SECONDS)

    def drop_connections(self, rng: random.Random) -> int:
        """End some of the application's sessions in the database; how many."""
        with self.connect() as connection:
            found = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE usename = %s ORDER BY pid", [postgres.APP]
            ).fetchall()
            share = rng.choice((0.3, 0.6, 1.0))
            chosen = [pid for (pid,) in found if rng.random() < share]
            for pid in chosen:
                connection.execute("SELECT pg_terminate_backend(%s)", [pid])
        return len(chosen)

    def plant_at_providers(self, operation: str, kind: str, *, times: int) -> None:
        """The next calls of an operation meet this fault of the simulator's, once it answers."""
        self._wait_for((self._simulator_port, "/_sim/health"))
        body = json.dumps({"op": operation, "kind": kind, "times": times})
        connection = http.client.HTTPConnection("127.0.0.1", self._simulator_port, timeout=5)
        try:
            connection.request("POST", "/_sim/faults", body, {"Content-Type": "application/json"})
            connection.getresponse().read()
        finally:
            connection.close()

    # --- how it is put together

    def _add(self, name: str, command: Sequence[str | Path]) -> None:
        role = name.partition("-")[0]
        env = serve.environment(role, self._environment)
        log = self.plan.logs / f"{name}.log"
        self.parts[name] = Part(name, command, log=log, env=env)

    def _everybodys_environment(self) -> dict[str, str]:
        through = f"postgresql://{postgres.APP}@/{postgres.DATABASE}?host={self.wires_folder}"
        assert self._redis is not None
        told = self.plan.environment(
            database=through, owner=self._server.url(postgres.OWNER), redis=self._redis.url
        )
        return {
            **os.environ,
            **told,
            "PYTHONUNBUFFERED": "1",
            "PAYSYS_BIND": f"127.0.0.1:{self.plan.port}",
            "WEB_WORKERS": "2",
            "WORKER_PROCESSES": "2",
            "PAYSYS_WEBHOOK_LOOPBACK": "true",
            **self._changed(),
        }

    def _changed(self) -> dict[str, str]:
        """What makes our processes others than in production; nothing, unless it was asked for."""
        if self.mutant is None and not self.lease_seconds:
            return {}
        return {
            "DJANGO_SETTINGS_MODULE": "paysys.soak.settings",
            "PAYSYS_SOAK_MUTANT": self.mutant.name if self.mutant else "",
            "PAYSYS_SOAK_LEASE_SECONDS": str(self.lease_seconds),
        }

    def _prepare_database(self) -> None:
        with self.connect() as connection:
            takeovers.note(connection)
            for statement in self.mutant.sql if self.mutant is not None else ():
                connection.execute(statement.encode())

    @property
    def wires_folder(self) -> Path:
        return self.folder / "wires"

    def _lay_wires(self) -> None:
        self.wires_folder.mkdir(mode=0o700, exist_ok=True)
        ends = {
            "database": Wire(self.wires_folder / _SOCKET, self._server.sockets / _SOCKET),
            "providers": Wire(self.plan.simulator_port, self._simulator_port),
        }
        for name, wire in ends.items():
            wire.start()
            self.wires[name] = wire

    def _simulator_options(self, faults: str) -> list[str]:
        book = make_folder(self.folder / "simulator") / "book.sqlite3"
        return [
            *("--port", str(self._simulator_port), "--data", str(book)),
            *("--webhook-url", f"{self.url}/webhooks/stripe"),
            *("--webhook-secret", self.plan.secrets["STRIPE_WEBHOOK_SECRETS"].split(",")[0]),
            *("--paypal-webhook-url", f"{self.url}/webhooks/paypal"),
            *("--seed", str(self.seed), "--faults", faults, "--hold", "2", "--later", "1"),
            *("--paypal-reporting-delay", "0"),
        ]

    def wait_until_ready(self) -> None:
        """:raises CannotStart: the site does not answer."""
        self._wait_for((self.plan.port, "/readyz"), (self._simulator_port, "/_sim/health"))

    def _wait_for(self, *doors: tuple[int, str]) -> None:
        until = time.monotonic() + READY_SECONDS
        while not all(_answers(port, path) for port, path in doors):
            if time.monotonic() > until:
                raise CannotStart(f"not ready after {READY_SECONDS} s: see {self.plan.logs}")
            time.sleep(0.1)


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
