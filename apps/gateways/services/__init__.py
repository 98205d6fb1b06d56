"""Calls to providers, and the rules by which one is chosen.

Importable from sagas alone: only a saga moves money.
"""

from apps.gateways.services.calls import (
    ACCEPT_DISPUTE,
    ADD_BANK,
    CALL_IS_CLOSED,
    CAPTURE,
    CONFIRM,
    CREATE,
    INSPECT,
    INSPECT_DISPUTE,
    INSPECT_PAYOUT,
    INSPECT_REFUND,
    PAY_OUT,
    REFUND,
    SUBMIT_EVIDENCE,
    TIMEOUT_SECONDS,
    VOID,
    horizon_seconds,
    journal,
    look_up,
    require_uncalled,
    send,
)
from apps.gateways.services.rules import RULES_LIMIT, PositionTaken, remove_rule, set_rule

__all__ = [
    "ACCEPT_DISPUTE",
    "ADD_BANK",
    "CALL_IS_CLOSED",
    "CAPTURE",
    "CONFIRM",
    "CREATE",
    "INSPECT",
    "INSPECT_DISPUTE",
    "INSPECT_PAYOUT",
    "INSPECT_REFUND",
    "PAY_OUT",
    "REFUND",
    "RULES_LIMIT",
    "SUBMIT_EVIDENCE",
    "TIMEOUT_SECONDS",
    "VOID",
    "PositionTaken",
    "horizon_seconds",
    "journal",
    "look_up",
    "remove_rule",
    "require_uncalled",
    "send",
    "set_rule",
]
