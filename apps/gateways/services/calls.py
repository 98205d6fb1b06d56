"""Calls to providers, and the journal in which they are promised before they are made.

A saga's `Remote` step names `CREATE`, `CONFIRM`, … as its calls, and `journal` as its journal;
everything else here serves those two.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

import structlog

from apps.core import clock, db, failpoints, ids
from apps.gateways import providers, selectors
from apps.gateways.services import health
from apps.gateways.types import (
    OBJECT_MISSING,
    AddBankRequest,
    Answer,
    Declined,
    EvidenceFile,
    Operation,
    OutcomeUnknown,
    Request,
    SubmitEvidenceRequest,
    UploadFileRequest,
    thaw,
)
from apps.merchants import selectors as merchants
from apps.merchants.types import BankDetails
from apps.sagas.definition import Call, Intent, Observation, Outcome

log = structlog.get_logger(__name__)

# What a provider has just told of may not be found there at once.
SHOWN_AFTER: Final = timedelta(minutes=1)
CALL_IS_CLOSED: Final = "gateways: the call's end is already recorded"

_OPEN = """
INSERT INTO gateways_provider_call (id, book_id, payment_id, subject_id, run_id, step, call,
    provider, op_key, request, outcome, code, message, result, provider_reference, answered,
    attempts, created_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, 'PENDING', '', '', '{}'::jsonb, '', false,
    0, %s)
"""

_OBSERVE = """
UPDATE gateways_provider_call
SET outcome = %s, code = %s, message = %s, result = %s::jsonb,
    provider_reference = coalesce(nullif(%s, ''), provider_reference),
    answered = answered OR %s, attempts = attempts + 1, observed_at = %s
