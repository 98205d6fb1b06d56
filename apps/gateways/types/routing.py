"""Which provider takes a payment: rules, looked at in order, and what is decided by them.

Nothing here asks anybody: what is known is passed in, so that the same payment under the same rules
and the same health is decided the same way, however often it is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from itertools import accumulate
from typing import Any, Final
from uuid import UUID

from apps.core.money import Money

ANY: Final = "*"
WHOLE: Final = 100


@dataclass(frozen=True, slots=True)
class Rule:
    """Payments that are like this go to one of these providers.

    `ANY` stands for every method, currency or country. The country is the card's, which is known of
    a saved method that has paid before; a rule that names one fits no other payment. Amounts are in
    major units of `currency`, both included. `split` says how many of a hundred payments go to each
    provider: all of them add up to 100, and one with 0 only takes what the others cannot.
    """

    id: UUID
    position: int
    name: str
    split: tuple[tuple[str, int], ...]
    method: str = ANY
    currency: str = ANY
    country: str = ANY
    amount_from: Decimal | None = None
    amount_to: Decimal | None = None
    merchant_id: UUID | None = None

    def __str__(self) -> str:
        return f"rule {self.position} “{self.name}”"

    @property
    def shares(self) -> str:
        """The split as people read and write it."""
        return ", ".join(f"{provider} {share}" for provider, share in self.split)


@dataclass(frozen=True, slots=True)
class Routable:
    """What of a payment a route is decided by.

    `amount` is what the provider is to charge. `candidates` are the providers that can: they have a
    token of what the customer pays with, and a way to say this amount.
    """

    payment_id: UUID
    merchant_id: UUID
    method: str
    amount: Money
    candidates: tuple[str, ...]
    country: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """Which provider takes a payment, why, and who else could, in order.

    `rule` is the name of the rule that decided, or empty: the default did.
    """

    provider: str
    alternatives: tuple[str, ...] = ()
    rule: str = ""
    reasons: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "provider": self.provider,
            "alternatives": list(self.alternatives),
            "rule": self.rule,
            "reasons": list(self.reasons),
        }


_WHY: Final = {
    "never_sent": "the request was never sent",
    "canceled": "it could not be confirmed, and was canceled",
    "declined": "it declined for a reason of its own, ",
}


def in_words(route: Mapping[str, Any]) -> list[str]:
    """Why a payment went where it is: a route as a payment keeps it, a sentence a line."""
    steps = [
        f"then from {step['from']} to {step['to']} at {step['at'][:19]}Z: "
        f"{_WHY[step['why']]}{step.get('code', '')}"
        for step in route.get("fallbacks", ())
    ]
    return [*route.get("reasons", ()), *steps]


@dataclass(frozen=True, slots=True)
class Decided:
    """A route, and every rule that was looked at with why it does not fit (empty: it does)."""

    route: Route
    looked_at: tuple[tuple[Rule, str], ...] = field(default=())


def decide(
    payment: Routable,
    rules: Sequence[Rule],
    *,
    default: str,
    shunned: Mapping[str, str] | None = None,
) -> Decided:
    """The route of a payment: the first rule that fits decides, and without one the default.

    Within the rule, the payment's id decides which share it falls into. Who has no token is passed
    over, and so is who is `shunned` (by name, why) as long as there is anybody else: if there is
    not, the payment waits for the first choice.

    `payment.candidates` is not empty.
    """
    looked_at: list[tuple[Rule, str]] = []
    for rule in sorted(rules, key=lambda each: each.position):
        misfit = why_not(rule, payment)
        looked_at.append((rule, misfit))
        if not misfit:
            order, reasons = _order_of(rule, payment)
            route = _first_of(order, payment, str(rule), reasons, shunned or {})
            return Decided(route, tuple(looked_at))
    order = [default, *sorted(set(payment.candidates) - {default})]
    route = _first_of(
        order, payment, "", [f"no rule fits: {default} is the default"], shunned or {}
    )
    return Decided(route, tuple(looked_at))


def why_not(rule: Rule, payment: Routable) -> str:
    """Why a rule does not fit a payment, in words; empty if it does."""
    currency, amount = payment.amount.currency.code, payment.amount.amount
    if rule.merchant_id not in (None, payment.merchant_id):
        return "it is another merchant's"
    if rule.method not in (ANY, payment.method):
        return f"the method is {payment.method}, not {rule.method}"
    if rule.currency not in (ANY, currency):
        return f"the currency is {currency}, not {rule.currency}"
    if rule.country not in (ANY, payment.country):
        country = payment.country or "not known"
        return f"the card's country is {country}, not {rule.country}"
    if rule.amount_from is not None and amount < rule.amount_from:
        return f"the amount is below {rule.amount_from:f}"
    if rule.amount_to is not None and amount > rule.amount_to:
        return f"the amount is above {rule.amount_to:f}"
    if not {provider for provider, _ in rule.split} & set(payment.candidates):
        return "none of its providers can charge what the customer pays with"
    return ""


def drawn(payment_id: UUID, rule_id: UUID) -> int:
    """The payment's number from 0 to 99 under a rule: always the same, evenly spread over ids."""
    digest = sha256(payment_id.bytes + rule_id.bytes).digest()
    return int.from_bytes(digest[:8]) % WHOLE


def _order_of(rule: Rule, payment: Routable) -> tuple[list[str], list[str]]:
    """The rule's providers, whose share the payment falls into first; and why that one."""
    number, names = drawn(payment.payment_id, rule.id), [provider for provider, _ in rule.split]
    ends = accumulate(share for _, share in rule.split)
    first = next(name for name, end in zip(names, ends, strict=True) if number < end)
    reasons = [f"{rule} fits"]
    if len(names) > 1:
        reasons.append(f"of {rule.shares} it falls to {first} (its number is {number})")
    return [first, *(name for name in names if name != first)], reasons


def _first_of(
    order: Sequence[str],
    payment: Routable,
    rule: str,
    reasons: list[str],
    shunned: Mapping[str, str],
) -> Route:
    usable = [provider for provider in order if provider in payment.candidates]
    healthy = [provider for provider in usable if provider not in shunned]
    chosen = (healthy or usable)[0]
    for provider in order[: order.index(chosen)]:
        if provider in shunned and provider in usable:
            reasons.append(f"{provider} is passed over: {shunned[provider]}")
        else:
            reasons.append(f"{provider} cannot charge what the customer pays with")
    if not healthy:
        reasons.append(f"{chosen} is all there is, though {shunned[chosen]}")
    others = tuple(provider for provider in usable if provider != chosen)
    return Route(chosen, others, rule, tuple(reasons))
