"""gunicorn's settings: `gunicorn -c python:paysys.gunicorn paysys.wsgi`."""

import os
import signal
from typing import Any

bind = os.environ.get("PAYSYS_BIND", "127.0.0.1:8000")
worker_class = "gthread"
workers = int(os.environ.get("WEB_WORKERS", "2"))
threads = int(os.environ.get("WEB_THREADS", "8"))
# Requests that are being answered at a stop get this long; their runs go on elsewhere.
graceful_timeout = 3
timeout = 30
keepalive = 5
# A heartbeat file on a disk blocks the worker when the disk does.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108
# Its default is a socket in the home folder, shared by every copy of every project.
control_socket_disable = True
accesslog = None
errorlog = "-"


def post_worker_init(_worker: Any) -> None:
    """From SIGTERM on, runs are handed over to a worker at their next commit."""
    from apps.sagas import engine

    before: Any = signal.getsignal(signal.SIGTERM)

    def stop(number: int, frame: Any) -> None:
        engine.stopping.set()
        before(number, frame)

    signal.signal(signal.SIGTERM, stop)
