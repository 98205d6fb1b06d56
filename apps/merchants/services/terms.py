"""On which terms a merchant is paid out: when, how much is kept back, and by itself or not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction

from apps.core import db, money
from apps.core.errors import InvalidRequest
from apps.core.types import Actor
from apps.merchants import selectors
from apps.merchants.models import PayoutTerms
from apps.merchants.services.recording import record
from apps.merchants.types import Interval

# Nobody's money is kept for longer.
MAX_DAYS = 730


def set_payout_terms(
    *,
    book_id: UUID,
    interval: Interval,
    delay_days: int,
    reserve_basis_points: int = 0,
    reserve_days: int = 0,
    minimums: Mapping[str, int] | None = None,
    actor: Actor,
    now: datetime,
) -> None:
    """Agree new terms with a merchant, in place of all there were.

    What is captured from now on is payable after `delay_days`; of what becomes payable
    `reserve_basis_points` are kept for `reserve_days`; what is credited or kept already stays as it
    is. `minimums` are in minor units by currency: the least that a daily payout pays.
    Retries: the same terms again change nothing but the audit trail.
    Transaction: its own, or a part of the caller's. Other processes follow within 5 s.

    :raises InvalidRequest: days, basis points, a currency or a minimum that cannot be.
    :raises NotFound: no such merchant.
    """
    minimums = dict(minimums or {})
    _require_days(delay_days=delay_days, reserve_days=reserve_days)
    if not 0 <= reserve_basis_points <= 10_000:
        raise InvalidRequest("A fraction is 0 to 10000 basis points.", param="reserve_basis_points")
    if bool(reserve_basis_points) != bool(reserve_days):
        raise InvalidRequest("A reserve is a part, for some days.", param="reserve_days")
    for currency, minimum in minimums.items():
        if not money.is_currency(currency) or type(minimum) is not int or minimum < 1:
            raise InvalidRequest("A minimum is a currency's minor units.", param="minimums")
    agreed = {
        "interval": str(interval),
        "delay_days": delay_days,
        "reserve_basis_points": reserve_basis_points,
        "reserve_days": reserve_days,
        "minimums": minimums,
    }
    with transaction.atomic():
        selectors.get(book_id)
        PayoutTerms.objects.update_or_create(
            book_id=book_id, defaults={**agreed, "updated_at": now}
        )
        record(book_id, "payout_terms.set", agreed, actor, now)
    db.on_commit(lambda: selectors.terms.forget(book_id))


def _require_days(**given: int) -> None:
    for param, days in given.items():
        if not 0 <= days <= MAX_DAYS:
            raise InvalidRequest(f"0 to {MAX_DAYS} days.", param=param)
