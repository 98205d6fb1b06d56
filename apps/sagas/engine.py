"""One turn of one run: from taking the lease until there is nothing to do at once.

A turn alternates between two things: a *commit*, in which the answer of the last call is recorded
and every step that needs nobody outside is done, down to the intent of the next call; and that
call itself, made with no transaction open. Every commit is one `db.unit()`.

Three things can go wrong in a commit, and each has one answer:
a guard failed (what we read is stale): read again, and stop if the lease is no longer ours;
a `DomainError` (the business says no): undo from right to left;
anything else (a bug, the database away): nobody knows, so retry later, and never undo.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

import structlog
from django.db import DatabaseError, transaction

from apps.core import clock, db
from apps.core.errors import DomainError
from apps.sagas import patience, selectors, store
from apps.sagas.definition import (
    Abort,
    Call,
    Context,
    Intent,
    Local,
    Observation,
    Outcome,
    Ready,
    Remote,
    Saga,
    Step,
    Wait,
    find,
)
from apps.sagas.models import Run
from apps.sagas.types import OPEN, Status

log = structlog.get_logger(__name__)

SAFETY_SECONDS = 5.0  # decision 25

# Set when the process is asked to stop: turns end at their next commit and hand their runs over.
stopping = threading.Event()


class _Next(Enum):
    CALL = auto()  # an intent is committed: make the call
    COMMIT = auto()  # there is more to do inside
    PAUSE = auto()  # the lease is let go


class Turn:
    """The work on one leased run; see the module's own words."""

    def __init__(self, run: Run, *, subject: Any = None, until_answer: bool = False) -> None:
        self.run = run
        self.saga: Saga = find(run.saga, run.definition_version)
        self.until_answer = until_answer
        self.subject = subject
        self.fresh = subject is not None and not run.is_refused
        self.intent: Intent | None = run.opening
        self.careful = False  # one step a commit, so that an error is known to be that step's
        self.called = False
        self.answered = ""  # the call whose answer this turn brought
        self.observed: Observation | None = None  # that answer

    def begin(self, now: datetime) -> None:
        """Add the run to the commit of whoever starts it, moved up to its first call.

        A step that refuses leaves it at its first step, as if it had not been moved: the next turn
        reads the subject again, meets the refusal and undoes.
        """
        try:
            with db.unit():
                following = self._decide(now)
        except DomainError:
            self.run = store.new(
                saga=self.saga,
                book_id=self.run.book_id,
                subject_id=self.run.subject_id,
                now=now,
                generation=self.run.generation,
            )
            self.run.is_refused = True
            following = _Next.COMMIT
        hold = None if following is _Next.PAUSE else self._hold_seconds()
        store.insert(self.run, hold_seconds=hold)
        self.run.opening, self.run.is_resting = self.intent, following is _Next.PAUSE

    def go(self) -> Run:
        """Work until the run has ended, waits, or (`until_answer`) has reached its answer point."""
        try:
            if self.fresh:
                if not self.run.is_resting:
                    self._work(self._send() if self.intent else None)
                return self.run
            self._read()
            self._work(self._look_up_or_resend() if self.intent else None)
        except Exception as error:  # noqa: BLE001  a bug or an unknown: retry, never undo
            self._retry_later(error)
        return self.run

    def _work(self, observation: Observation | None) -> None:
        """Commit and call in turn; `observation` is an answer that is not yet recorded."""
        following, stale = _Next.COMMIT, 0
        while following is not _Next.PAUSE:
            intent = self.intent
            try:
                following = self._commit(observation)
            except (db.GuardFailed, DatabaseError) as error:
                stale += 1
                if not db.is_stale(error) or stale > patience.STALE_LIMIT:
                    raise
                if not self._reread(intent, observation):
                    return
            except DomainError as error:
                if not self._reread(intent, observation):
                    return
                observation = self._fail_step(observation, error)
            else:
                observation = self._send() if following is _Next.CALL else None

    # --- inside: one commit -----------------------------------------------------------------

    def _commit(self, observation: Observation | None) -> _Next:
        now = clock.now()
        self.run.attempts, self.run.last_error = 0, ""
        with db.unit():
            if observation is not None and not self._record(observation, now):
                delay = patience.look_up_delay(self.run.look_ups, is_unsent=observation.unsent)
                return self._pause(now, delay)
            if observation is not None and self.careful:
                following = _Next.COMMIT
            elif stopping.is_set():
                following = self._pause_at(now)
            else:
                following = self._decide(now)
            hold = None if following is _Next.PAUSE else self._hold_seconds()
            store.save(self.run, now=now, hold_seconds=hold)
        return following

    def _record(self, observation: Observation, now: datetime) -> bool:
        """Write down what a call told us; False: come back, and look again if that was to look."""
        intent = self.intent
        assert intent is not None
        self.saga.journal.observe(intent=intent, observation=observation, now=now)
        if observation.outcome is Outcome.UNKNOWN:
            self.run.look_ups += 1
            self.run.last_error = f"{intent.call}: {observation.code}"
            return False
        if observation.outcome is not Outcome.SUCCEEDED or self._call(intent).is_inspection:
            self.run.generation += 1  # the proof that this key has had, and will have, no effect
        self.intent = None
        self.answered, self.observed = intent.call, observation
        if observation.outcome is Outcome.ABSENT:
            goes_on = not observation.unsent or self._remote().otherwise(self._context(now))
            self.run.look_ups += not goes_on
            return goes_on
        self.run.look_ups = 0
        store.keep_result(self.run, self._results_key(), intent.call, observation)
        is_no = observation.outcome is Outcome.FAILED and self.run.status != Status.COMPENSATING
        if is_no and not self._remote().otherwise(self._context(now)):
            self._begin_undo(Abort(observation.code, observation.message, observation.code))
        return True

    def _decide(self, now: datetime) -> _Next:
        """Do every step that needs nobody outside, until a call, a wait or the end."""
        while True:
            undoing = self.run.status == Status.COMPENSATING
            following = self._undo_step(now) if undoing else self._do_step(now)
            if following is not _Next.COMMIT or self.careful:
                return following

    def _do_step(self, now: datetime) -> _Next:
        step = self._step()
        context = self._context(now)
        self.run.status, self.run.waiting_for = Status.IN_PROGRESS, ""
        if isinstance(step, Local):
            waiting = step.do(context)
            if waiting is not None:
                return self._wait(waiting)
        else:
            decision = step.prepare(context)
            if isinstance(decision, Wait):
                return self._wait(decision)
            if isinstance(decision, Ready):
                return self._open(decision, now)
            step.then(context)
        return self._step_done(step, now)

    def _step_done(self, step: Step, now: datetime) -> _Next:
        self.answered = ""
        self.run.completed_steps = [*self.run.completed_steps, step.name]
        position = self.saga.index(step.name) + 1
        if position == len(self.saga.steps):
            return self._end(Status.COMPLETED)
        self.run.current_step = self.saga.steps[position].name
        if self.until_answer and step.name in self.saga.answer_after and self.called:
            return self._pause_at(now)
        return _Next.COMMIT

    def _undo_step(self, now: datetime) -> _Next:
        if not self.run.current_step:
            assert self.run.abort is not None
            self.saga.on_abort(self._context(now), Abort(**self.run.abort))
            return self._end(Status.COMPENSATED)
        undo = self._step().undo
        context = self._context(now)
        self.run.waiting_for = ""
        if isinstance(undo, Remote):
            decision = undo.prepare(context)
            if isinstance(decision, Wait):
                self.run.next_run_at, self.run.waiting_for = decision.until, decision.reason
                return _Next.PAUSE
            if isinstance(decision, Ready):
                return self._open(decision, now)
            undo.then(context)
        else:
            undo(context)
        self._undo_next(self.run.current_step)
        return _Next.COMMIT

    def _open(self, ready: Ready, now: datetime) -> _Next:
        """Write the intent; the call is made only after it is committed."""
        key = f"{self.run.subject_id}:{self._results_key()}.{ready.call}:{self.run.generation}"
        self.intent = self.saga.journal.open(
            book_id=self.run.book_id,
            subject_id=self.run.subject_id,
            run_id=self.run.id,
            step=self._results_key(),
            call=ready.call,
            op_key=key,
            request=ready.request,
            now=now,
        )
        return _Next.CALL

    def _begin_undo(self, abort: Abort) -> None:
        """Turn round. The current step is undone too if it wrote an intent."""
        touched = self.run.current_step in self.run.results
        failed = self.run.current_step
        self.run.abort = dict(vars(abort))
        self.run.status, self.run.waiting_for = Status.COMPENSATING, ""
        if not touched:
            self._undo_next(failed)

    def _undo_next(self, undone: str) -> None:
        self.answered = ""
        self.run.completed_steps = [s for s in self.run.completed_steps if s != undone]
        self.run.current_step = (self.run.completed_steps or [""])[-1]

    def _end(self, status: Status) -> _Next:
        self.run.status, self.run.current_step, self.run.waiting_for = status, "", ""
        return _Next.PAUSE

    def _wait(self, wait: Wait) -> _Next:
        self.run.status, self.run.waiting_for = Status.WAITING, wait.reason
        self.run.next_run_at = wait.until
        return _Next.PAUSE

    def _pause_at(self, when: datetime) -> _Next:
        self.run.next_run_at = when
        return _Next.PAUSE

    def _pause(self, now: datetime, seconds: float) -> _Next:
        self.run.waiting_for, self.run.next_run_at = "provider", now + timedelta(seconds=seconds)
        store.save(self.run, now=now, hold_seconds=None)
        return _Next.PAUSE

    # --- outside: one call --------------------------------------------------------------------

    def _send(self) -> Observation:
        assert self.intent is not None
        self.called = True
        return self._call(self.intent).send(self.intent)

    def _look_up_or_resend(self) -> Observation:
        """What became of a call whose end is not known.

        Ask first. If it had no effect, the same `op_key` is sent again, as long as the other side
        honors it; a new generation begins only where nothing can still arrive. `answered` and
        `unsent` count for the first request alone: the end of a look-up or of a second request
        says nothing about a first one that may still be under way.
        """
        intent = self.intent
        assert intent is not None
        call = self._call(intent)
        self._renew()
        observation = call.look_up(intent)
        age = (clock.now() - intent.created_at).total_seconds()
        resend = not intent.answered and age <= call.horizon_seconds(intent)
        if observation.outcome is Outcome.ABSENT and resend:
            self._renew()
            observation = self._send()
            if observation.unsent:
                observation = replace(observation, outcome=Outcome.UNKNOWN, unsent=False)
        return replace(observation, answered=False)

    def _renew(self) -> None:
        """Hold the run for as long as the next call may take."""
        with db.unit():
            store.save(self.run, now=clock.now(), hold_seconds=self._hold_seconds())

    def _call(self, intent: Intent) -> Call:
        return self._remote().call(intent.call)

    def _remote(self) -> Remote:
        """The step whose calls are being made, or its undo."""
        step = self._step()
        remote = step.undo if self.run.status == Status.COMPENSATING else step
        assert isinstance(remote, Remote)
        return remote

    # --- when it goes wrong ---------------------------------------------------------------------

    def _fail_step(self, observation: Observation | None, error: DomainError) -> Observation | None:
        """The business said no. In careful mode we know which step said it: undo."""
        if not self.careful:
            self.careful = True
            return observation
        if self.run.status == Status.COMPENSATING:
            raise RuntimeError(f"an undo may not refuse: {error.code} {error}") from error
        now = clock.now()
        with db.unit():
            self._begin_undo(Abort(error.code, error.message, error.decline_code or ""))
            store.save(self.run, now=now, hold_seconds=store.LEASE_SECONDS)
        return None

    def _read(self) -> None:
        self.subject = self.saga.load(self.run.book_id, self.run.subject_id)
        self.intent = self.saga.journal.find_open(run_id=self.run.id)

    def _reread(self, intent: Intent | None, observation: Observation | None) -> bool:
        """Read run and subject again; False if the lease is lost.

        What we observed is noted then, and the call stays open: only the holder of the run closes
        it, in the commit that keeps the answer. It asks the other side itself.
        """
        fence = self.run.fence
        self.run = selectors.get(self.run.id)
        self._read()
        if self.run.fence == fence:
            return True
        if observation is not None and intent is not None:
            noted = replace(observation, outcome=Outcome.UNKNOWN, answered=False)
            with db.unit():
                self.saga.journal.observe(intent=intent, observation=noted, now=clock.now())
        return False

    def _retry_later(self, error: Exception) -> None:
        """Nobody knows: let the lease go and try again, with a growing delay; then ask a person."""
        log.exception("saga_turn_failed", run_id=str(self.run.id), step=self.run.current_step)
        db.let_go(error)
        now, fence = clock.now(), self.run.fence
        with transaction.atomic():  # under lock: our lost commit may be about to stand
            run = self.run = store.lock(self.run.id)
            if run.fence == fence and run.status in OPEN:
                run.attempts += 1
                run.last_error = f"{type(error).__name__}: {patience.first_line(error)}"
                run.next_run_at = now + timedelta(seconds=patience.retry_delay(run.attempts))
                if run.attempts >= patience.RETRY_LIMIT:
                    run.status = Status.NEEDS_ATTENTION
                store.save(run, now=now, hold_seconds=None)
        self._read()  # whoever waits for an answer must not see what was never committed

    # --- small things ---------------------------------------------------------------------------

    def _step(self) -> Step:
        return self.saga.steps[self.saga.index(self.run.current_step)]

    def _results_key(self) -> str:
        """Where the answers of the current step's calls are kept; undoing has a key of its own."""
        step = self._step()
        if self.run.status == Status.COMPENSATING and isinstance(step.undo, Remote):
            return f"{step.name}~{step.undo.name}"
        return step.name

    def _context(self, now: datetime) -> Context:
        results = store.kept_results(self.run, self._results_key()) if self.run.current_step else {}
        return Context(
            run=self.run,
            subject=self.subject,
            now=now,
            results=results,
            answered=self.answered,
            waited_for=self.run.waiting_for,
            observed=self.observed,
        )

    def _hold_seconds(self) -> float:
        if self.intent is None:
            return store.LEASE_SECONDS
        return self._call(self.intent).timeout_seconds + SAFETY_SECONDS
