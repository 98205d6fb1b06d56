"""Looking at payouts, and at the balance they are made from."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import OuterRef, QuerySet, Subquery, Sum

from apps.core import ids
from apps.core.errors import NotFound
from apps.core.money import Money
from apps.gateways import selectors as gateways
from apps.ledger import chart
from apps.ledger import selectors as ledger
from apps.ledger.types import Statement
from apps.payments.models import BalanceTransaction, Payout, PayoutItem
from apps.payments.types import BalancePart, PayoutKind, PayoutStatus
from apps.sagas import selectors as sagas

if TYPE_CHECKING:
    from apps.sagas.models import Run

OPEN = (PayoutStatus.PENDING, PayoutStatus.IN_TRANSIT)
_ZERO = Decimal(0)


# --- payouts --------------------------------------------------------------------------------------


def get(book_id: UUID, payout_id: UUID) -> Payout:
    """A payout or withdrawal of this merchant's.

    :raises NotFound: there is none, or it is somebody else's.
    """
    payout = find(book_id, payout_id)
    if payout is None:
        raise NotFound(f"No such payout: {ids.encode('po', payout_id)}.", param="id")
    return payout


def lock(book_id: UUID, payout_id: UUID) -> Payout:
    """The same, locked until the transaction ends."""
    return Payout.objects.select_for_update().get(book_id=book_id, id=payout_id)


def find(book_id: UUID, payout_id: UUID) -> Payout | None:
    return Payout.objects.filter(book_id=book_id, id=payout_id).first()


def list_payouts(book_id: UUID) -> QuerySet[Payout]:
    """A merchant's payouts, each with the run of its open call, so that a page asks once."""
    calls = gateways.open_calls().filter(book_id=book_id, payment_id=OuterRef("id"))
    open_run_id = Subquery(calls.values("run_id")[:1])
    return Payout.objects.filter(book_id=book_id).annotate(open_run_id=open_run_id)


def list_items(payout: Payout) -> QuerySet[PayoutItem]:
    """What a payout was made of, each with its line of the balance."""
    items = PayoutItem.objects.filter(book_id=payout.book_id, payout_id=payout.id)
    return items.select_related("balance_transaction")


def find_run(book_id: UUID, payout_id: UUID) -> Run | None:
    return sagas.find(book_id=book_id, saga="payout", subject_id=payout_id)


def find_check(book_id: UUID, payout_id: UUID) -> Run | None:
    """The newest run that asked whether a payout which was paid still stands."""
    return sagas.find(book_id=book_id, saga="payout_check", subject_id=payout_id)


def outcome_of(payout: Payout) -> tuple[str, datetime | None]:
    """(`known` or `unknown`, when we ask next): unknown while a call's end is."""
    if hasattr(payout, "open_run_id"):
        run_id: UUID | None = payout.open_run_id
    else:
        call = gateways.find_open_call(book_id=payout.book_id, payment_id=payout.id)
        run_id = call.run_id if call is not None else None
    return ("unknown", sagas.get(run_id).next_run_at) if run_id else ("known", None)


def has_automatic_payout(*, book_id: UUID, currency: str, now: datetime) -> bool:
    """Whether a payout left by itself today (UTC)."""
    today = datetime.combine(now.astimezone(UTC), time(), tzinfo=UTC)
    return Payout.objects.filter(
        book_id=book_id, currency=currency, kind=PayoutKind.AUTOMATIC, created_at__gte=today
    ).exists()


# --- the balance ----------------------------------------------------------------------------------


class Balance(NamedTuple):
    """What a merchant has in one currency, and where it stands."""

    currency: str
    pending: Money
    by_date: list[tuple[date, Money]]  # when what is pending becomes payable
    payable: Money
    reserve: Money
    in_transit: Money  # of the merchant's own payouts


