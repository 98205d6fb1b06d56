"""One key, one effect: `run` is the one call of a view that must not act twice."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import Error, IntegrityError, connection, transaction
from django.http import HttpResponse

from apps.core import api, db, failpoints
from apps.core.errors import DomainError
from apps.core.ids import new_id
from apps.idempotency import selectors
from apps.idempotency.errors import Busy, InFlight, KeyMalformed, KeyRequired, KeyReused
from apps.idempotency.selectors import Found
from apps.idempotency.services.keeping import (
    KEYS,
    ORDERS_LAST,
    UNTIL_LET_EXPIRE,
    let_expire,
    retention,
    written,
)
from apps.idempotency.types import Create, Finality, Render, RequestFacts

LOCK_SECONDS = 5  # how long a request that holds a key is taken to be alive
ATTEMPTS = 10  # of one unit, when what it read was stale or the database asked to try again

# The answers that are for good: the same request would only meet them again.
STORED = frozenset({200, 201, 402, 409})

UNIQUE_VIOLATION = "23505"
LOCK_TIMEOUT = "55P03"
_TRY_AGAIN = frozenset({"40001", "40P01"})
# The server is going, has ended the connection, or was demoted: another one may do it.
_GONE = frozenset({"57P01", "57P02", "57P03", "25P03", "25P04", "25006"})

# Asked which error a broken unique constraint, not the key's, was; None: not one it knows.
OnDuplicate = Callable[[], DomainError | None]

_KEY = re.compile(r"[\x20-\x7e]{1,255}")

log = structlog.get_logger(__name__)


def run(
    facts: RequestFacts,
    create: Create,
    render: Render,
    *,
    on_duplicate: OnDuplicate | None = None,
) -> HttpResponse:
    """Answer a request once, and its repeats with the same bytes.

    `create(resource_id)` writes with `db.write`; the claim of the key is the first statement of
    its unit, so both are committed in one message or not at all; with `facts.is_locking` it runs
    in an open transaction after the claim instead, and may lock. It may be called more than once
    with the same id (see `Create`). `render` then runs outside of any transaction; see `Render`.
    `on_duplicate` is asked, when the unit broke a unique constraint that is not the key's, which
    error that was (`None`: a bug, the `IntegrityError` goes on).

    A repeat gets the stored answer with `Idempotent-Replayed: true`; while there is none, 409 for
    as long as the first request is taken to be alive, and after that it takes over: it renders
    the answer from the resource's present state. Answers with 2xx but 202, 402 and 409 (a state
    conflict, raised as `DomainError` without `retry_after`) are stored, all others are not.

    Without a key (where `facts.key_required` is false) it creates and renders, once per call.

    Retries: deadlocks, stale reads (`db.GuardFailed`) and lost connections are tried again here,
    with the same resource id, so whatever had been committed is found and answered for.
    Transaction: opens its own; must be called outside of any.

    :raises KeyRequired, KeyMalformed: the header is missing or not printable ASCII.
    :raises KeyReused: the key came with another method, path or body before.
    :raises InFlight: its first request is being answered.
    :raises Busy: the unit's guards failed time and again.
    :raises DomainError: what `create` or `render` raised and is not stored.
    """
    if facts.key is None:
        if facts.key_required:
            raise KeyRequired
        return _run_without_key(facts, create, render, on_duplicate)
    if not _KEY.fullmatch(facts.key):
        raise KeyMalformed
    return _Claim(facts, create, render, on_duplicate).answer()


class _Claim:
    """One request with a key, from claim to answer."""

    def __init__(
        self,
        facts: RequestFacts,
        create: Create,
        render: Render,
        on_duplicate: OnDuplicate | None,
    ) -> None:
        self.facts = facts
        self.create = create
        self.render = render
        self.on_duplicate = on_duplicate
        self.resource_id = new_id()
        self.fingerprint = facts.fingerprint

    def answer(self) -> HttpResponse:
        for _ in range(ATTEMPTS):
            response = self._attempt()
            if response is not None:
                return response
        raise Busy

    def _attempt(self) -> HttpResponse | None:
        """Send the unit once and answer; None when it may and must be sent again."""
        try:
            with _transaction(self.facts):
                self._claim()
                created = self.create(self.resource_id)
                self._pass("before_commit")
            self._pass("after_commit")
        except (DomainError, IntegrityError) as error:
            # Also a refusal: the first request's own effect may be what a repeat stumbles over.
            return self._repeat_or(error)
        except db.GuardFailed:
            return None
        except Error as error:
            if not db.is_away(error):
                raise
            self._recover(error)
            found = self._find()
            return None if found is None else self._repeat(found)
        made = self.resource_id if created is None else created
        return self._render(made, is_taken_over=False)

    def _pass(self, where: str) -> None:
        """A unit passes the failpoints around its commit by itself (`db`)."""
        if failpoints.armed and self.facts.is_locking:
            failpoints.reach(where)

    def _claim(self) -> None:
        db.insert(
            KEYS,
            {
                "id": self.resource_id,
                "book_id": self.facts.book_id,
                "scope": self.facts.scope,
                "key": self.facts.key,
                "fingerprint": self.fingerprint,
                "about_id": self.facts.about_id,
                "locked_until": LOCK_SECONDS,
            },
        )

    def _find(self) -> Found | None:
        assert self.facts.key is not None
        return selectors.find(
            book_id=self.facts.book_id, scope=self.facts.scope, key=self.facts.key
        )

    def _repeat_or(self, error: DomainError | IntegrityError) -> HttpResponse:
        """Answer for the key if it is taken, else with the error itself."""
        found = self._find()
        if found is not None:
            return self._repeat(found)
        refusal = _explained(error, self.on_duplicate)
        if not _is_stored(refusal):
            raise refusal from error
        body = written(api.error_body(refusal, self.facts.request_id))
        if self._claim_with(refusal.status, body):
            return _response(refusal.status, body)
        found = self._find()
        assert found is not None, "a key that could not be claimed exists"
        return self._repeat(found)

    def _claim_with(self, status: int, body: str) -> bool:
        """Claim the key and give it its answer at once; false if somebody else holds it."""
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO idempotency_key (id, book_id, scope, key, fingerprint, locked_until,"
                " status_code, body, expires_at)"
                " VALUES (%s, %s, %s, %s, %s, clock_timestamp(), %s, %s, %s)"
                " ON CONFLICT (book_id, scope, key) DO NOTHING",
                (
                    self.resource_id,
                    self.facts.book_id,
                    self.facts.scope,
                    self.facts.key,
                    self.fingerprint,
                    status,
                    body,
                    self.facts.now + retention(),
                ),
            )
            return cursor.rowcount == 1

    def _repeat(self, found: Found) -> HttpResponse:
        if found.fingerprint != self.fingerprint:
            raise KeyReused
        if found.body is not None and found.status_code is not None:
            return _response(found.status_code, found.body, is_replay=True)
        is_ours = found.resource_id == self.resource_id  # committed, only the news of it was lost
        if not is_ours and (found.is_locked or not _take_over(found.resource_id)):
            raise InFlight
        self.resource_id = found.resource_id
        return self._render(found.resource_id, is_taken_over=True)

    def _render(self, made: Any, *, is_taken_over: bool) -> HttpResponse:
        try:
            status, content, is_final = self.render(made, is_taken_over)
        except DomainError as error:
            if not _is_stored(error):
                raise
            status, content, is_final = (
                error.status,
                api.error_body(error, self.facts.request_id),
                True,
            )
        body = written(content)
        if not is_final and not self.facts.is_held:  # an order that outlasts its request
            with db.unit():
                let_expire(resource_id=self.resource_id, now=self.facts.now + ORDERS_LAST)
        if not is_final or is_final is Finality.STORED or status not in STORED:
            return _response(status, body)
        return self._settle(status, body)

    def _settle(self, status: int, body: str) -> HttpResponse:
        """Store the answer, unless there is one; what the row holds is sent."""
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE idempotency_key SET status_code = %s, body = %s,"
                " expires_at = coalesce(%s, expires_at, %s) WHERE id = %s AND body IS NULL",
                (status, body, self._expiry(), UNTIL_LET_EXPIRE, self.resource_id),
            )
            if cursor.rowcount == 1:
                return _response(status, body)
        found = self._find()
        if found is None or found.body is None or found.status_code is None:
            log.error("idempotency.answer_not_stored", resource_id=str(self.resource_id))
            return _response(status, body)
        return _response(found.status_code, found.body, is_replay=True)

    def _expiry(self) -> datetime | None:
        """A key whose resource has a run of its own is kept until the run has ended."""
        return None if self.facts.is_held else self.facts.now + retention()

    def _recover(self, error: Error) -> None:
        """Come back from a unit that was rolled back, or of which we do not know that it was.

        A connection lost on the way may have committed. Its backend may even be about to, so
        before anybody reads, this waits for it: an INSERT of the same key does, and is undone.

        :raises Busy: it waited for a lock for too long.
        :raises DatabaseError: anything else is not to be tried again, or the database is away.
        """
        if connection.in_atomic_block:
            raise error
        state = _sqlstate(error)
        if state == LOCK_TIMEOUT:
            raise Busy from error
        if state in _TRY_AGAIN:
            return
        if not (state is None or state.startswith("08") or state in _GONE):
            raise error
        log.warning("idempotency.connection_lost", resource_id=str(self.resource_id))
        connection.close()
        with transaction.atomic():
            self._claim_with(409, "")
            transaction.set_rollback(True)


def _take_over(resource_id: UUID) -> bool:
    """Take the key of a request that has died; false if somebody was faster."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE idempotency_key"
            " SET locked_until = clock_timestamp() + make_interval(secs => %s)"
            " WHERE id = %s AND body IS NULL AND locked_until <= clock_timestamp()",
            (LOCK_SECONDS, resource_id),
        )
        return cursor.rowcount == 1


