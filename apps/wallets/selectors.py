"""Reading customers, their payment methods, their wallets and the holds on them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import OuterRef, Q, QuerySet, Subquery

from apps.core.errors import NotFound
from apps.core.money import Money
from apps.ledger import chart
from apps.ledger import selectors as ledger
from apps.ledger.types import History, Statement
from apps.wallets.invariants import INVARIANTS
from apps.wallets.models import Customer, Hold, PaymentMethod, Wallet
from apps.wallets.types import HoldStatus, MethodKind, Part, StoredMethod, WalletBalance

__all__ = [
    "INVARIANTS",
    "balance_at",
    "balances_of",
    "find_customer",
    "find_method_of_customer",
    "find_payment_method",
    "find_wallet",
    "get_customer",
    "get_hold",
    "get_method_row",
    "get_payment_method",
    "get_wallet",
    "history",
    "list_customers",
    "list_due_holds",
    "list_holds",
    "list_payment_methods",
    "list_wallets",
    "statement",
]


def get_customer(*, book_id: UUID, id: UUID) -> Customer:  # noqa: A002
    """One customer.

    :raises NotFound: no such customer, or another merchant's.
    """
    customer = find_customer(book_id=book_id, id=id)
    if customer is None:
        raise NotFound("No such customer.")
    return customer


def find_customer(*, book_id: UUID, id: UUID) -> Customer | None:  # noqa: A002
    """One customer of this merchant, or None."""
    return list_customers(book_id=book_id).filter(id=id).first()


def list_customers(*, book_id: UUID) -> QuerySet[Customer]:
    """A merchant's customers, each with the kind of its default payment method."""
    default = PaymentMethod.objects.filter(id=OuterRef("default_payment_method_id"))
    customers = Customer.objects.filter(book_id=book_id)
    return customers.annotate(default_kind=Subquery(default.values("kind")[:1]))


def get_payment_method(*, book_id: UUID, id: UUID) -> StoredMethod:  # noqa: A002
    """One payment method with its tokens: one query.

    :raises NotFound: no such method, or another merchant's.
    """
    method = find_payment_method(book_id=book_id, id=id)
    if method is None:
        raise NotFound("No such payment method.")
    return method


def find_payment_method(*, book_id: UUID, id: UUID) -> StoredMethod | None:  # noqa: A002
    """One payment method of this merchant with its tokens, or None: one query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT m.kind, m.customer_id, m.brand, m.last4, m.country, t.provider, t.token"
            " FROM wallets_payment_method m"
            " LEFT JOIN wallets_payment_method_token t"
            " ON t.payment_method_id = m.id AND t.book_id = m.book_id"
            " WHERE m.book_id = %s AND m.id = %s",
            (book_id, id),
        )
        rows = cursor.fetchall()
    if not rows:
        return None
    kind, customer_id, brand, last4, country, _, _ = rows[0]
    return StoredMethod(
        id=id,
        book_id=book_id,
        kind=MethodKind(kind),
        customer_id=customer_id,
        tokens={provider: token for *_, provider, token in rows if provider is not None},
        brand=brand,
        last4=last4,
        country=country,
    )


def find_method_of_customer(
    *, book_id: UUID, customer_id: UUID, provider: str, token: str
) -> UUID | None:
    """The id of the customer's method that this provider calls `token`, or None."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT payment_method_id FROM wallets_payment_method_token"
            " WHERE book_id = %s AND customer_id = %s AND provider = %s AND token = %s",
            (book_id, customer_id, provider, token),
        )
        row = cursor.fetchone()
    return None if row is None else row[0]


def get_method_row(*, book_id: UUID, id: UUID) -> PaymentMethod:  # noqa: A002
    """One payment method with everything that is known of it.

    :raises NotFound: no such method, or another merchant's.
    """
    method = PaymentMethod.objects.filter(book_id=book_id, id=id).first()
    if method is None:
        raise NotFound("No such payment method.")
    return method


def list_payment_methods(
    *, book_id: UUID, customer_id: UUID | None = None
) -> QuerySet[PaymentMethod]:
    """A merchant's payment methods, or those that one customer has."""
    methods = PaymentMethod.objects.filter(book_id=book_id).prefetch_related("tokens")
    if customer_id is None:
        return methods
    return methods.filter(customer_id=customer_id, detached_at=None)