_PENDING = """
SELECT currency, available_on, sum(net) FROM payments_balance_transaction
WHERE book_id = %s AND payable_at IS NULL GROUP BY 1, 2 ORDER BY 1, 2
"""
_ACCOUNTS = (chart.MERCHANT_PENDING, chart.MERCHANT_PAYABLE, chart.MERCHANT_RESERVE)


def balance_of(book_id: UUID) -> list[Balance]:
    """What a merchant has, by currency. Nothing is decided by it: see `services.create_payout`."""
    currencies = ledger.list_currencies(book_id=book_id, codes=_ACCOUNTS)
    accounts = [
        (code, currency)
        for currency in currencies
        for code in (chart.MERCHANT_PAYABLE, chart.MERCHANT_RESERVE)
    ]
    standing = iter(ledger.balances(book_id=book_id, accounts=accounts))
    with connection.cursor() as cursor:
        cursor.execute(_PENDING, [book_id])
        pending = cursor.fetchall()
    open_payouts = Payout.objects.filter(book_id=book_id, wallet_id=None, status__in=OPEN)
    in_transit = dict(open_payouts.values_list("currency").annotate(Sum("amount")))
    found = []
    for currency in currencies:
        by_date = [(day, Money(net, currency)) for code, day, net in pending if code == currency]
        found.append(
            Balance(
                currency=currency,
                pending=sum((net for _, net in by_date), Money(_ZERO, currency)),
                by_date=by_date,
                payable=next(standing),
                reserve=next(standing),
                in_transit=Money(in_transit.get(currency, _ZERO), currency),
            )
        )
    return found


_CODES = {
    BalancePart.TOTAL: _ACCOUNTS,
    BalancePart.PENDING: [chart.MERCHANT_PENDING],
    BalancePart.PAYABLE: [chart.MERCHANT_PAYABLE],
    BalancePart.RESERVE: [chart.MERCHANT_RESERVE],
}
_READ_UP_TO_NOW = (BalancePart.PAYABLE, BalancePart.RESERVE)


class BalanceStatement(NamedTuple):
    """What happened to a merchant's balance until `until`; None: until this moment."""

    statement: Statement
    until: datetime | None


def statement_of(
    book_id: UUID,
    part: BalancePart,
    currency: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> BalanceStatement:
    """What happened to a merchant's balance, or to a part of it, in a period, oldest first.

    With what is pending, which many change at once, it ends at the latest where the books are
    settled: some seconds ago. How the lines are read: `ledger.selectors.statement`.

    :raises NotSettled: the period has only begun.
    """
    if part not in _READ_UP_TO_NOW:
        settled = ledger.settled_until()
        if settled is None or (since is not None and since > settled):
            raise ledger.NotSettled("Nothing is settled of this period yet.")
        until = settled if until is None else min(until, settled)
    found = ledger.statement(
        book_id=book_id, codes=_CODES[part], currency=currency, since=since, until=until
    )
    return BalanceStatement(found, until)


def list_lines(book_id: UUID, **filters: Any) -> QuerySet[BalanceTransaction]:
    """The lines of a merchant's balance."""
    return BalanceTransaction.objects.filter(book_id=book_id, **filters)


# --- what a wallet may send to a bank -------------------------------------------------------------

_BY_CARD = """
SELECT coalesce(sum(round(
    (amount_credited - credit_returned) * (amount_captured - wallet_captured) / amount_captured, 4
)), 0)
FROM payments_payment
WHERE book_id = %s AND destination_wallet_id = %s AND captured_at > %s AND amount_captured > 0
"""


def topped_up_by_card(*, book_id: UUID, wallet_id: UUID, currency: str, since: datetime) -> Money:
    """What cards have put into a wallet after a moment, less what was refunded of it.

    Whoever decides by it holds the lock of the wallet's balance, which every top-up takes.
    """
    with connection.cursor() as cursor:
        cursor.execute(_BY_CARD, [book_id, wallet_id, since])
        (found,) = cursor.fetchone()
    return Money(found, currency)
