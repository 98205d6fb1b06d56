"""The test suite's house: a real PostgreSQL, secrets, and a quick way to empty the tables.

Loaded by `-p` from pytest.ini, so that all of it stands before Django reads its settings: a hook
would be too late. Each worker of pytest-xdist has a server of its own, not only a database: what
waits for older transactions (a checkpoint, an index built concurrently) waits for those of every
database of a server, and would meet the other workers' tests.
"""

import atexit
import base64
import fcntl
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from paysys.embedded import postgres
from paysys.embedded.folder import data_folder, make_folder
from paysys.testing.tables import empty

pytest_plugins = ["paysys.testing.simulator"]
# Here, before anybody imports them: tests of other folders do too.
pytest.register_assert_rewrite("apps.payments.tests.truth", "apps.payments.tests.objections")

SECRETS = {
    "PAYSYS_MODE": "test",
    "PAYSYS_QUEUE": "record",
    "PAYSYS_CIRCUIT_CALLS": "0",  # many tests are all about failing calls
    "PAYSYS_ANSWER_SECONDS": "20",  # a busy machine is not what is tested
    "SECRET_KEY": "a-key-of-the-tests-which-protects-nothing-at-all",
    "PAYSYS_KEY_PEPPER": "a-pepper-of-the-tests-which-protects-nothing",
    "PAYSYS_FIELD_KEYS": ",".join(
        f"{name}:{base64.b64encode(letter * 32).decode()}"
        for name, letter in (("k2", b"2"), ("k1", b"1"))
    ),
    # Nothing listens there: a test that needs the broker or a provider says so and starts one.
    "REDIS_URL": "redis://127.0.0.1:1/0",
}
EMBEDDED = "PAYSYS_TEST_SERVER"  # set when DATABASE_URL is this plugin's doing


def _lock_a_folder() -> Path:
    """The first free test folder of this checkout, ours until this process ends.

    Two suites at once get one each.
    """
    number = 1
    while True:
        folder = make_folder(data_folder() / ("test" if number == 1 else f"test-{number}"))
        lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR)  # closed by the kernel, at our end
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            number += 1
        else:
            return folder


def _start_server() -> postgres.Server:
    server = postgres.start(_lock_a_folder(), settings=postgres.TEST_SETTINGS)
    atexit.register(server.stop)
    os.environ["DATABASE_URL"] = os.environ["DATABASE_OWNER_URL"] = server.url(postgres.OWNER)
    os.environ[EMBEDDED] = "1"
    return server


def _needs_server() -> bool:
    """A DATABASE_URL from outside is used by all; the first worker shares the controller's."""
    if not os.environ.get("DATABASE_URL"):
        return True
    return EMBEDDED in os.environ and os.environ.get("PYTEST_XDIST_WORKER", "gw0") != "gw0"


os.environ.update(SECRETS)
os.environ["PAYSYS_CONN_MAX_AGE"] = "0"  # a connection left open keeps the test database alive
os.environ["STATIC_ROOT"] = str(make_folder(data_folder() / "test" / "static"))
_server = _start_server() if _needs_server() else None


def pytest_unconfigure() -> None:
    """A worker of pytest-xdist ends without running what waits for the interpreter's end."""
    if _server is not None:
        _server.stop()


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Replace the flush after a `transaction=True` test, and what is slow on purpose.

    Django's TRUNCATE meets the triggers of append-only tables, and takes a lock and a new file per
    table. Here the session stops triggers and foreign keys for one transaction (a superuser may)
    and deletes the rows of the tables that have any.
    """
    from django.conf import settings
    from django.db import connections
    from django.test import TransactionTestCase

    def empty_tables(self: Any) -> None:
        for alias in self._databases_names(include_mirrors=False):
            empty(connections[alias])

    # No test fails because the machine is busy: neither an example's time nor that of drawing it.
    hypothesis.settings.register_profile(
        "paysys", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("paysys")

    # A password's hash takes a quarter of a second by design; nobody attacks a test's.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    TransactionTestCase._fixture_teardown = empty_tables  # type: ignore[attr-defined]
    # A session plans much once: it goes on with the next test, as it does for a worker's next task.
    TransactionTestCase._should_reload_connections = lambda _: False  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> None:
    """What holds for everybody and is remembered for seconds would outlive the test's rows."""
    from apps.gateways.selectors import health, routing

    routing.rules.forget_all()
    health.circuits.forget_all()


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Make every text of a report one that a worker can send.

    Tests of bad input log lone surrogates, which have no place in UTF-8: without this, one such
    line in a test's captured output ends the whole run.
    """
    return _sendable((yield))


def _sendable(part: Any) -> Any:
    if isinstance(part, str):
        return part if part.isascii() else part.encode(errors="backslashreplace").decode()
    if isinstance(part, dict):
        return {_sendable(key): _sendable(value) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return type(part)(map(_sendable, part))
    return part
