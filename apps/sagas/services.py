"""Starting runs and moving them forward. Everybody who wants a run to move comes through here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import structlog
from django.conf import settings
from django.db import close_old_connections, connection

from apps.core import clock, db, failpoints, queue
from apps.sagas import definition, engine, selectors, store
from apps.sagas.engine import Turn
from apps.sagas.models import Run
from apps.sagas.types import OPEN, Progress

T = TypeVar("T")

log = structlog.get_logger(__name__)


def start(
    *,
    saga: str,
    book_id: UUID,
    subject_id: UUID,
    now: datetime,
    subject: Any = None,
    after: Run | None = None,
) -> Run:
    """Add a run of the newest definition of `saga` to the caller's transaction.

    With `subject` (and a `db.unit` around it) everything up to the first call is done in that very
    commit, the call's intent included: one commit fewer until somebody is answered.

    The run is leased to the caller, who moves it after the commit (`drive`, `advance_started`) or
    lets go of it (`hand_over`); if it does neither, the sweeper finds the run when the lease ends.

    `after` is the run of the same saga and subject that has ended, if there was one: the new one
    goes on where its generations stopped, so that no `op_key` is ever promised twice.

    Transaction: joins the caller's (`db.unit` or `atomic`).
    """
    assert db.is_open(), "a run starts together with its subject"
    found = definition.find(saga)
    generation = after.generation + 1 if after is not None else 1
    run = store.new(
        saga=found, book_id=book_id, subject_id=subject_id, now=now, generation=generation
    )
    if subject is None:
        store.insert(run, hold_seconds=store.LEASE_SECONDS)
        return run
    turn = Turn(run, subject=subject, until_answer=True)
    turn.begin(now)
    return turn.run


def require_last(run: Run | None, *, saga: str, book_id: UUID, subject_id: UUID) -> None:
    """Guard the caller's commit: `run` is still the newest of the subject's, or there is none.

    For whoever starts one `after` it: of one that began and ended meanwhile it knows nothing.

    :raises db.GuardFailed: (when sent) there is a newer one.
    """
    db.require(
        "NOT EXISTS (SELECT 1 FROM sagas_run WHERE book_id = %s AND saga = %s AND subject_id = %s"
        " AND (%s::uuid IS NULL OR id > %s))",
        (book_id, saga, subject_id, run and run.id, run and run.id),
        what="sagas: there is a newer run",
    )


def advance(*, run_id: UUID) -> Run | None:
    """Take a run that is due and work on it until it ends or waits.

    Retries: safe at any time and from anywhere; None means there was nothing for us to do.
    Transaction: opens its own; none may be open, since providers are called.
    """
    assert not db.is_open(), "a run is never advanced inside a transaction"
    run = store.lease(run_id=run_id, now=clock.now())
    return _work(Turn(run)) if run else None


def advance_started(run: Run, *, subject: Any, until_answer: bool = True) -> Run:
    """Work on a run just started by this process, whose lease and subject are still in hand."""
    assert not db.is_open(), "a run is never advanced inside a transaction"
    return _work(Turn(run, subject=subject, until_answer=until_answer))


def resume(
    *, run_id: UUID, now: datetime, is_ringing: bool = True, must_wait: bool = False
) -> None:
    """Nudge: make the run due and ring the bell. It carries nothing; the run asks what is true.

    Without `is_ringing` the caller drives the run itself (`drive_again`) after the commit.
    With `must_wait` only a run that nobody holds is nudged: one that is worked on right now may
    end on an answer older than the news, and the caller must come back.
    Transaction: joins the caller's.

    :raises db.GuardFailed: (when sent, with `must_wait`) somebody works on the run.
    """
    store.nudge(run_id=run_id, now=now, must_wait=must_wait)
    if is_ringing:
        ring(run_id)


def ring(run_id: UUID) -> None:
    """Ask a worker to look at the run, once the caller's transaction is committed."""
    queue.enqueue("sagas.advance", str(run_id))


