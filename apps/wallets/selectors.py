"""Reading customers and their payment methods."""

from __future__ import annotations

from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from apps.core.errors import NotFound
from apps.core.types import Invariant
from apps.wallets.models import Customer, Hold, PaymentMethod, Wallet
from apps.wallets.types import MethodKind, StoredMethod


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
    return Customer.objects.filter(book_id=book_id, id=id).first()


def list_customers(*, book_id: UUID) -> QuerySet[Customer]:
    """A merchant's customers."""
    return Customer.objects.filter(book_id=book_id)


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
            "SELECT m.kind, m.customer_id, m.brand, m.last4, t.provider, t.token"
            " FROM wallets_payment_method m"
            " LEFT JOIN wallets_payment_method_token t"
            " ON t.payment_method_id = m.id AND t.book_id = m.book_id"
            " WHERE m.book_id = %s AND m.id = %s",
            (book_id, id),
        )
        rows = cursor.fetchall()
    if not rows:
        return None
    kind, customer_id, brand, last4, _, _ = rows[0]
    return StoredMethod(
        id=id,
        book_id=book_id,
        kind=MethodKind(kind),
        customer_id=customer_id,
        tokens={provider: token for *_, provider, token in rows if provider is not None},
        brand=brand,
        last4=last4,
    )


def find_token(method: StoredMethod, *, provider: str) -> str | None:
    """What this provider calls the method, or None: it does not know it, or it was erased."""
    return method.tokens.get(provider)


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


def get_wallet(*, book_id: UUID, id: UUID) -> Wallet:  # noqa: A002
    """One wallet.

    :raises NotFound: no such wallet, or another merchant's.
    """
    wallet = Wallet.objects.filter(book_id=book_id, id=id).first()
    if wallet is None:
        raise NotFound("No such wallet.")
    return wallet


def get_hold(*, book_id: UUID, wallet_id: UUID, id: UUID) -> Hold:  # noqa: A002
    """One hold of this wallet's.

    :raises NotFound: the wallet has no such hold, or is another merchant's.
    """
    hold = Hold.objects.filter(book_id=book_id, wallet_id=wallet_id, id=id).first()
    if hold is None:
        raise NotFound("No such hold.")
    return hold


def list_payment_methods(
    *, book_id: UUID, customer_id: UUID | None = None
) -> QuerySet[PaymentMethod]:
    """A merchant's payment methods, or those of one customer."""
    methods = PaymentMethod.objects.filter(book_id=book_id)
    return methods if customer_id is None else methods.filter(customer_id=customer_id)


INVARIANTS = (
    Invariant(
        name="payment_method_has_token",
        sql="""
            SELECT m.id FROM wallets_payment_method m
            LEFT JOIN wallets_customer c ON c.id = m.customer_id
            WHERE c.erased_at IS NULL AND NOT EXISTS (
                SELECT FROM wallets_payment_method_token t WHERE t.payment_method_id = m.id)""",
        says="Every payment method has a provider's token, unless its customer was erased.",
    ),
    Invariant(
        name="erased_customer_has_no_token",
        sql="""
            SELECT c.id FROM wallets_customer c
            JOIN wallets_payment_method m ON m.customer_id = c.id
            JOIN wallets_payment_method_token t ON t.payment_method_id = m.id
            WHERE c.erased_at IS NOT NULL""",
        says="Nothing of an erased customer can be charged.",
    ),
    Invariant(
        name="payment_method_stays_in_its_book",
        sql="""
            SELECT m.id FROM wallets_payment_method m
            LEFT JOIN wallets_customer c ON c.id = m.customer_id
            JOIN wallets_payment_method_token t ON t.payment_method_id = m.id
            WHERE c.book_id <> m.book_id OR t.book_id <> m.book_id
                OR t.customer_id IS DISTINCT FROM m.customer_id""",
        says="A payment method, its customer and its tokens are of one book.",
    ),
)
