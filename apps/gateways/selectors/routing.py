"""Which provider takes a payment, as things stand now."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.conf import settings
from django.db.models import QuerySet

from apps.core.memory import Remembered
from apps.gateways.models import RoutingRule
from apps.gateways.selectors import health
from apps.gateways.types import Decided, Routable, Rule, decide

RULES_SECONDS: Final = 5.0


def offered() -> tuple[str, ...]:
    """The providers that this deployment can ask, in order of name."""
    kept = set(settings.PAYSYS_TOKEN_PROVIDERS) | {settings.PAYSYS_PROVIDER}
    if not settings.PAYPAL_CLIENT_ID:
        kept.discard("paypal")
    return tuple(sorted(kept))


def route(payment: Routable, *, now: datetime) -> Decided:
    """Decide which provider takes a payment, by the rules and the health of providers at `now`.

    No query within three seconds of the last time. `payment.candidates` is not empty.
    """
    ill = health.shunned(payment.candidates, payment_id=payment.payment_id, now=now)
    return decide(payment, rules_now(), default=settings.PAYSYS_PROVIDER, shunned=ill)


def rules_now() -> tuple[Rule, ...]:
    """The rules in their order, at most five seconds old."""
    return rules.get(None) or ()


def list_rules() -> QuerySet[RoutingRule]:
    """The rules' rows in the order in which they are looked at."""
    return RoutingRule.objects.order_by("position")


def _load(_: None) -> tuple[Rule, ...]:
    return tuple(rule.as_rule() for rule in list_rules())


rules: Remembered[None, tuple[Rule, ...]] = Remembered(_load, RULES_SECONDS)
