"""What a caller is and what a payment costs, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from apps.core import money
from apps.core.money import Money, from_minor
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
        "transfers:read",
        "transfers:write",
        "wallets:read",
        "wallets:write",
        "events:read",
        "webhook_endpoints:read",
        "webhook_endpoints:write",
        "quotes:read",
        "quotes:write",
        "disputes:read",
        "disputes:write",
        "balance:read",
        "bank_accounts:read",
        "bank_accounts:write",
        "payouts:read",
        "payouts:write",
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


class Funding(StrEnum):
    """Whose money a card spends: its bank's, its holder's, or what was paid in before."""

    CREDIT = "credit"
    DEBIT = "debit"
    PREPAID = "prepaid"


class Interval(StrEnum):
    """Whether payable money leaves by itself."""

    DAILY = "daily"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Terms:
    """How a merchant is paid out.

    What is captured is payable after `delay_days`; of what becomes payable `reserve_basis_points`
    are kept for `reserve_days`. `minimums` are in minor units, by currency.
    """

    delay_days: int
    interval: Interval = Interval.MANUAL
    reserve_basis_points: int = 0
    reserve_days: int = 0
    minimums: Mapping[str, int] = field(default_factory=dict)

    def minimum(self, currency: str) -> Money:
        """The least that a daily payout in this currency pays; zero if nothing is agreed."""
        return from_minor(self.minimums.get(currency, 0), currency)


@dataclass(frozen=True, slots=True)
class BankDetails:
    """A bank account in the clear: on its way in, or on its way to a provider; never written.

    `number` is an IBAN if `is_iban` says so, else what the country calls an account number.
    """

    holder: str = field(repr=False)
    number: str = field(repr=False)
    country: str
    currency: str
    routing_number: str = field(default="", repr=False)
    is_iban: bool = False


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
