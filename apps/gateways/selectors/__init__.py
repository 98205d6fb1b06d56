"""What was asked of providers, what they said, whose their objects are, and who takes a payment."""

from apps.gateways.selectors.calls import (
    INVARIANTS,
    LIST_LIMIT,
    Owner,
    find_event,
    find_open_call,
    find_open_call_of_run,
    find_owner,
    is_nothing_under_way,
    is_nowhere,
    list_calls,
    list_not_acted_on,
    list_unprocessed,
    open_calls,
)
from apps.gateways.selectors.health import circuit_of, opens_at, shunned, tally_of
from apps.gateways.selectors.routing import list_rules, offered, route, rules_now

__all__ = [
    "INVARIANTS",
    "LIST_LIMIT",
    "Owner",
    "circuit_of",
    "find_event",
    "find_open_call",
    "find_open_call_of_run",
    "find_owner",
    "is_nothing_under_way",
    "is_nowhere",
    "list_calls",
    "list_not_acted_on",
    "list_rules",
    "list_unprocessed",
    "offered",
    "open_calls",
    "opens_at",
    "route",
    "rules_now",
    "shunned",
    "tally_of",
]
