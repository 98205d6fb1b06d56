"""Who is asking, and what does it cost them."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import product
from typing import Generic, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from apps.core import clock
from apps.core.errors import AuthenticationFailed, NotFound, PermissionDenied, Unprocessable
from apps.core.money import Money
from apps.core.types import Invariant
from apps.merchants.models import ApiKey, FeePlan, Merchant
from apps.merchants.types import Caller, FeeQuote, fee_on

# What a process remembers between requests. The process that revokes a key or changes a plan
# forgets at once; the others do within these seconds, and no refusal is ever remembered. A leaked
# key gains a second by it, and a busy one saves a query per request.
KEY_SECONDS = 1.0
PLAN_SECONDS = 5.0
REMEMBERED = 10_000  # entries of each kind

PREFIX_LENGTH = len("sk_test_") + 12
_KEY = re.compile(r"sk_(test|live)_[0-9a-z]{12}[0-9A-Za-z]{32}")

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class KeyMissing(AuthenticationFailed):
    """No key was given, or not as `Authorization: Bearer sk_…`."""

    code = "api_key_missing"
    says = "Give your API key as 'Authorization: Bearer sk_…'."


class KeyUnknown(AuthenticationFailed):
    """Nobody holds this key."""


class KeyExpired(AuthenticationFailed):
    """The key was replaced or has run out."""

    code = "api_key_expired"
    says = "This API key has expired."


class KeyRevoked(AuthenticationFailed):
    """The key was revoked."""

    code = "api_key_revoked"
    says = "This API key was revoked."


class KeyOfOtherMode(AuthenticationFailed):
    """A test key in live mode, or the other way round."""

    code = "api_key_wrong_mode"


class MerchantInactive(PermissionDenied):
    """The merchant of the key is suspended or closed."""

    code = "merchant_inactive"
    says = "This merchant's account is not active."


class NoFeePlan(Unprocessable):
    """Nobody has agreed what such a payment costs this merchant."""

    code = "no_fee_plan"


class Remembered(Generic[K, V]):
    """A small memory of one process: what `load` said, for `seconds`."""

    def __init__(
        self,
        load: Callable[[K], V | None],
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._seconds = seconds
        self._clock = clock
        self._entries: dict[K, tuple[float, V]] = {}

    def get(self, key: K) -> V | None:
        """The value, at most `seconds` old; what does not exist is asked for every time.

        Inside a transaction it is asked for too: what that sees may be rolled back.
        """
        if connection.in_atomic_block:
            return self._load(key)
        entry = self._entries.get(key)
        now = self._clock()
        if entry is not None and now < entry[0]:
            return entry[1]
        value = self._load(key)
        if value is None:
            self.forget(key)
            return None
        if len(self._entries) >= REMEMBERED:
            self._entries.clear()
        self._entries[key] = (now + self._seconds, value)
        return value

    def forget(self, key: K) -> None:
        """Ask again at the next `get`."""
        self._entries.pop(key, None)

    def forget_all(self) -> None:
        """Ask again for everything."""
        self._entries.clear()


@dataclass(slots=True)
class KnownKey:
    """A key's row as authentication needs it."""

    digest: bytes
    caller: Caller
    merchant_status: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_on: date | None


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


def digest_of(plaintext: str) -> bytes:
    """The keyed hash under which a key is stored: HMAC-SHA256 with `PAYSYS_KEY_PEPPER`."""
    return hmac.digest(settings.PAYSYS_KEY_PEPPER.encode(), plaintext.encode(), hashlib.sha256)


def by_api_key(plaintext: str, now: datetime) -> Caller:
    """Whose key this is. One query, or none within a second of the last time.

    :raises KeyUnknown: it is nobody's.
    :raises KeyOfOtherMode: a key of the mode this deployment is not in.
    :raises KeyRevoked: it was revoked.
    :raises KeyExpired: it was replaced, or its time is over.
    :raises MerchantInactive: its merchant is suspended or closed.
    """
    return known_key(plaintext, now).caller


def known_key(plaintext: str, now: datetime) -> KnownKey:
    """As `by_api_key`, with all that is known of the key."""
    if not _KEY.fullmatch(plaintext):
        raise KeyUnknown
    mode = settings.PAYSYS_MODE
    if not plaintext.startswith(f"sk_{mode}_"):
        raise KeyOfOtherMode(f"This is no key of {mode} mode.")
    known = keys.get(plaintext[:PREFIX_LENGTH])
    # An unknown prefix takes the time of a known one.
    stored = known.digest if known is not None else bytes(32)
    if not hmac.compare_digest(stored, digest_of(plaintext)) or known is None:
        raise KeyUnknown
    if known.revoked_at is not None:
        raise KeyRevoked
    if known.expires_at is not None and known.expires_at <= now:
        raise KeyExpired
    if known.merchant_status != Merchant.Status.ACTIVE:
        raise MerchantInactive
    return known


