"""The processes of the whole system: started in order, watched, stopped within five seconds."""

import hashlib
import http.client
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from paysys import serve
from paysys.embedded import postgres, processes, redis
from paysys.embedded.folder import CHECKOUT, make_folder

from .plan import CannotStart, Plan
from .register import Register

READY_SECONDS = 60
STEP_SECONDS = 300
# Web and worker end their work first, then what they work with; together below five seconds.
GRACE_SECONDS = 2.8
SERVICES_GRACE_SECONDS = 0.5


class Stopped(Exception):
    """Somebody asked us to stop."""


class Stack:
    def __init__(self, plan: Plan, register: Register, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._register = register
        self._say = say
        self._stopping = False
        self._make, self._make_listens = 0, False
        self._database: postgres.Server | None = None
        self._redis: redis.Server | None = None
        self._steps: list[processes.Child] = []
        self._workers: dict[str, processes.Child] = {}
        self._simulator: processes.Child | None = None
        self.environment: dict[str, str] = {}

    # --- the life of it

    def listen_for_signals(self) -> None:
        for sig in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sig, self._on_signal)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as under nohup
            signal.signal(signal.SIGHUP, self._on_signal)
        self._make = os.getppid()
        self._make_listens = processes.catches_interrupt(self._make)

    def start(self) -> None:
        """Start everything and return when the site is ready.

        :raises CannotStart: something did not come up; the message ends with its log.
        :raises Stopped: somebody asked meanwhile.
        """
        for log in self._plan.logs.glob("*.log"):
            log.replace(log.with_suffix(".log.1"))  # of the start before, kept once
        self._start_services()
        self._start_ours()
        self._wait_until_ready()

    def watch(self) -> None:
        """Return never: ends when somebody asks us to stop, or when a process ended by itself.

        :raises Stopped: somebody asked.
        :raises CannotStart: a process ended that should not.
        """
        while True:
            self._pause(0.1)

    def stop(self) -> None:
        """End everything that was started, in at most five seconds, and leave no process."""
        self._stopping = True
        _end_together([*self._steps, *self._workers.values()], GRACE_SECONDS)
        last = [child for child in (self._simulator,) if child is not None]
        if self._redis is not None:
            last.append(self._redis.child)
        _end_together(last, SERVICES_GRACE_SECONDS)
        if self._database is not None:
            self._database.stop(seconds=SERVICES_GRACE_SECONDS)
        self._register.clear()

    # --- starting

    def _start_services(self) -> None:
        given = os.environ.get("DATABASE_URL")
        if given:
            owner, database = os.environ.get("DATABASE_OWNER_URL") or given, given
            self._say("PostgreSQL: the one of DATABASE_URL")
        else:
            self._database = postgres.start(self._plan.data / "postgres")
            self._register.add("postgres", self._database.child.pid)
            owner, database = self._database.url(postgres.OWNER), self._database.url(postgres.APP)
            self._say("PostgreSQL 18: embedded")
        self._pause(0)
        redis_url = os.environ.get("REDIS_URL")
        if not redis_url:
            self._redis = redis.start(
                make_folder(self._plan.data / "redis"),
                password=self._plan.secrets["redis_password"],
            )
            self._register.add("redis", self._redis.child.pid)
            redis_url = self._redis.url
            self._say("Redis: embedded")
        self.environment = self._plan.environment(database=database, owner=owner, redis=redis_url)

    def _start_ours(self) -> None:
        """Tables and static files, while the simulator starts; the demo, while the rest does."""
        manage = (sys.executable, str(CHECKOUT / "manage.py"))
        self._simulator = self._spawn(
            "simulator", [*manage, "simulator", *self._simulator_options()]
        )
        stamp_file, stamp = self._plan.data / "static" / ".stamp", _static_stamp()
        static = None
        if not stamp_file.exists() or stamp_file.read_text() != stamp:
            collect = [*manage, "collectstatic", "--noinput", "-v", "0"]
            static = self._step("static files", collect)
        migrate = self._step("migrate", [*manage, "migrate", "--noinput", "-v", "0"])
        self._finish("migrate", migrate)
        if static is not None:
            # Before the web process starts: it looks once what files there are.
            self._finish("static files", static)
            stamp_file.write_text(stamp)
        facts = self._plan.data / "seed.json"
        demo = self._step("demo", [*manage, "demo", "--facts", str(facts), "--transfers"])
        schedule = str(self._plan.data / "beat-schedule")
        for role in ("web", "worker", "beat"):
            self._workers[role] = self._spawn(role, serve.command(role, schedule=schedule))
        self._finish("demo", demo)

    def _simulator_options(self) -> list[str]:
        plan = self._plan
        folder = make_folder(plan.data / "simulator")
        return [
            *("--port", str(plan.simulator_port), "--data", str(folder / "book.sqlite3")),
            *("--webhook-url", f"{plan.web_url}/webhooks/stripe"),
            *("--webhook-secret", plan.secrets["STRIPE_WEBHOOK_SECRETS"].split(",")[0]),
            *("--paypal-webhook-url", f"{plan.web_url}/webhooks/paypal"),
        ]

    def _wait_until_ready(self) -> None:
        until = time.monotonic() + READY_SECONDS
        while not (self._is_ready() and self._simulator_answers()):
            if time.monotonic() > until:
                raise CannotStart(f"not ready after {READY_SECONDS} s{self._tail('web')}")
            self._pause(0.05)

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._plan.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _simulator_answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._plan.simulator_port), 1).close()
        except OSError:
            return False
        return True

    # --- processes

    def _spawn(self, name: str, command: Sequence[str | Path]) -> processes.Child:
        env = serve.environment(name, {**os.environ, **self.environment})
        env.update(PYTHONUNBUFFERED="1", PAYSYS_BIND=f"127.0.0.1:{self._plan.port}")
        # Should we be killed, they are too: to hand its tasks back, a worker would wait for a
        # Redis that ends at this same moment. Their own children end when they miss them.
        child = processes.spawn(
            command, log=self._log(name), env=env, dies_with_parent=signal.SIGKILL
        )
        self._register.add(name, child.pid)
        return child

    def _step(self, name: str, command: Sequence[str | Path]) -> processes.Child:
        child = self._spawn(name, command)
        self._steps.append(child)
        return child

    def _finish(self, name: str, child: processes.Child) -> None:
        until = time.monotonic() + STEP_SECONDS
        while child.poll() is None:
            if time.monotonic() > until:
                raise CannotStart(f"{name}: not done after {STEP_SECONDS} s{self._tail(name)}")
            self._pause(0.02)
        self._steps.remove(child)
        if child.returncode:
            raise CannotStart(f"{name}: failed{self._tail(name)}")
        self._say(f"{name}: ready")

    def _pause(self, seconds: float) -> None:
        """Wait, and notice what happened meanwhile.

        :raises Stopped: somebody asked us to stop.
        :raises CannotStart: a process ended that should not.
        """
        time.sleep(seconds)
        make_was_interrupted = self._make_listens and not processes.catches_interrupt(self._make)
        if self._stopping or make_was_interrupted:
            raise Stopped
        running = {"simulator": self._simulator, **self._workers}
        if self._database is not None:
            running["postgres"] = self._database.child
        if self._redis is not None:
            running["redis"] = self._redis.child
        for name, child in running.items():
            if child is not None and child.poll() is not None:
                raise CannotStart(f"{name} ended by itself{self._tail(name)}")

    def _log(self, name: str) -> Path:
        own = {"postgres": "postgres/postgres.log", "redis": "redis/redis.log"}
        relative = own.get(name) or f"logs/{name.replace(' ', '-')}.log"
        return self._plan.data / relative

    def _tail(self, name: str) -> str:
        log = self._log(name)
        text = log.read_text(errors="replace")[-2000:] if log.exists() else ""
        return f" ({log})\n{text}"

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True


def _static_stamp() -> str:
    """What the collected static files depend on: the packages, and our own folder."""
    parts = [(CHECKOUT / "requirements.txt").read_text(), str(CHECKOUT)]
    for top, _, names in sorted(os.walk(CHECKOUT / "static")):
        for name in sorted(names):
            found = Path(top, name).stat()
            parts.append(f"{top}/{name} {found.st_size} {found.st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _end_together(children: list[processes.Child], seconds: float) -> None:
    """SIGTERM to all at once, one common wait, then SIGKILL to the groups of those still there."""
    alive = [child for child in children if child.poll() is None]
    for child in alive:
        child.terminate()
    until = time.monotonic() + seconds
    while any(child.poll() is None for child in alive) and time.monotonic() < until:
        time.sleep(0.02)
    for child in children:
        # The leader may be gone and a member of its group still there.
        processes.kill_group(child.pid)
        child.wait()
