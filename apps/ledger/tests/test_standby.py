"""A commit that waits for its standby: it is written, it is not visible, and no timeout reaches it.

It needs a server of its own, since a standby that never answers would hold up every other test.
"""

import os
import shutil
import subprocess
import sys
from threading import Thread

import psycopg
import pytest

from apps.core.ids import new_id
from apps.ledger.services import checkpoints
from apps.ledger.tests.books import until_true
from paysys.embedded import postgres
from paysys.embedded.folder import CHECKOUT, data_folder, make_folder

# As tests run it, but able to wait for a standby, and with one from its start. A commit asks the
# server's shared memory whether there is one, and only the checkpointer writes there, when it gets
# round to a new setting: no session could know that one set later is in force.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "local",
    "synchronous_standby_names": "ghost",
    "wal_level": "replica",
    "max_wal_senders": "2",
}
POST = (
    "SELECT ledger_post(uuidv7(), %s, %s, 'test', now(), '',"
    " '{merchant:pending,payment:unallocated}', '{EUR,EUR}', '{-10,10}')"
)
READ = (
    "SELECT ledger_balance(%(book)s, 'merchant:pending', 'EUR'), (SELECT -sum(entry_type * amount)"
    " FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id"
    " WHERE a.book_id = %(book)s AND a.code = 'merchant:pending')"
)
EVERYONE = {"margin": 0, "window": 86_400, "least": 1}


@pytest.fixture(scope="module")
def server():
    folder = make_folder(data_folder()) / f"standby-{os.getpid()}"
    running = postgres.start(folder, settings=SETTINGS)
    try:
        environment = {**os.environ, "DATABASE_URL": running.url(postgres.OWNER)}
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, cwd=CHECKOUT, env=environment, check=True, timeout=120)
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def session(server):
    """Sessions by name, which do not wait for a standby unless they say so."""
    opened = []

    def open_session(commit="local"):
        made = psycopg.connect(server.url(postgres.OWNER), autocommit=True)
        made.execute(f"SET synchronous_commit = {commit}")
        opened.append(made)
        return made

    yield open_session
    for connection in opened:
        connection.close()


class TestWaitingForAStandby:
    def test_a_checkpoint_waits_for_it_too(self, server, session):
        here, waits, book = session(), session("on"), new_id()
        here.execute(POST, [book, "first"])
        commits = Thread(target=lambda: waits.execute(POST, [book, "waiting"]))
        commits.start()
        try:
            stuck = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            until_true(lambda: here.execute(stuck).fetchone())
            here.execute(POST, [book, "later"])
            here.execute(checkpoints._TAKE_HORIZON)
            taken = here.execute(checkpoints._TAKE_CHECKPOINTS, EVERYONE).rowcount
            assert (taken, here.execute(READ, {"book": book}).fetchone()) == (0, (20, 20))
        finally:
            # Whoever stops waiting has committed all the same.
            here.execute("SELECT pg_cancel_backend(%s)", [waits.info.backend_pid])
            commits.join(30)

        assert here.execute(READ, {"book": book}).fetchone() == (30, 30)
        here.execute(checkpoints._TAKE_HORIZON)
        until_true(lambda: here.execute(checkpoints._TAKE_CHECKPOINTS, EVERYONE).rowcount)
        assert here.execute(READ, {"book": book}).fetchone() == (30, 30)
        here.execute(POST, [book, "last"])
        assert here.execute(READ, {"book": book}).fetchone() == (40, 40)
