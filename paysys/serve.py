"""The long-running processes by name: `python -m paysys.serve web | worker | beat`.

`make run` and the container image start the very same commands. Any other word goes to `manage.py`;
`migrate` and `grant` as the owner of the tables, for whom alone DATABASE_OWNER_URL is meant.
"""

import os
import sys

WORKER_PROCESSES = "4"  # they wait for the disk and for providers more than they compute


def command(role: str, *, schedule: str = "/tmp/beat-schedule") -> list[str]:  # noqa: S108
    """The command line of a role. `schedule` is the file in which beat keeps what it has rung."""
    celery = [sys.executable, "-m", "celery", "-A", "paysys"]
    if role == "web":
        gunicorn = [sys.executable, "-m", "gunicorn"]
        return [*gunicorn, "-c", "python:paysys.gunicorn", "paysys.wsgi:application"]
    if role == "worker":
        processes = os.environ.get("WORKER_PROCESSES", WORKER_PROCESSES)
        # It asks no other worker anything.
        return [*celery, "worker", "-c", processes, "--without-mingle", "--without-gossip"]
    if role == "beat":
        return [*celery, "beat", "-s", schedule, "--pidfile="]
    return [sys.executable, "manage.py", role]


def environment(role: str, given: dict[str, str]) -> dict[str, str]:
    changed = dict(given)
    if role == "worker":
        # SIGTERM gives running tasks a few seconds and then hands them back to the queue.
        changed["REMAP_SIGTERM"] = "SIGQUIT"
    if role in ("migrate", "grant") and given.get("DATABASE_OWNER_URL"):
        changed["DATABASE_URL"] = given["DATABASE_OWNER_URL"]
    return changed


def main(arguments: list[str]) -> None:
    role, *rest = arguments or ["web"]
    line = [*command(role), *rest]
    os.execvpe(line[0], line, environment(role, dict(os.environ)))  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
