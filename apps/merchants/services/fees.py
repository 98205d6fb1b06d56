"""What a merchant's payments cost: plans that supersede each other."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from apps.core import db, money
from apps.core.errors import Conflict, InvalidRequest
from apps.core.money import Money
from apps.core.types import Actor
from apps.merchants import selectors
from apps.merchants.models import FeePlan
from apps.merchants.services.recording import record, require_country
from apps.merchants.types import Funding


class PlanInThePast(Conflict):
    """A plan would change what payments already made have cost."""

    code = "fee_plan_in_the_past"


def set_fee_plan(
    *,
    book_id: UUID,
    method: str,
    currency: str,
    country: str = FeePlan.ANY,
    funding: str = FeePlan.ANY,
    basis_points: int,
    fixed: Money | None = None,
    minimum: Money | None = None,
    cap: Money | None = None,
    returns_percentage: bool = True,
    returns_fixed: bool = False,
    valid_from: datetime,
    actor: Actor,
    now: datetime,
) -> FeePlan:
    """Supersede the plan of a method, currency, card's country and funding from `valid_from` on.

    `FeePlan.ANY` stands for all of them; which plan decides when several fit, `fee_for` says.
    Payments keep the numbers they were made with. `fixed`, `minimum` and `cap` are in major units
    of `currency`: the fee is at least the minimum, at most the cap, and never above the payment.
    `returns_…` say which parts of a fee go back with a refund.
    Transaction: its own, or a part of the caller's. Other processes follow within 5 s.

    :raises InvalidRequest: an unknown currency, no country's code, no `Funding`, a fraction outside
        0…10000, an amount that is negative, not whole or of another currency, or a cap below
        the minimum.
    :raises PlanInThePast: `valid_from` is before `now`.
    :raises Conflict: there is a plan with this very beginning.
    """
    if currency != FeePlan.ANY and not money.is_currency(currency):
        raise InvalidRequest("Unknown currency.", param="currency")
    if country != FeePlan.ANY:
        require_country(country)
    if funding not in (FeePlan.ANY, *Funding):
        raise InvalidRequest("A card's funding is credit, debit or prepaid.", param="funding")
    if not 0 <= basis_points <= 10_000:
        raise InvalidRequest("A fraction is 0 to 10000 basis points.", param="basis_points")
    _require_amounts(currency, fixed=fixed, minimum=minimum, cap=cap)
    if cap is not None and minimum is not None and cap < minimum:
        raise InvalidRequest("The cap is not below the minimum.", param="cap")
    if valid_from < now:
        raise PlanInThePast("A plan begins now or later.")
    plans = FeePlan.objects.filter(
        book_id=book_id, method=method, currency=currency, country=country, funding=funding
    )
    with transaction.atomic():
        selectors.get(book_id)
        if plans.filter(valid_from=valid_from).exists():
            raise Conflict("There is a plan that begins at this moment.")
        plan = add_plan(
            book_id=book_id,
            method=method,
            currency=currency,
            country=country,
            funding=funding,
            basis_points=basis_points,
            fixed=fixed,
            minimum=minimum,
            cap=cap,
            valid_from=valid_from,
            returns_percentage=returns_percentage,
            returns_fixed=returns_fixed,
        )
        record(book_id, "fee_plan.set", {"plan": str(plan.id)}, actor, now)
    db.on_commit(lambda: selectors.plans.forget(book_id))
    return plan


def add_plan(
    *,
    book_id: UUID,
    basis_points: int,
    valid_from: datetime,
    method: str = FeePlan.ANY,
    currency: str = FeePlan.ANY,
    country: str = FeePlan.ANY,
    funding: str = FeePlan.ANY,
    fixed: Money | None = None,
    minimum: Money | None = None,
    cap: Money | None = None,
    returns_percentage: bool = True,
    returns_fixed: bool = False,
) -> FeePlan:
    return FeePlan.objects.create(
        book_id=book_id,
        method=method,
        currency=currency,
        country=country,
        funding=funding,
        basis_points=basis_points,
        fixed_amount=fixed.amount if fixed is not None else 0,
        minimum_amount=minimum.amount if minimum is not None else 0,
        cap_amount=cap.amount if cap is not None else None,
        returns_percentage=returns_percentage,
        returns_fixed=returns_fixed,
        valid_from=valid_from,
    )


def _require_amounts(currency: str, **parts: Money | None) -> None:
    for param, part in parts.items():
        if part is None:
            continue
        if part.currency.code != currency:
            raise InvalidRequest("Amounts are in the plan's currency.", param=param)
        if part.amount < 0 or money.round_minor(part) != part:
            raise InvalidRequest("Amounts are in whole minor units.", param=param)