WHERE book_id = %s AND op_key = %s
"""

# The trigger of the table refuses it; what was read before is stale.
db.ERRORS["GW002"] = lambda _message, _detail: db.GuardFailed(CALL_IS_CLOSED)

_NAME = """
INSERT INTO gateways_provider_object (id, provider, reference, book_id, payment_id, created_at)
VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (provider, reference) DO NOTHING
"""


class _Journal:
    """`sagas.definition.Journal`, kept in `ProviderCall`. Writers go through `db.write`."""

    def open(
        self,
        *,
        book_id: UUID,
        subject_id: UUID,
        run_id: UUID,
        step: str,
        call: str,
        op_key: str,
        request: dict[str, Any],
        now: datetime,
    ) -> Intent:
        """Promise a call: `request` is a `types.freeze(…)` and is never changed again.

        Transaction: the caller's. IntegrityError at its end: another call of this payment is open
        (see `selectors.find_open_call`), or this `op_key` was promised before.
        """
        frozen = thaw(request)
        db.write(
            _OPEN,
            (
                *(ids.new_id(), book_id, frozen.payment_id, subject_id, run_id, step, call),
                *(frozen.provider, op_key, json.dumps(request), now),
            ),
        )
        return Intent(
            op_key=op_key,
            book_id=book_id,
            subject_id=subject_id,
            step=step,
            call=call,
            request=request,
            created_at=now,
        )

    def find_open(self, *, run_id: UUID) -> Intent | None:
        """The run's call whose end is not known. It counts as tried at least once: whoever
        promised it may have died in the middle of it."""
        call = selectors.find_open_call_of_run(run_id=run_id)
        if call is None:
            return None
        return Intent(
            op_key=call.op_key,
            book_id=call.book_id,
            subject_id=call.subject_id,
            step=call.step,
            call=call.call,
            request=call.request,
            created_at=call.created_at,
            outcome=Outcome(call.outcome),
            provider_reference=call.provider_reference,
            attempts=max(call.attempts, 1),
            answered=call.answered,
        )

    def observe(self, *, intent: Intent, observation: Observation, now: datetime) -> None:
        """Record what a call or a look-up told us, and learn the names of new objects.

        Transaction: the caller's.
        :raises db.GuardFailed: (when sent) the call's end is already recorded.
        """
        found = observation.provider_reference
        db.write(
            _OBSERVE,
            (
                *(str(observation.outcome), observation.code, observation.message[:500]),
                *(json.dumps(observation.result), found, observation.answered, now),
                *(intent.book_id, intent.op_key),
            ),
        )
        provider, payment_id = intent.request["provider"], intent.request["payment_id"]
        for name in (found, *observation.result.get("also_known_as", ())):
            if name and name != intent.request.get("provider_reference"):
                db.write(_NAME, (ids.new_id(), provider, name, intent.book_id, payment_id, now))


journal: Final = _Journal()


def send(
    intent: Intent,
    *,
    evidence: Mapping[str, str] | None = None,
    files: Mapping[str, EvidenceFile] | None = None,
) -> Observation:
    """Make a promised call, once. No transaction may be open. Never raises what a provider did.

    `evidence` is what an answer to a dispute says, and `files` what goes with it, by their purpose:
    the intent does not hold them.

    `ABSENT` with `unsent`: this was the first attempt, and provably nothing left or nothing was
    looked at. `ABSENT` without: the provider repeats an error that it saved under this key, so the
    first request is over, and a look-up shows that it did nothing; only another key can do it.
    """
    request = thaw(intent.request)
    if isinstance(request, SubmitEvidenceRequest):
        request = replace(request, evidence=dict(evidence or {}), files=dict(files or {}))
    elif isinstance(request, UploadFileRequest):
        request = replace(request, files=dict(files or {}))
    provider = providers.get(request.provider)

    def ask() -> Answer:
        try:
            return provider.send(
                request, op_key=intent.op_key, details=_bank_details(intent, request)
            )
        except OutcomeUnknown as error:
            if not error.key_is_spent:
                raise
            return provider.look_up(
                request, op_key=intent.op_key, provider_reference=intent.provider_reference
            )

    observation = _observed(intent, "send", ask)
    if isinstance(request, AddBankRequest | UploadFileRequest | SubmitEvidenceRequest):
        # Whatever they said may repeat what they were told.
        return replace(observation, message="")
    return observation


def _bank_details(intent: Intent, request: Request) -> BankDetails | None:
    """The account in the clear, for the one request that carries it, and for no longer.

    :raises Declined: it was removed meanwhile.
    """
    if not isinstance(request, AddBankRequest):
        return None
    details = merchants.find_bank_details(book_id=intent.book_id, id=request.bank_account_id)
    if details is None:
        raise Declined("bank_account_removed")
    return details


def look_up(intent: Intent) -> Observation:
    """Ask what became of a call. No transaction may be open. Changes nothing outside.

    `ABSENT`: no effect can be seen. Whether one can still arrive, the intent's age and `answered`
    decide, not this.
    """
    request = thaw(intent.request)
    provider = providers.get(request.provider)
    return _observed(
        intent,
        "look_up",
        lambda: provider.look_up(
            request, op_key=intent.op_key, provider_reference=intent.provider_reference
        ),
    )


def _observed(intent: Intent, verb: str, ask: Callable[[], Answer]) -> Observation:
    assert not db.is_open(), "no provider call in a transaction"
    started, is_first = time.monotonic(), verb == "send" and intent.attempts == 0
    is_well: bool | None = True  # None: it says nothing of the provider's health
    try:
        if failpoints.armed:
            ask = partial(_past_failpoints, verb, ask)
        observation = _told(ask())
    except Declined as error:
        observation = _refused(error, is_first=is_first)
    except OutcomeUnknown as error:
        is_well = False if error.is_ill else None
        observation = _unknown(error, intent, is_first=is_first)
        if error.alert:
            log.error("gateways.needs_a_person", code=error.reason, message=str(error))
    _log(intent, verb, observation, started)
    if is_well is not None:
        health.note(
            provider=intent.request["provider"],
            operation=intent.request["operation"] if verb == "send" else verb,
            is_failure=not is_well,
            now=clock.now(),
        )
    return observation


def _past_failpoints(verb: str, ask: Callable[[], Answer]) -> Answer:
    failpoints.reach(f"before_{verb}")
    try:
        return ask()
    finally:
        failpoints.reach(f"after_{verb}")


def _unknown(error: OutcomeUnknown, intent: Intent, *, is_first: bool) -> Observation:
    """What a failed attempt proves: about the call if it was the first, and else nothing.

    Who asks for a dispute that is not there, nor is after a while, is answered for good: no money
    hangs on the question, and while it is open nothing else can be done with the payment.
    """
    is_settled = clock.now() - intent.created_at > SHOWN_AFTER
    is_asking = intent.request["operation"] == Operation.INSPECT_DISPUTE
    if error.reason == OBJECT_MISSING and is_asking and is_settled:
        return Observation(
            Outcome.FAILED, code=error.reason, message=str(error), answered=error.answered
        )
    unsent = error.unsent and is_first
    return Observation(
        Outcome.ABSENT if unsent else Outcome.UNKNOWN,
        code=error.reason,
        message=str(error),
        answered=error.answered and is_first,
        unsent=unsent,
    )


def _told(answer: Answer) -> Observation:
    if answer is None:
        return Observation(Outcome.ABSENT)
    return Observation(
        Outcome.SUCCEEDED, result=answer.as_json(), provider_reference=answer.provider_reference
    )


def _refused(error: Declined, *, is_first: bool) -> Observation:
    """A refusal is final; what the provider told about the payment is kept with it.

    `answered`, of the first request under its key: so no other can still be under way.
    """
    return Observation(
        Outcome.FAILED,
        result=error.payment.as_json() if error.payment else {},
        code=error.code,
        message=error.decline.message,
        answered=is_first,
    )


def _log(intent: Intent, verb: str, observation: Observation, started: float) -> None:
    """One line a call: ids, never what was sent."""
    log.info(
        "gateways.call",
        verb=verb,
        provider=intent.request["provider"],
        call=intent.call,
        op_key=intent.op_key,
        book_id=str(intent.book_id),
        outcome=str(observation.outcome),
        code=observation.code,
        provider_reference=observation.provider_reference,
        attempts=intent.attempts,
        duration_ms=round((time.monotonic() - started) * 1000, 1),
    )


def horizon_seconds(intent: Intent) -> float:
    """How long its provider honors the key of this call: the same request may be sent again."""
    request = thaw(intent.request)
    return providers.get(request.provider).horizon_seconds[request.operation]


# The longest that a provider may take over a call, whatever it is made of.
TIMEOUT_SECONDS: Final = 23.0


_INSPECTIONS: Final = (
    *(Operation.INSPECT, Operation.INSPECT_REFUND, Operation.INSPECT_PAYOUT),
    *(Operation.INSPECT_DISPUTE, Operation.INSPECT_VOID),
)


def _call(operation: Operation) -> Call:
    return Call(
        str(operation),
        send=send,
        look_up=look_up,
        horizon_seconds=horizon_seconds,
        timeout_seconds=TIMEOUT_SECONDS,
        is_inspection=operation in _INSPECTIONS,
    )


# The calls that a saga's steps name. `INSPECT` asks what became of a payment while the customer
# was away: `ABSENT` says that nothing has happened yet.
CREATE: Final = _call(Operation.CREATE)
CONFIRM: Final = _call(Operation.CONFIRM)
INSPECT: Final = _call(Operation.INSPECT)
CAPTURE: Final = _call(Operation.CAPTURE)
VOID: Final = _call(Operation.VOID)
INSPECT_VOID: Final = _call(Operation.INSPECT_VOID)
REFUND: Final = _call(Operation.REFUND)
INSPECT_REFUND: Final = _call(Operation.INSPECT_REFUND)
ADD_BANK: Final = _call(Operation.ADD_BANK)
PAY_OUT: Final = _call(Operation.PAY_OUT)
INSPECT_PAYOUT: Final = _call(Operation.INSPECT_PAYOUT)
INSPECT_DISPUTE: Final = _call(Operation.INSPECT_DISPUTE)
UPLOAD_FILE: Final = _call(Operation.UPLOAD_FILE)
SUBMIT_EVIDENCE: Final = _call(Operation.SUBMIT_EVIDENCE)
ACCEPT_DISPUTE: Final = _call(Operation.ACCEPT_DISPUTE)


def cancels(provider: str) -> bool:
    """Whether a provider's object can be ended, so that a request on its way can do nothing."""
    return providers.get(provider).cancels


