"""The chart of accounts: every code there is, with its type, its side, its row and its floor.

The one place where an account's code is built. Every account exists once per book and currency and
is opened by the first posting that names it. `ledger_chart()` is this table's twin in the database,
which refuses an account that is not of the chart; a test holds the two against each other.

A *row* account keeps its balance in its row, locked and guarded by its floor at every posting. All
others are never locked, however many payments touch them: their balance is computed from entries.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from uuid import UUID

from apps.ledger.types import AccountType, EntryType

MERCHANT_PENDING = "merchant:pending"
MERCHANT_PAYABLE = "merchant:payable"
MERCHANT_DISPUTED = "merchant:disputed"
MERCHANT_RESERVE = "merchant:reserve"
PAYMENT_UNALLOCATED = "payment:unallocated"
REFUND_PAYABLE = "refund:payable"
PAYOUT_IN_TRANSIT = "payout:in_transit"
BANK_IN_TRANSIT = "bank:in_transit"
PLATFORM_BANK = "platform:bank"
PLATFORM_EXCESS = "platform:excess"
PLATFORM_LOSSES = "platform:losses"
PLATFORM_PROMOTIONS = "platform:promotions"
PLATFORM_FEES = "platform:fees"
PLATFORM_FX_REVENUE = "platform:fx_revenue"
PLATFORM_FX_RESULT = "platform:fx_result"
PLATFORM_FX = "platform:fx"
PLATFORM_SUSPENSE = "platform:suspense"

# The book of what belongs to no merchant.
PLATFORM_BOOK = UUID(int=0)


def wallet_available(wallet_id: UUID) -> str:
    return f"wallet:{wallet_id}:available"


def wallet_held(wallet_id: UUID) -> str:
    return f"wallet:{wallet_id}:held"


def wallet_promo(wallet_id: UUID) -> str:
    return f"wallet:{wallet_id}:promo"


def provider_clearing(provider: str) -> str:
    return f"provider:{provider}:clearing"


def provider_disputed(provider: str) -> str:
    return f"provider:{provider}:disputed"


def provider_fees(provider: str) -> str:
    return f"provider:{provider}:fees"


class UnknownCode(Exception):
    """Not the code of an account of the chart: a bug in whoever built it elsewhere."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for every account whose code matches `pattern`."""

    pattern: str
    account_type: AccountType
    has_row: bool
    floor: Decimal | None
    what: str

    @property
    def normal_side(self) -> EntryType:
        """The side that makes it grow: debit for what we own or spend, credit for the rest."""
        grows_by_debit = self.account_type in {AccountType.ASSET, AccountType.EXPENSE}
        return EntryType.DEBIT if grows_by_debit else EntryType.CREDIT


WALLET_ID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
PROVIDER = "[a-z][a-z0-9_]{0,29}"
_ZERO = Decimal(0)


def _row(pattern: str, account_type: AccountType, floor: Decimal | None, what: str) -> Rule:
    return Rule(pattern, account_type, True, floor, what)  # noqa: FBT003


def _hot(pattern: str, account_type: AccountType, what: str) -> Rule:
    return Rule(pattern, account_type, False, None, what)  # noqa: FBT003


_ASSET, _LIABILITY, _EQUITY = AccountType.ASSET, AccountType.LIABILITY, AccountType.EQUITY
_REVENUE, _EXPENSE = AccountType.REVENUE, AccountType.EXPENSE

CHART: tuple[Rule, ...] = (
    _row(f"wallet:{WALLET_ID}:available", _LIABILITY, _ZERO, "what the customer can spend"),
    _row(f"wallet:{WALLET_ID}:held", _LIABILITY, _ZERO, "reserved by open holds"),
    _row(f"wallet:{WALLET_ID}:promo", _LIABILITY, _ZERO, "promotional credit, spent first"),
    _hot(PAYMENT_UNALLOCATED, _LIABILITY, "captured, not yet credited"),
    _hot(MERCHANT_PENDING, _LIABILITY, "credited, not yet available"),
    _row(MERCHANT_PAYABLE, _LIABILITY, None, "what may be paid out; payouts are guarded lines"),
    _hot(MERCHANT_DISPUTED, _LIABILITY, "set aside while a dispute is open"),
    _row(MERCHANT_RESERVE, _LIABILITY, _ZERO, "the merchant's reserve"),
    _hot(REFUND_PAYABLE, _LIABILITY, "refunds promised, not confirmed; refused compensations"),
    _hot(PAYOUT_IN_TRANSIT, _LIABILITY, "payouts and withdrawals promised, not confirmed"),
    _hot(f"provider:{PROVIDER}:clearing", _ASSET, "our balance at the provider"),
    _hot(f"provider:{PROVIDER}:disputed", _ASSET, "withdrawn for open disputes, may come back"),
    _hot(BANK_IN_TRANSIT, _ASSET, "left the provider, not on the statement"),
    _hot(PLATFORM_BANK, _ASSET, "cash"),
    _hot(PLATFORM_EXCESS, _ASSET, "went out beyond the budget; each amount has a case"),
    _hot(f"provider:{PROVIDER}:fees", _EXPENSE, "what providers keep"),
    _hot(PLATFORM_LOSSES, _EXPENSE, "disputes we carry, write-offs"),
    _hot(PLATFORM_PROMOTIONS, _EXPENSE, "promotional credit granted"),
    _hot(PLATFORM_FEES, _REVENUE, "what we earn"),
    _hot(PLATFORM_FX_REVENUE, _REVENUE, "spread and conversion rounding"),
    _hot(PLATFORM_FX_RESULT, _REVENUE, "gain (credit) or loss on positions"),
    _hot(PLATFORM_FX, _EQUITY, "open position: credit = long"),
    _hot(PLATFORM_SUSPENSE, _LIABILITY, "not understood; each amount has a case"),
)

_COMPILED = tuple((re.compile(rule.pattern), rule) for rule in CHART)


@lru_cache(maxsize=65_536)
def rule_of(code: str) -> Rule:
    """The rule of the chart that a code falls under.

    :raises UnknownCode: none.
    """
    for pattern, rule in _COMPILED:
        if pattern.fullmatch(code):
            return rule
    raise UnknownCode(code)