def fee_for(
    *,
    book_id: UUID,
    method: str,
    amount: Money,
    country: str = "",
    now: datetime | None = None,
) -> FeeQuote:
    """What a payment of `amount` (gross) by `method` (`card`, `wallet`, …) costs the merchant.

    `country` is the card's, as two capitals, or empty as long as nobody knows it. The most specific
    plan decides, and the method tells more than the currency, the currency more than the country:
    a plan for cards in any currency goes before one for any method in dollars, and a plan for
    cards in dollars before one for cards in any currency from Brazil. Of the plans for the same,
    the newest that is valid at `now`. The fee is rounded half up to the minor unit, lies within the
    plan's minimum and cap, and is never above the gross.

    One query, or none within five seconds of the last time.

    :raises NoFeePlan: none covers it.
    """
    currency = amount.currency.code
    plan = _plan_for(book_id, method, currency, country, now or clock.now())
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


def get(id: UUID) -> Merchant:  # noqa: A002
    """The merchant whose id (and book's id) this is.

    :raises NotFound: there is none.
    """
    merchant = Merchant.objects.filter(id=id).first()
    if merchant is None:
        raise NotFound("No such merchant.")
    return merchant


def list_keys(*, book_id: UUID) -> QuerySet[ApiKey]:
    """A merchant's keys, newest first."""
    return ApiKey.objects.filter(book_id=book_id).order_by("-created_at", "prefix")


def list_fee_plans(*, book_id: UUID) -> QuerySet[FeePlan]:
    """A merchant's plans, in the order in which they begin."""
    in_order = ("method", "currency", "country", "valid_from")
    return FeePlan.objects.filter(book_id=book_id).order_by(*in_order)


def _plan_for(
    book_id: UUID, method: str, currency: str, country: str, moment: datetime
) -> KnownPlan | None:
    """The plan that decides; the order of the product is the order in `fee_for`."""
    of_merchant = plans.get(book_id) or {}
    any_ = FeePlan.ANY
    for key in product((method, any_), (currency, any_), (country, any_)):
        for plan in of_merchant.get(key, ()):
            if plan.valid_from <= moment:
                return plan
    return None


def _load_key(prefix: str) -> KnownKey | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT k.digest, k.book_id, k.scopes, k.requests_per_second, m.status,"
            " k.expires_at, k.revoked_at, k.last_used_on"
            " FROM merchants_api_key k JOIN merchants_merchant m ON m.id = k.book_id"
            " WHERE k.prefix = %s",
            (prefix,),
        )
        row = cursor.fetchone()
    if row is None:
        return None
    digest, book_id, scopes, rate, status, expires_at, revoked_at, last_used_on = row
    return KnownKey(
        digest=bytes(digest),
        caller=Caller(
            book_id=book_id,
            key_id=prefix,
            scopes=frozenset(scopes),
            requests_per_second=rate or settings.PAYSYS_RATE_LIMIT_PER_SECOND,
        ),
        merchant_status=status,
        expires_at=expires_at,
        revoked_at=revoked_at,
        last_used_on=last_used_on,
    )


PlansOfMerchant = dict[tuple[str, str, str], list[KnownPlan]]


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
        found.setdefault((plan.method, plan.currency, plan.country), []).append(known)
    return found or None


keys: Remembered[str, KnownKey] = Remembered(_load_key, KEY_SECONDS)
plans: Remembered[UUID, PlansOfMerchant] = Remembered(_load_plans, PLAN_SECONDS)

INVARIANTS = (
    Invariant(
        name="merchant_has_fee_plan",
        sql="""
            SELECT m.id, m.name FROM merchants_merchant m
            WHERE NOT EXISTS (SELECT FROM merchants_fee_plan p WHERE p.book_id = m.id)""",
        says="Every merchant has a fee plan.",
    ),
    Invariant(
        name="api_key_is_hashed",
        sql="SELECT prefix FROM merchants_api_key WHERE octet_length(digest) <> 32",
        says="Of every API key only its prefix and a hash of 32 bytes are stored.",
    ),
)
