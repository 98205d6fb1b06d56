"""Who is asking."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from apps.core import ids
from apps.core.errors import AuthenticationFailed, NotFound, PermissionDenied
from apps.core.memory import Remembered
from apps.merchants.models import ApiKey, Merchant
from apps.merchants.types import Caller

# A leaked key gains a second by it, and a busy one saves a query per request.
KEY_SECONDS = 1.0
NAME_SECONDS = 60.0

PREFIX_LENGTH = len("sk_test_") + 12
_KEY = re.compile(r"sk_(test|live)_[0-9a-z]{12}[0-9A-Za-z]{32}")


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


@dataclass(slots=True)
class KnownKey:
    """A key's row as authentication needs it."""

    digest: bytes
    caller: Caller
    merchant_status: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_on: date | None


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


def get(id: UUID) -> Merchant:  # noqa: A002
    """The merchant whose id (and book's id) this is.

    :raises NotFound: there is none.
    """
    merchant = Merchant.objects.filter(id=id).first()
    if merchant is None:
        raise NotFound("No such merchant.")
    return merchant


def name_of(book_id: UUID) -> str:
    """What a merchant is called, at most a minute ago; nobody is called by the public id."""
    return _names.get(book_id) or ids.encode("merchant", book_id)


def list_keys(*, book_id: UUID) -> QuerySet[ApiKey]:
    """A merchant's keys, newest first."""
    return ApiKey.objects.filter(book_id=book_id).order_by("-created_at", "prefix")


def _load_name(book_id: UUID) -> str | None:
    return Merchant.objects.filter(id=book_id).values_list("name", flat=True).first()


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


_names: Remembered[UUID, str] = Remembered(_load_name, NAME_SECONDS)
keys: Remembered[str, KnownKey] = Remembered(_load_key, KEY_SECONDS)