def get_wallet(*, book_id: UUID, id: UUID) -> Wallet:  # noqa: A002
    """One wallet.

    :raises NotFound: no such wallet, or another merchant's.
    """
    wallet = Wallet.objects.filter(book_id=book_id, id=id).first()
    if wallet is None:
        raise NotFound("No such wallet.")
    return wallet


def find_wallet(*, book_id: UUID, customer_id: UUID, currency: str) -> Wallet | None:
    """The customer's wallet in this currency, whatever its state, or None."""
    wallets = list_wallets(book_id=book_id, customer_id=customer_id, currency=currency)
    return wallets.first()


def list_wallets(
    *, book_id: UUID, customer_id: UUID | None = None, currency: str | None = None
) -> QuerySet[Wallet]:
    """A merchant's wallets, those of one customer, those of one currency."""
    wallets = Wallet.objects.filter(book_id=book_id)
    if customer_id is not None:
        wallets = wallets.filter(customer_id=customer_id)
    return wallets if currency is None else wallets.filter(currency=currency)


def balances_of(
    *, book_id: UUID, wallets: Sequence[Wallet], at: datetime | None = None
) -> dict[UUID, WalletBalance]:
    """What each of these wallets holds now, or held at a past moment; all in one snapshot.

    :raises NotSettled: `at` is too recent.
    """
    accounts = [(_code(wallet, part), wallet.currency) for wallet in wallets for part in Part]
    found = iter(ledger.balances(book_id=book_id, accounts=accounts, at=at))
    return {wallet.id: WalletBalance(*(next(found) for _ in Part)) for wallet in wallets}


def balance_at(*, wallet: Wallet, at: datetime | None = None) -> WalletBalance:
    """What a wallet holds now, or held at a past moment; before it was opened, nothing.

    :raises NotSettled: `at` is too recent.
    """
    if at is not None and at < wallet.created_at:
        nothing = Money(0, wallet.currency)
        return WalletBalance(nothing, nothing)
    return balances_of(book_id=wallet.book_id, wallets=[wallet], at=at)[wallet.id]


def history(
    *,
    wallet: Wallet,
    part: Part = Part.AVAILABLE,
    since: datetime | None = None,
    until: datetime | None = None,
    older_than: UUID | None = None,
    newer_than: UUID | None = None,
    limit: int,
) -> History:
    """A page of what happened to one part of a wallet's money, newest first.

    Bounds, cursors and cost: `ledger.selectors.history`.

    :raises UnknownLine: the cursor is no line of this wallet's.
    """
    return ledger.history(
        book_id=wallet.book_id,
        codes=[_code(wallet, part)],
        currency=wallet.currency,
        since=since,
        until=until,
        older_than=older_than,
        newer_than=newer_than,
        limit=limit,
    )


def statement(
    *,
    wallet: Wallet,
    part: Part = Part.AVAILABLE,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Statement:
    """What happened to one part of a wallet's money in a period, oldest first, up to this moment.

    How the lines are read, and when it ends: `ledger.selectors.statement`.
    """
    return ledger.statement(
        book_id=wallet.book_id,
        codes=[_code(wallet, part)],
        currency=wallet.currency,
        since=since,
        until=until,
    )


def _code(wallet: Wallet, part: Part) -> str:
    build = chart.wallet_available if part is Part.AVAILABLE else chart.wallet_held
    return build(wallet.id)


def get_hold(*, book_id: UUID, wallet_id: UUID, id: UUID) -> Hold:  # noqa: A002
    """One hold of a wallet's.

    :raises NotFound: no such hold on this wallet.
    """
    hold = Hold.objects.filter(book_id=book_id, wallet_id=wallet_id, id=id).first()
    if hold is None:
        raise NotFound("No such hold.")
    return hold


def list_holds(
    *, book_id: UUID, wallet_id: UUID, status: HoldStatus | None = None
) -> QuerySet[Hold]:
    """The holds of a wallet, in every state or in one."""
    holds = Hold.objects.filter(book_id=book_id, wallet_id=wallet_id)
    return holds if status is None else holds.filter(status=status)


def list_due_holds(*, now: datetime, after: Hold | None, limit: int) -> list[Hold]:
    """Stand-alone holds whose time is over, of every book, oldest due first, beyond `after`."""
    due = Hold.objects.filter(status=HoldStatus.OPEN, expires_at__lte=now)
    if after is not None:
        due = due.filter(
            Q(expires_at__gt=after.expires_at) | Q(expires_at=after.expires_at, id__gt=after.id)
        )
    return list(due.order_by("expires_at", "id")[:limit])
