"""What a payment costs the merchant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import product
from uuid import UUID

from django.db.models import QuerySet

from apps.core import clock
from apps.core.errors import Unprocessable
from apps.core.memory import Remembered
from apps.core.money import Money
from apps.merchants.models import FeePlan
from apps.merchants.types import FeeQuote, fee_on

PLAN_SECONDS = 5.0


class NoFeePlan(Unprocessable):
    """Nobody has agreed what such a payment costs this merchant."""

    code = "no_fee_plan"


@dataclass(frozen=True, slots=True)
class KnownPlan:
    """A fee plan's row."""

    id: UUID
    basis_points: int
    fixed_amount: Decimal
    minimum_amount: Decimal
    cap_amount: Decimal | None
    returns_percentage: bool
    returns_fixed: bool
    valid_from: datetime


def fee_for(
    *,
    book_id: UUID,
    method: str,
    amount: Money,
    country: str = "",
    funding: str = "",
    now: datetime | None = None,
) -> FeeQuote:
    """What a payment of `amount` (gross) by `method` (`card`, `wallet`, …) costs the merchant.

    `country` is the card's, as two capitals, and `funding` a `Funding`; both are empty as long as
    nobody knows them. The most specific plan decides, and the method tells more than the currency,
    the currency more than the country, the country more than the funding: a plan for cards in any
    currency goes before one for any method in dollars, a plan for cards in dollars before one for
    cards in any currency from Brazil, and that before one for debit cards from anywhere. Of the
    plans for the same, the newest that is valid at `now`. The fee is rounded half up to the minor
    unit, lies within the plan's minimum and cap, and is never above the gross.

    One query, or none within five seconds of the last time.

    :raises NoFeePlan: none covers it.
    """
    currency = amount.currency.code
    plan = _plan_for(book_id, (method, currency, country, funding), now or clock.now())
    if plan is None:
        raise NoFeePlan(f"There is no fee plan for {method} payments in {currency}.")
    fixed, minimum = Money(plan.fixed_amount, currency), Money(plan.minimum_amount, currency)
    cap = None if plan.cap_amount is None else Money(plan.cap_amount, currency)
    return FeeQuote(
        plan_id=plan.id,
        basis_points=plan.basis_points,
        fixed=fixed,
        minimum=minimum,
        cap=cap,
        fee=fee_on(amount, basis_points=plan.basis_points, fixed=fixed, minimum=minimum, cap=cap),
        returns_percentage=plan.returns_percentage,
        returns_fixed=plan.returns_fixed,
    )


def list_fee_plans(*, book_id: UUID) -> QuerySet[FeePlan]:
    """A merchant's plans, in the order in which they begin."""
    in_order = ("method", "currency", "country", "funding", "valid_from")
    return FeePlan.objects.filter(book_id=book_id).order_by(*in_order)


def _plan_for(book_id: UUID, facts: PlanKey, moment: datetime) -> KnownPlan | None:
    """The plan that decides; the order of the product is the order in `fee_for`."""
    of_merchant = plans.get(book_id) or {}
    for key in product(*((fact, FeePlan.ANY) for fact in facts)):
        for plan in of_merchant.get(key, ()):
            if plan.valid_from <= moment:
                return plan
    return None


PlanKey = tuple[str, ...]  # method, currency, country, funding
PlansOfMerchant = dict[PlanKey, list[KnownPlan]]


def _load_plans(book_id: UUID) -> PlansOfMerchant | None:
    """All plans of a merchant, those for the same newest first; they are few."""
    found: PlansOfMerchant = {}
    for plan in FeePlan.objects.filter(book_id=book_id).order_by("-valid_from"):
        known = KnownPlan(
            id=plan.id,
            basis_points=plan.basis_points,
            fixed_amount=plan.fixed_amount,
            minimum_amount=plan.minimum_amount,
            cap_amount=plan.cap_amount,
            returns_percentage=plan.returns_percentage,
            returns_fixed=plan.returns_fixed,
            valid_from=plan.valid_from,
        )
        key = (plan.method, plan.currency, plan.country, plan.funding)
        found.setdefault(key, []).append(known)
    return found or None


plans: Remembered[UUID, PlansOfMerchant] = Remembered(_load_plans, PLAN_SECONDS)
