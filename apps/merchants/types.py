"""What a caller is and what a payment costs, as values."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from apps.core import money
from apps.core.money import Money
from apps.core.types import Actor

# Everything a key can be allowed to do. A scope implies no other: writing is not reading.
SCOPES = frozenset(
    {
        "payments:read",
        "payments:write",
        "refunds:read",
        "refunds:write",
        "customers:read",
        "customers:write",
        "payment_methods:read",
        "payment_methods:write",
        "events:read",
        "quotes:read",
        "quotes:write",
    }
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking: the holder of one API key. It is a request's `auth` and its `user`."""

    book_id: UUID
    key_id: str
    scopes: frozenset[str]
    requests_per_second: int
    is_authenticated: bool = True

    @property
    def actor(self) -> Actor:
        """The caller as the audit trail names it."""
        return f"key:{self.key_id}"


@dataclass(frozen=True, slots=True)
class FeeQuote:
    """The fee of one amount, and the numbers behind it, to be kept with the payment.

    A payment keeps these numbers for its life: a plan that changes later does not reach it.
    """

    plan_id: UUID
    basis_points: int
    fixed: Money
    minimum: Money
    cap: Money | None
    fee: Money
    returns_percentage: bool
    returns_fixed: bool


def fee_on(
    amount: Money,
    *,
    basis_points: int,
    fixed: Money,
    minimum: Money | None = None,
    cap: Money | None = None,
) -> Money:
    """The fee on `amount`: its fraction, rounded half up, plus the fixed part.

    At least `minimum` and at most `cap`, where the plan has one; never above the amount itself, not
    even for the minimum's sake. All of them are in the amount's currency and whole in its minor
    unit, and so is the fee.
    """
    fee = money.fraction(amount, basis_points) + fixed
    if minimum is not None:
        fee = max(fee, minimum)
    if cap is not None:
        fee = min(fee, cap)
    return min(fee, amount)
