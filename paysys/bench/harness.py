"""What every benchmark needs: a server of its own, workers, interleaved rounds, a table, a file."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, TextIO

import psutil
import psycopg
from tqdm import tqdm

from paysys.embedded import postgres
from paysys.embedded.folder import CHECKOUT, data_folder, make_folder

# A server as one runs it, not as one tests with it: nothing acknowledged may be lost.
PRODUCTION: Mapping[str, str] = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
}
TPCB_SCALE = 20
TPCB = "tpcb"
# So many CPUs in others' hands are no disturbance; beyond, a slot is measured so often at most.
QUIET = 0.2
ATTEMPTS = 2

Numbers = dict[str, list[float]]


class BenchFailed(Exception):
    """A part of the benchmark did not run; the message holds what it printed."""


@dataclass(frozen=True)
class Bench:
    """A running server with a migrated database, and where its programs are."""

    server: postgres.Server
    programs: Path

    def environment(self, role: str) -> dict[str, str]:
        """Django's environment for a process that works here as this role."""
        return {
            **os.environ,
            "PAYSYS_MODE": "test",
            "DJANGO_SETTINGS_MODULE": "paysys.settings",
            "DATABASE_URL": self.server.url(role),
            "SECRET_KEY": secrets.token_hex(32),
            "PAYSYS_KEY_PEPPER": secrets.token_hex(32),
            "REDIS_URL": "redis://127.0.0.1:1/0",  # nobody is there, nobody is asked
        }

    def pgbench(self, *words: str) -> str:
        """Run pgbench and hand back what it printed."""
        command = [self.programs / "pgbench", "-h", self.server.sockets, "-U", postgres.OWNER]
        done = subprocess.run(  # noqa: S603
            [*map(str, command), *words], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise BenchFailed(done.stderr[-1500:])
        return done.stdout

    def analyze(self) -> None:
        """As autovacuum would before long: plans made on empty tables stay in their sessions."""
        url = self.server.url(postgres.OWNER)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")

    def make_tpcb(self) -> None:
        with psycopg.connect(
            self.server.url(postgres.OWNER, "postgres"), autocommit=True
        ) as connection:
            connection.execute(f"CREATE DATABASE {TPCB}")
        self.pgbench("-i", "-q", "-s", str(TPCB_SCALE), TPCB)

    def tpcb(self, clients: int, seconds: float) -> float:
        """Transactions a second of pgbench's TPC-B, prepared: the yardstick."""
        return self.scripted("-M", "prepared", TPCB, clients=clients, seconds=seconds)

    def scripted(self, *words: str, clients: int, seconds: float) -> float:
        jobs = min(clients, os.cpu_count() or 1)
        timing = ["-n", "-c", str(clients), "-j", str(jobs), "-T", str(max(1, round(seconds)))]
        found = re.search(r"tps = ([\d.]+)", self.pgbench(*timing, *words))
        assert found is not None, "pgbench prints its tps"
        return float(found[1])


@contextmanager
def started(name: str, *, settings: Mapping[str, str] = PRODUCTION) -> Iterator[Bench]:
    """A server of its own in an empty folder, migrated and granted; gone without a trace after."""
    folder = make_folder(data_folder()) / f"bench-{name}-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        server = postgres.start(folder, settings=settings)
        try:
            bench = Bench(server, Path(str(server.child.args[0])).parent)  # type: ignore[index]
            manage(bench.environment(postgres.OWNER), "migrate", "--verbosity", "0")
            yield bench
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def manage(environment: Mapping[str, str], *words: str) -> None:
    """Run a management command in a process of its own."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "manage.py", *words],
        cwd=CHECKOUT,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchFailed(f"{' '.join(words)}: {done.stderr[-1500:]}")


class Fleet:
    """So many worker processes (`worker.py`) that all do the same at the same time."""

    def __init__(self, target: str, count: int, environment: Mapping[str, str]) -> None:
        self.children = [
            subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "paysys.bench.worker", target],
                cwd=CHECKOUT,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(count)
        ]

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self.children:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.close()
            child.stdout.close()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def call(self, name: str, **options: Any) -> list[Any]:
        """Have every worker call this method, all at once, and wait for all their answers."""
        order = json.dumps({"call": name, "options": options}) + "\n"
        for child in self.children:
            assert child.stdin is not None
            child.stdin.write(order)
            child.stdin.flush()
        answers = []
        for child in self.children:
            assert child.stdout is not None
            line = child.stdout.readline()
            if not line:
                raise BenchFailed(f"a worker ended with {child.wait()} in {name}")
            answers.append(json.loads(line))
        return answers


def fleets(
    stack: ExitStack, target: str, counts: Sequence[int], environment: Mapping[str, str]
) -> dict[int, Fleet]:
    """A fleet of each size, ended with the stack. Idle ones cost memory and no time."""
    return {count: stack.enter_context(Fleet(target, count, environment)) for count in counts}


def interleaved(
    rounds: int, cases: Mapping[str, Callable[[], Mapping[str, float]]], *, out: TextIO
) -> dict[str, Numbers]:
    """Run every case in every round, so that a slow moment of the machine meets all of them.

    The first round warms caches and plans and is not counted. A slot that others disturbed is tried
    once more, and the quieter attempt counts; how much they took is kept beside it (`strangers`).
    """
    measured: dict[str, Numbers] = {name: {} for name in cases}
    total = (rounds + 1) * len(cases)
    with tqdm(total=total, file=out, unit="slot", leave=False, dynamic_ncols=True) as bar:
        for number in range(rounds + 1):
            for name, case in cases.items():
                bar.set_description(f"{'warm-up' if number == 0 else f'round {number}'}: {name}")
                found = undisturbed(case) if number else case()
                if number:
                    for key, value in found.items():
                        measured[name].setdefault(key, []).append(value)
                bar.update()
    return measured


def undisturbed(case: Callable[[], Mapping[str, float]]) -> Mapping[str, float]:
    """Run the case, again if others were at work; its figures with `strangers`, their CPUs."""
    attempts: list[dict[str, float]] = []
    while len(attempts) < ATTEMPTS:
        before, began = strangers_cpu(), time.monotonic()
        found = case()
        disturbed = max(0.0, strangers_cpu() - before) / (time.monotonic() - began)
        attempts.append({**found, "strangers": disturbed})
        if disturbed <= QUIET:
            break
    return min(attempts, key=lambda attempt: attempt["strangers"])


def strangers_cpu() -> float:
    """Seconds of CPU that others have used on this machine, or were given by its host (Linux)."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    except FileNotFoundError:
        return 0.0
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, fields)
    of_all = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    ours = 0.0
    me = psutil.Process()
    for member in (me, *me.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            ours += sum(member.cpu_times()[:4])  # with those of its ended children
    return of_all - ours


def together(answers: list[dict[str, Any]]) -> Mapping[str, float]:
    """What a fleet did: rates add up, the rest is the workers' median."""
    return {
        key: sum(answer[key] for answer in answers)
        if key == "per_second"
        else median(answer[key] for answer in answers)
        for key in answers[0]
    }


def ratio(ours: Sequence[float], yardstick: Sequence[float]) -> float:
    """The median, over rounds, of ours by the yardstick of the same round."""
    return median(one / other for one, other in zip(ours, yardstick, strict=True))


def quiet_rounds(*cases: Numbers) -> list[int]:
    """The rounds in which nobody disturbed any of these cases; all of them if there is none."""
    count = len(cases[0]["strangers"])
    quiet = [n for n in range(count) if all(case["strangers"][n] <= QUIET for case in cases)]
    return quiet or list(range(count))


def quiet_ratio(ours: Numbers, yardstick: Numbers) -> float:
    """As `ratio` of what they did a second, over the rounds in which both were left alone."""
    rounds = quiet_rounds(ours, yardstick)
    return ratio(
        [ours["per_second"][n] for n in rounds], [yardstick["per_second"][n] for n in rounds]
    )


def quiet_median(case: Numbers, key: str) -> float:
    """The median of a figure over the rounds in which the case was left alone."""
    return median(case[key][n] for n in quiet_rounds(case))


def percentiles(values: Sequence[float], *points: float) -> dict[str, float]:
    """`percentiles(latencies, 50, 99)` is {"p50": …, "p99": …}, nearest rank."""
    ordered = sorted(values)
    last = len(ordered) - 1
    return {f"p{point:g}": ordered[min(last, round(last * point / 100))] for point in points}


def write_json(path: Path, results: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=2) + "\n")


@dataclass(frozen=True)
class Row:
    """A figure, the floor or ceiling it should keep, and whether more is better."""

    what: str
    value: float
    unit: str = ""
    floor: float | None = None
    ceiling: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.floor is not None:
            return f"≥ {self.floor:g}  {'ok' if self.value >= self.floor else 'MISSED'}"
        if self.ceiling is not None:
            return f"≤ {self.ceiling:g}  {'ok' if self.value <= self.ceiling else 'MISSED'}"
        return ""


def figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def table(title: str, rows: Sequence[Row]) -> str:
    """The rows as text in columns."""
    cells = [(row.what, figure(row.value), row.unit, row.verdict, row.note) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(5)]
    lines = [
        f"  {what:<{widths[0]}}  {value:>{widths[1]}} {unit:<{widths[2]}}  "
        f"{verdict:<{widths[3]}}  {note}".rstrip()
        for what, value, unit, verdict, note in cells
    ]
    rule = "─" * max(map(len, lines))
    return "\n".join([f"  {title}", f"  {rule[2:]}", *lines])
