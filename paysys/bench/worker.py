"""A process that does what a benchmark tells it: one JSON line in, one JSON line out.

Started by `harness.Fleet` as `python -m paysys.bench.worker package.module:Class`; the class is
made once, with Django set up, and each line names one of its methods. Ends when its input ends.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import django

from paysys.bench.harness import percentiles


def peak_memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Measured:
    """What is done again and again on Django's own connection, and what that takes."""

    def __init__(self) -> None:
        from django.db import connection

        self.connection = connection
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            self.backend = cursor.fetchone()[0]

    def timed(self, seconds: float, one: Callable[[], int]) -> dict[str, Any]:
        """Call again and again; count, wall, both sides' CPU, and each call's latency."""
        latencies = []
        count = 0
        server, client = self.server_cpu(), time.process_time()
        begun = last = time.perf_counter()
        while last - begun < seconds:
            count += one()
            now = time.perf_counter()
            latencies.append((now - last) * 1000)
            last = now
        return {
            "per_second": count / (last - begun),
            "client_cpu_us": (time.process_time() - client) / count * 1e6,
            "server_cpu_us": (self.server_cpu() - server) / count * 1e6,
            **percentiles(latencies, 50, 95, 99),
        }

    def read_times(self, count: int, read: Callable[[], object]) -> dict[str, float]:
        """Read so often: milliseconds of a read, Django's part included."""
        taken = []
        for _ in range(count):
            begun = time.perf_counter()
            read()
            taken.append((time.perf_counter() - begun) * 1000)
        return percentiles(taken, 50, 99)

    def server_cpu(self) -> float:
        """Seconds of CPU our backend has used, as the kernel counts them (Linux)."""
        try:
            fields = Path(f"/proc/{self.backend}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / 100

    def peak_memory(self) -> float:
        return peak_memory_mb()


def main() -> None:
    module, _, name = sys.argv[1].partition(":")
    django.setup()
    made = getattr(import_module(module), name)()
    for line in sys.stdin:
        order = json.loads(line)
        answer: Any = getattr(made, order["call"])(**order["options"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
