"""The one table of a payment's moves. It feeds django-fsm and, as literals, the trigger.

Up to capture it is a state machine. After capture the status is a headline of facts (how much was
refunded, disputed, charged back, and whether it settled), which a CHECK in the database repeats.
"""

from __future__ import annotations

from apps.payments.types import Status

S = Status

# trigger -> (from, to), up to capture
MOVES: dict[str, tuple[tuple[Status, ...], Status]] = {
    "validate": ((S.CREATED,), S.VALIDATED),
    "request_action": ((S.VALIDATED,), S.REQUIRES_ACTION),
    "flag_for_review": ((S.VALIDATED,), S.IN_REVIEW),
    "authorize": ((S.VALIDATED,), S.AUTHORIZED),
    "complete_action": ((S.REQUIRES_ACTION,), S.VALIDATED),
    "approve_review": ((S.IN_REVIEW,), S.VALIDATED),
    "risk_reject": ((S.VALIDATED, S.REQUIRES_ACTION, S.IN_REVIEW), S.REJECTED),
    "fail": ((S.VALIDATED, S.REQUIRES_ACTION, S.AUTHORIZED), S.FAILED),
    "void": ((S.VALIDATED, S.REQUIRES_ACTION, S.IN_REVIEW, S.AUTHORIZED), S.VOIDED),
    "capture": ((S.AUTHORIZED,), S.CAPTURED),
}

# after capture: headlines, and what may follow what
HEADLINES: dict[Status, tuple[Status, ...]] = {
    S.CAPTURED: (S.SETTLED, S.REFUNDED, S.DISPUTED, S.CHARGED_BACK),
    S.SETTLED: (S.CAPTURED, S.REFUNDED, S.DISPUTED, S.CHARGED_BACK),
    S.REFUNDED: (S.CAPTURED, S.SETTLED, S.DISPUTED, S.CHARGED_BACK),
    S.DISPUTED: (S.CAPTURED, S.SETTLED, S.REFUNDED, S.CHARGED_BACK),
    S.CHARGED_BACK: (S.CAPTURED, S.SETTLED, S.REFUNDED, S.DISPUTED),
}

FINAL = (S.FAILED, S.REJECTED, S.VOIDED)


def legal_moves() -> set[tuple[str, str]]:
    """Every (from, to) there is; the trigger's literals are the same set, which a test proves."""
    before = {(f, to) for froms, to in MOVES.values() for f in froms}
    after = {(f, to) for f, tos in HEADLINES.items() for to in tos}
    return {(str(f), str(to)) for f, to in before | after}