def _run_without_key(
    facts: RequestFacts, create: Create, render: Render, on_duplicate: OnDuplicate | None
) -> HttpResponse:
    for _ in range(ATTEMPTS):
        resource_id = new_id()
        try:
            with _transaction(facts):
                created = create(resource_id)
        except IntegrityError as error:
            raise _explained(error, on_duplicate) from error
        except db.GuardFailed:
            continue
        status, content, _ = render(resource_id if created is None else created, False)  # noqa: FBT003
        return _response(status, written(content))
    raise Busy


def _transaction(facts: RequestFacts) -> AbstractContextManager[None]:
    return transaction.atomic() if facts.is_locking else db.unit()


def _explained(
    error: DomainError | IntegrityError, on_duplicate: OnDuplicate | None
) -> DomainError:
    """The refusal that `error` is: a broken unique constraint is one if the caller can name it."""
    if isinstance(error, DomainError):
        return error
    refusal = None
    if on_duplicate is not None and _sqlstate(error) == UNIQUE_VIOLATION:
        refusal = on_duplicate()
    if refusal is None:
        raise error
    return refusal


def _is_stored(error: DomainError) -> bool:
    return error.status in STORED and error.retry_after is None


def _sqlstate(error: Exception) -> str | None:
    return getattr(error.__cause__, "sqlstate", None)


def _response(status: int, body: str, *, is_replay: bool = False) -> HttpResponse:
    response = HttpResponse(body, status=status, content_type="application/json")
    if is_replay:
        response["Idempotent-Replayed"] = "true"
    return response