def mark_canceled(*, book_id: UUID, subject_id: UUID, reference: str, now: datetime) -> None:
    """Note that the object of a payment is over for good, so that another may be made elsewhere.

    The trigger of the table believes nobody: it wants the answer of an `INSPECT_VOID` that says so,
    recorded before, be it in this very commit.
    Transaction: the caller's.

    :raises db.GuardFailed: (when sent) there is no such object, or it is marked already.
    """
    db.write(
        "UPDATE gateways_provider_call SET canceled_at = %s WHERE book_id = %s"
        " AND op_key >= %s AND op_key < %s AND call = 'create' AND outcome = 'SUCCEEDED'"
        " AND provider_reference = %s AND canceled_at IS NULL",
        (now, book_id, f"{subject_id}:", f"{subject_id};", reference),
        expect=1,
        what="gateways: the payment has no such object",
    )


def require_uncalled(*, book_id: UUID, subject_id: UUID) -> None:
    """Guard the caller's commit: no call for this subject was ever promised.

    :raises db.GuardFailed: (when sent) one was.
    """
    # An op_key starts with its subject; the semicolon follows the colon.
    db.require(
        "NOT EXISTS (SELECT 1 FROM gateways_provider_call WHERE book_id = %s"
        " AND op_key >= %s AND op_key < %s)",
        (book_id, f"{subject_id}:", f"{subject_id};"),
        what="gateways: a call for it is promised",
    )
