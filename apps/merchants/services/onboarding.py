"""Taking merchants on, and their keys. All of it is rare and goes through the ORM."""

from __future__ import annotations

import secrets
import string
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from functools import cache
from uuid import UUID
from zoneinfo import available_timezones

from django.conf import settings
from django.db import transaction

from apps.core import db, money
from apps.core.errors import Conflict, InvalidRequest, NotFound
from apps.core.ids import new_id
from apps.core.money import Money
from apps.core.types import Actor
from apps.ledger import services as ledger
from apps.merchants import selectors
from apps.merchants.models import ApiKey, Merchant
from apps.merchants.services.fees import add_plan
from apps.merchants.services.recording import record, require_country
from apps.merchants.types import SCOPES

# A merchant's first plan holds for every moment before its successor.
SINCE_EVER = datetime(1970, 1, 1, tzinfo=UTC)
DEFAULT_OVERLAP = timedelta(hours=24)

# It reads a folder of six hundred files.
_time_zones = cache(available_timezones)

_PUBLIC = string.digits + string.ascii_lowercase
_SECRET = string.digits + string.ascii_letters


class KeyGone(Conflict):
    """A key that was revoked or has expired cannot be rotated."""

    code = "api_key_gone"


def onboard(
    *,
    name: str,
    country: str,
    default_currency: str,
    time_zone: str = "UTC",
    basis_points: int = 300,
    fixed: Money | None = None,
    actor: Actor,
    now: datetime,
    id: UUID | None = None,  # noqa: A002
) -> Merchant:
    """Take a merchant on: a book whose days begin in `time_zone`, a fee plan for every method.

    `basis_points` of the gross is the fee in every currency; a `fixed` part, if given, is added to
    payments in its own currency.
    Retries: give `id`, and a second call finds it taken (IntegrityError) instead of making a twin.
    Transaction: its own, or a part of the caller's.

    :raises InvalidRequest: a country, currency or time zone that does not exist.
    """
    require_country(country)
    if not money.is_currency(default_currency):
        raise InvalidRequest("Unknown currency.", param="default_currency")
    if time_zone not in _time_zones():
        raise InvalidRequest("Unknown time zone.", param="time_zone")
    with transaction.atomic():
        merchant = Merchant.objects.create(
            id=id or new_id(),
            name=name,
            country=country,
            default_currency=default_currency,
            time_zone=time_zone,
        )
        ledger.open_book(book_id=merchant.id, time_zone=time_zone)
        add_plan(book_id=merchant.id, basis_points=basis_points, valid_from=SINCE_EVER)
        if fixed is not None:
            add_plan(
                book_id=merchant.id,
                basis_points=basis_points,
                valid_from=SINCE_EVER,
                currency=fixed.currency.code,
                fixed=fixed,
            )
        record(merchant.id, "merchant.onboarded", {"country": country}, actor, now)
    return merchant


def change_status(*, book_id: UUID, status: str, actor: Actor, now: datetime) -> None:
    """Suspend, close or reactivate a merchant: only an ACTIVE one's keys are let in.

    Takes hold at once in this process, and within a second in others.

    :raises NotFound: no such merchant.
    """
    with transaction.atomic():
        if not Merchant.objects.filter(id=book_id).update(status=Merchant.Status(status)):
            raise NotFound("No such merchant.")
        record(book_id, "merchant.status_changed", {"status": status}, actor, now)
    db.on_commit(selectors.keys.forget_all)


def issue_key(
    *,
    book_id: UUID,
    scopes: Collection[str] = SCOPES,
    name: str = "",
    requests_per_second: int | None = None,
    expires_at: datetime | None = None,
    actor: Actor,
    now: datetime,
) -> tuple[ApiKey, str]:
    """Make a key of this deployment's mode. The plaintext is returned here and never again.

    Transaction: its own, or a part of the caller's.

    :raises InvalidRequest: a scope that does not exist.
    :raises NotFound: no such merchant.
    """
    unknown = set(scopes) - SCOPES
    if unknown:
        raise InvalidRequest(f"Unknown scopes: {', '.join(sorted(unknown))}.", param="scopes")
    mode = settings.PAYSYS_MODE
    prefix = f"sk_{mode}_{_random(_PUBLIC, 12)}"
    plaintext = prefix + _random(_SECRET, 32)
    with transaction.atomic():
        key = ApiKey.objects.create(
            prefix=prefix,
            book=selectors.get(book_id),
            digest=selectors.digest_of(plaintext),
            name=name,
            mode=mode,
            scopes=sorted(scopes),
            requests_per_second=requests_per_second,
            expires_at=expires_at,
        )
        record(book_id, "api_key.issued", {"key": prefix, "scopes": key.scopes}, actor, now)
    return key, plaintext


def rotate_key(
    *,
    book_id: UUID,
    prefix: str,
    overlap: timedelta = DEFAULT_OVERLAP,
    actor: Actor,
    now: datetime,
) -> tuple[ApiKey, str]:
    """Make a successor with the same rights; the old key works on for `overlap`.

    Transaction: its own, or a part of the caller's.

    :raises NotFound: this merchant has no such key.
    :raises KeyGone: it was revoked or has expired.
    """
    with transaction.atomic():
        old = _lock_key(book_id, prefix)
        if old.revoked_at is not None or (old.expires_at is not None and old.expires_at <= now):
            raise KeyGone("A key that no longer works has no successor; issue a new one.")
        successor = issue_key(
            book_id=book_id,
            scopes=old.scopes,
            name=old.name,
            requests_per_second=old.requests_per_second,
            expires_at=old.expires_at,
            actor=actor,
            now=now,
        )
        end = now + overlap
        old.expires_at = min(old.expires_at, end) if old.expires_at else end
        old.save(update_fields=["expires_at"])
        facts = {"key": prefix, "successor": successor[0].prefix}
        record(book_id, "api_key.rotated", facts, actor, now)
    _forget_key(prefix)
    return successor


def revoke_key(*, book_id: UUID, prefix: str, actor: Actor, now: datetime) -> None:
    """End a key: at once in this process, within `selectors.KEY_SECONDS` in the others.

    Retries: revoking it again changes nothing.
    Transaction: its own, or a part of the caller's.

    :raises NotFound: this merchant has no such key.
    """
    with transaction.atomic():
        key = _lock_key(book_id, prefix)
        if key.revoked_at is not None:
            return
        key.revoked_at = now
        key.save(update_fields=["revoked_at"])
        record(book_id, "api_key.revoked", {"key": prefix}, actor, now)
    _forget_key(prefix)


def note_use(*, prefix: str, now: datetime) -> None:
    """Remember the day on which a key was last used: one write per key and day.

    Retries: harmless. Transaction: its own statement.
    """
    today = now.astimezone(UTC).date()
    key = ApiKey.objects.filter(prefix=prefix)
    key.exclude(last_used_on__gte=today).update(last_used_on=today)


def _lock_key(book_id: UUID, prefix: str) -> ApiKey:
    key = ApiKey.objects.select_for_update().filter(book_id=book_id, prefix=prefix).first()
    if key is None:
        raise NotFound("No such API key.")
    return key


def _forget_key(prefix: str) -> None:
    db.on_commit(lambda: selectors.keys.forget(prefix))


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))
