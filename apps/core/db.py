"""Writes that travel together: one transaction, one round trip.

A step that changes state writes several rows: the payment, the run, the event, the audit row, the
posting. Sent one by one inside `atomic()` they cost a round trip each, and BEGIN and COMMIT two
more. `unit()` collects them and sends one message, which PostgreSQL runs as one transaction.

    with db.unit():
        ledger.post(...)
        audit.record(...)          # nothing has been sent yet
    # all of it is committed, or none of it

The rule that makes this safe: *a unit's reads are optimistic, its guards decide.* Whatever a
unit's writes assume (a version, a fence, a free slot) is repeated as a guard in the same message,
either a constraint or `write(..., expect=1)`, so a stale read can make a unit fail but never make
it wrong.

Inside an open `atomic()` block a unit joins that transaction. The other way round there is no join:
an `atomic()` opened within a unit commits on its own, before the unit is sent.

Errors of SQLSTATEs that an app registered in `ERRORS` are raised as that app's own exceptions, when
the message is sent: at the end of the unit, not at the call that added the write.

What can be written once is: a row that a unit adds (`insert`) and changes afterwards (`change`) is
added as it is in the end, and the rows of a log go into one statement.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    connection,
    transaction,
)
from psycopg import ClientCursor
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus

from apps.core import failpoints
from apps.core.rows import Change, NewRow, Params, Part, Rows, Statement, written_once

# SQLSTATE -> exception built from (message, detail); filled by the apps that raise these states.
ERRORS: dict[str, Callable[[str, str], Exception]] = {}

GUARD_FAILED = "PS001"
# Serialization failure, deadlock, and a unique key that somebody else took first.
_STALE = ("40001", "40P01", "23505")
# What a server says that was demoted since the connection was made; and what it says when it ends a
# connection whose transaction rested, or lasted, for too long.
_READ_ONLY = "25006"
_AWAY = frozenset({_READ_ONLY, "25P03", "25P04"})


class GuardFailed(Exception):
    """A write found another number of rows than it expected: what was read before is stale.

    Not a `DomainError`: nothing was written, read again and try again.
    """

    def __init__(self, what: str, _detail: str = "") -> None:
        super().__init__(what)
        self.what = what


ERRORS[GUARD_FAILED] = GuardFailed


class Unit:
    """The statements of one message, in order, and what to do once they are committed."""

    def __init__(self) -> None:
        self.statements: list[Part] = []
        self.after_commit: list[Callable[[], None]] = []


_local = threading.local()


def _current() -> Unit | None:
    return getattr(_local, "unit", None)


@contextmanager
def unit() -> Iterator[None]:
    """Collect every `write` of the block and send them as one transaction at its end.

    An inner unit joins the outer one. An exception in the block sends nothing of that block, also
    when the outer one catches it and goes on.

    :raises GuardFailed: an expectation did not hold; nothing was written.
    """
    outer = _current()
    if outer is not None:
        statements, calls = len(outer.statements), len(outer.after_commit)
        try:
            yield
        except BaseException:
            del outer.statements[statements:], outer.after_commit[calls:]
            raise
        return
    opened = _local.unit = Unit()
    try:
        yield
    finally:
        _local.unit = None
    _send(opened)


def write(sql: str, params: Params = (), *, expect: int | None = None, what: str = "") -> None:
    """Add one statement to the open unit, or send it at once inside an `atomic()` block.

    `expect` is the number of rows an UPDATE, INSERT or DELETE must touch; `what` names the
    expectation in `GuardFailed`. The statement must not end in a semicolon, nor, with `expect`, in
    RETURNING.
    On a hot path `SET version = core_same(version, %s, 'what') + 1` is the cheaper guard.
    """
    _add(_statement(sql, params, expect, what))


def insert(rows: Rows, values: Mapping[str, Any]) -> None:
    """Add one row, its columns by name, `id` among them."""
    _add(NewRow(rows, values))


def change(
    rows: Rows,
    row_id: UUID,
    changes: Mapping[str, Any],
    *,
    expects: Mapping[str, Any],
    sql: str,
    params: Params,
    expect: int | None = None,
    what: str = "",
) -> None:
    """Change the row of this `id`, by the statement of `write`'s four last parameters.

    If the open unit adds the row itself, with the values that `expects` names, it is added with the
    changes instead. So `expects` repeats what the statement guards, and `changes` what it sets.
    """
    _add(Change(rows, row_id, changes, expects, lambda: _statement(sql, params, expect, what)))


def _statement(sql: str, params: Params, expect: int | None, what: str) -> Statement:
    if expect is None:
        return Statement(sql, params)
    guard = "SELECT core_require((SELECT count(*) FROM w) = %s, %s)"
    return Statement(f"WITH w AS ({sql} RETURNING 1) {guard}", (*params, expect, what))


def _add(statement: Part) -> None:
    current = _current()
    if current is not None:
        current.statements.append(statement)
        return
    assert connection.in_atomic_block, "a write needs a transaction: db.unit() or atomic()"
    _execute([statement])


def require(condition_sql: str, params: Params = (), *, what: str) -> None:
    """Add a guard: the boolean SQL expression must hold when the unit is sent.

    :raises GuardFailed: it does not; nothing of the unit was written.
    """
    write(f"SELECT core_require(({condition_sql}), %s)", (*params, what))


def on_commit(call: Callable[[], None]) -> None:
    """Run `call` once the open unit (or transaction) is committed, and not at all if it is not.

    What `call` raises is logged, never passed on: the commit stands, and its caller must hear so.
    """
    current = _current()
    if current is not None:
        current.after_commit.append(call)
    else:
        _call_after_commit(call)


def is_open() -> bool:
    """Whether a write would join a transaction here."""
    return _current() is not None or connection.in_atomic_block


def _send(finished: Unit) -> None:
    if finished.statements:
        if failpoints.armed:
            failpoints.reach("before_commit")
        _execute(finished.statements)
        if failpoints.armed:
            failpoints.reach("after_commit")
    for call in finished.after_commit:
        _call_after_commit(call)


def _call_after_commit(call: Callable[[], None]) -> None:
    """Django logs what fails by its `__qualname__`, which a `partial` has not: so it gets one."""

    def call_after_commit() -> None:
        call()

    transaction.on_commit(call_after_commit, robust=True)


def _execute(statements: Sequence[Part]) -> None:
    """Send one message. Parameters are always bound, so `%` is written `%%` in every statement.

    They are bound statement by statement: the driver remembers how a statement is taken apart, but
    not for the long and ever different text of a whole unit.
    """
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    driver = connection.connection
    bind = _binder(driver)
    message = ";\n".join([statement.bound(bind) for statement in written_once(statements)])
    with translated():
        if driver.autocommit and not connection.execute_wrappers and not connection.queries_logged:
            _send_directly(driver, message)
        else:
            with connection.cursor() as cursor:
                cursor.execute(message)


def _binder(driver: Any) -> Callable[[str, list[Any]], str]:
    """What binds parameters on this connection, made once and kept on it."""
    found = getattr(driver, "paysys_bind", None)
    if found is None:
        found = driver.paysys_bind = ClientCursor(driver).mogrify
    return found


def _send_directly(driver: Any, message: str) -> None:
    """Send a message through libpq itself, where nobody watches and no transaction is open.

    A cursor's way through Django and the driver is a third of all the Python of a small unit, and a
    fifth of what a process spends on a posting. Errors are raised as a cursor raises them.
    """
    with connection.wrap_database_errors, driver.lock:
        result = driver.pgconn.exec_(message.encode())
        if result.status in {ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK}:
            return
        # Without a state it is libpq that says so, and not the server: the connection is lost.
        is_lost = result.error_field(DiagnosticField.SQLSTATE) is None
        if is_lost or driver.pgconn.status == ConnStatus.BAD:
            raise psycopg.OperationalError(driver.pgconn.get_error_message())
        raise psycopg.errors.error_from_result(result)


@contextmanager
def translated() -> Iterator[None]:
    """Turn database errors of registered SQLSTATEs into the exceptions of their own app."""
    try:
        yield
    except DatabaseError as error:
        cause = error.__cause__
        build = ERRORS.get(getattr(cause, "sqlstate", None) or "")
        if build is None:
            raise
        diag = cause.diag  # type: ignore[union-attr]
        raise build(diag.message_primary or "", diag.message_detail or "") from error


def is_stale(error: Exception) -> bool:
    """Whether a commit failed for what others committed meanwhile: all of it may be tried again."""
    if isinstance(error, GuardFailed):
        return True
    return _state(error) in _STALE


def is_away(error: BaseException) -> bool:
    """Whether an error says that the database could not be asked, or is not the one that writes."""
    return isinstance(error, OperationalError | InterfaceError) or _state(error) in _AWAY


def let_go(error: BaseException) -> None:
    """Let go of a connection that is of no use after this error; the next statement opens another.

    Inside of an open transaction it stays, until whoever opened that has ended it.
    """
    if _state(error) == _READ_ONLY and not connection.in_atomic_block:
        connection.close()
    connection.close_if_unusable_or_obsolete()


def _state(error: BaseException) -> str | None:
    return getattr(error.__cause__, "sqlstate", None)


def append_only_sql(table: str) -> list[tuple[str, str]]:
    """The triggers that make a table append-only, as (sql, reverse) pairs for `RunSQL`.

    Grants follow from them: `manage.py grant` gives the application's role no UPDATE, DELETE or
    TRUNCATE on a table that carries these triggers.
    """
    return [
        (
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION core_refuse_change()",
            f"DROP TRIGGER {table}_append_only ON {table}",
        ),
        (
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change()",
            f"DROP TRIGGER {table}_no_truncate ON {table}",
        ),
    ]
