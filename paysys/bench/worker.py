"""A process that does what a benchmark tells it: one JSON line in, one JSON line out.

Started by `harness.Fleet` as `python -m paysys.bench.worker package.module:Class`; the class is
made once, with Django set up, and each line names one of its methods. Ends when its input ends.
"""

import json
import resource
import sys
from importlib import import_module
from typing import Any

import django


def peak_memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


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