def retry(*, run_id: UUID, now: datetime) -> None:
    """A person has looked at a run that needed attention: let it try again.

    Transaction: joins the caller's.
    :raises db.GuardFailed: the run does not need attention.
    """
    db.write(
        "UPDATE sagas_run SET attempts = 0, next_run_at = %s, status = "
        "CASE WHEN abort IS NULL THEN 'IN_PROGRESS' ELSE 'COMPENSATING' END "
        "WHERE id = %s AND status = 'NEEDS_ATTENTION'",
        (now, run_id),
        expect=1,
        what="sagas: the run does not need attention",
    )
    ring(run_id)


def sweep(*, limit: int = 100) -> int:
    """Find runs that are due and work on each; how many there were. No broker is needed."""
    due = selectors.list_due(now=clock.now(), limit=limit)
    for run_id in due:
        if engine.stopping.is_set():
            break
        try:
            advance(run_id=run_id)
        except Exception:  # one run that cannot be moved must not keep the others waiting
            log.exception("sweep_run_failed", run_id=str(run_id))
            connection.close()
    return len(due)


def _work(turn: Turn) -> Run:
    run = failpoints.passing(partial(_place, turn), turn.go) if failpoints.armed else turn.go()
    if run.status in OPEN and _is_due(run):
        ring(run.id)
    return run


def _place(turn: Turn) -> str:
    """Where a run stands, as failpoints name it: `charge.CAPTURE.capture`, or `charge.END`."""
    call = f".{turn.intent.call}" if turn.intent else ""
    return f"{turn.saga.name}.{turn.run.current_step or 'END'}{call}"


def _is_due(run: Run) -> bool:
    """Whether a worker should look at once: an answer point, or a nudge while we worked."""
    now = clock.now()
    if run.next_run_at is not None and run.next_run_at <= now:
        return True
    return Run.objects.filter(id=run.id, next_run_at__lte=now, lease_until=None).exists()


# --- the pool of the web process ------------------------------------------------------------------


class _Pool:
    """A bounded pool of threads that advance runs while requests wait for their answer points.

    Full means full: nothing is queued in memory, where a crash would delay it by a lease.
    """

    def __init__(self, size: int) -> None:
        self._free = threading.BoundedSemaphore(size)
        self._threads = ThreadPoolExecutor(max_workers=size, thread_name_prefix="saga")

    def submit(self, work: Callable[..., T], *facts: Any) -> Future[T] | None:
        if not self._free.acquire(blocking=False):
            return None
        try:
            future = self._threads.submit(_with_connection, work, *facts)
        except RuntimeError:  # the process is ending
            self._free.release()
            return None
        future.add_done_callback(lambda _: self._free.release())
        return future


_pool: _Pool | None = None
_pool_lock = threading.Lock()


def drive(run: Run, *, subject: Any) -> Future[Progress] | None:
    """Advance a run just started in the pool; None (and the bell is rung) if the pool is full."""
    future = _the_pool().submit(_drive, run, subject)
    if future is None:
        hand_over(run)
    return future


def drive_again(run_id: UUID) -> Future[Run | None] | None:
    """Advance a run just nudged in the pool; None (and the bell is rung) if the pool is full."""
    future = _the_pool().submit(_drive_again, run_id)
    if future is None:
        ring(run_id)
    return future


def _the_pool() -> _Pool:
    global _pool  # noqa: PLW0603  one pool a process, made when first needed (after the fork)
    with _pool_lock:
        if _pool is None:
            _pool = _Pool(settings.PAYSYS_SAGA_THREADS)
        return _pool


def hand_over(run: Run) -> None:
    """Let go of the lease of a run just started, so that a worker takes it at once."""
    with db.unit():
        store.save(run, now=clock.now(), hold_seconds=None)
    ring(run.id)


def _drive(run: Run, subject: Any) -> Progress:
    turn = Turn(run, subject=subject, until_answer=True)
    return Progress(_work(turn), turn.subject)


def _drive_again(run_id: UUID) -> Run | None:
    return advance(run_id=run_id)


def _with_connection(work: Callable[..., T], *facts: Any) -> T:
    """Run in a pool thread, which keeps its connection between pieces of work."""
    close_old_connections()
    try:
        return work(*facts)
    except Exception:
        log.exception("saga_drive_failed")
        connection.close()
        raise
    finally:
        close_old_connections()
