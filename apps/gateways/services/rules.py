"""Setting the rules by which a provider is chosen."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction

from apps.audit import services as audit
from apps.core import db, money
from apps.core.errors import Conflict, InvalidRequest, NotFound
from apps.core.types import Actor
from apps.gateways import selectors
from apps.gateways.models import RoutingRule
from apps.gateways.selectors import routing
from apps.gateways.types import ANY, WHOLE, Rule
from apps.ledger.chart import PLATFORM_BOOK
from apps.merchants import selectors as merchants
from apps.merchants.services import require_country

RULES_LIMIT: Final = 200
PROVIDERS_LIMIT: Final = 10


_ONE_AFTER_ANOTHER: Final = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"


class PositionTaken(Conflict):
    """Another rule stands at this place."""

    code = "routing_position_taken"


class RuleRemoved(NotFound):
    """There was such a rule, if anybody has seen it."""

    says = "It is not there any more: somebody has removed it."


def set_rule(*, rule: Rule, must_exist: bool = False, actor: Actor, now: datetime) -> RoutingRule:
    """Add a rule, or change the one of this id; payments from now on are decided by it.

    Payments that are under way keep the provider they have. Whoever changes a rule that they have
    seen says `must_exist`: one that was removed meanwhile does not come back.
    Retries: the same rule again changes nothing but the trail.
    Transaction: its own, or a part of the caller's. Other processes follow within 5 s.

    :raises InvalidRequest: see `require_sound`; or there are `RULES_LIMIT` rules already.
    :raises NotFound: no such merchant.
    :raises RuleRemoved: it must exist, and does not.
    :raises PositionTaken: another rule stands at this position.
    """
    require_sound(rule)
    with transaction.atomic():
        before = require_place(rule, must_exist=must_exist)
        if rule.merchant_id is not None:
            merchants.get(rule.merchant_id)
        row = RoutingRule.from_rule(rule, now=now, created_at=before.created_at if before else now)
        row.save(force_insert=before is None, force_update=before is not None)
        facts = {"rule": _facts(rule), **({"was": _facts(before.as_rule())} if before else {})}
        _record("routing_rule.changed" if before else "routing_rule.added", rule, facts, actor, now)
    return row


def require_place(rule: Rule, *, must_exist: bool = False) -> RoutingRule | None:
    """Whether a rule may stand at its position, which nobody else takes until the commit; what it
    was before, if it is there.

    Transaction: the caller's `atomic`; whoever sets or removes a rule meanwhile waits for its end.

    :raises RuleRemoved: it must exist, and does not.
    :raises InvalidRequest: it is a new one, and there are `RULES_LIMIT` already.
    :raises PositionTaken: another rule stands there.
    """
    _wait_for_others()
    before = RoutingRule.objects.filter(id=rule.id).first()
    if before is None and must_exist:
        raise RuleRemoved
    others = RoutingRule.objects.exclude(id=rule.id)
    if before is None and others.count() >= RULES_LIMIT:
        raise InvalidRequest(f"There are {RULES_LIMIT} rules already.", param="position")
    if others.filter(position=rule.position).exists():
        raise PositionTaken(f"Another rule stands at {rule.position}.", param="position")
    return before


def remove_rule(*, rule_id: UUID, actor: Actor, now: datetime) -> None:
    """Take a rule away; the trail says what it was.

    Transaction: its own, or a part of the caller's. Other processes follow within 5 s.

    :raises RuleRemoved: there is no such rule.
    """
    with transaction.atomic():
        _wait_for_others()
        row = RoutingRule.objects.filter(id=rule_id).first()
        if row is None:
            raise RuleRemoved
        rule = row.as_rule()
        row.delete()
        _record("routing_rule.removed", rule, {"was": _facts(rule)}, actor, now)


def _wait_for_others() -> None:
    """Until the caller's commit nobody else sets or removes a rule."""
    assert connection.in_atomic_block, "what is true of the rules is true until the commit"
    with connection.cursor() as cursor:
        cursor.execute(_ONE_AFTER_ANOTHER, ["gateways.routing_rules"])


def require_sound(rule: Rule) -> None:
    """Whether a rule says something that can be followed; the twin of the table's CHECKs.

    :raises InvalidRequest: it does not, and `param` names what is wrong with it.
    """
    if not rule.name.strip():
        raise InvalidRequest("A rule has a name.", param="name")
    if not 1 <= rule.position <= 32_767:
        raise InvalidRequest("A position is 1 to 32767.", param="position")
    if rule.currency != ANY and not money.is_currency(rule.currency):
        raise InvalidRequest("Unknown currency.", param="currency")
    if rule.country != ANY:
        require_country(rule.country)
    _require_range(rule)
    _require_split(rule)


def _require_range(rule: Rule) -> None:
    start, end = rule.amount_from, rule.amount_to
    for param, bound in (("amount_from", start), ("amount_to", end)):
        if bound is None:
            continue
        if rule.currency == ANY:
            raise InvalidRequest("An amount needs a currency.", param=param)
        amount = money.Money(bound, rule.currency)
        if bound < 0 or money.round_minor(amount) != amount:
            raise InvalidRequest("An amount is in whole minor units.", param=param)
    if start is not None and end is not None and end < start:
        raise InvalidRequest("The range ends before it begins.", param="amount_to")


def _require_split(rule: Rule) -> None:
    names = [provider for provider, _ in rule.split]
    if not names or len(names) > PROVIDERS_LIMIT or len(set(names)) != len(names):
        raise InvalidRequest("A split names each of its providers once.", param="split")
    unknown = sorted(set(names) - set(selectors.offered()))
    if unknown:
        raise InvalidRequest(f"Unknown provider: {', '.join(unknown)}.", param="split")
    shares = [share for _, share in rule.split]
    if any(not 0 <= share <= WHOLE for share in shares) or sum(shares) != WHOLE:
        raise InvalidRequest("The shares add up to 100.", param="split")


def _facts(rule: Rule) -> dict[str, Any]:
    """A rule as the trail keeps it."""
    bounds = (rule.amount_from, rule.amount_to)
    return {
        "position": rule.position,
        "name": rule.name,
        "merchant": str(rule.merchant_id) if rule.merchant_id else ANY,
        "method": rule.method,
        "currency": rule.currency,
        "country": rule.country,
        "amounts": [None if bound is None else f"{bound:f}" for bound in bounds],
        "split": rule.shares,
    }


def _record(action: str, rule: Rule, facts: dict[str, Any], actor: Actor, now: datetime) -> None:
    audit.record(
        book_id=PLATFORM_BOOK,
        actor=actor,
        action=action,
        subject_id=rule.id,
        subject_kind="routing_rule",
        facts=facts,
        now=now,
    )
    db.on_commit(routing.rules.forget_all)
