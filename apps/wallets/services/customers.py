"""Customers and payment methods. Tokens only: what a card is, its provider knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from apps.audit import services as audit
from apps.core import crypto, db
from apps.core.errors import Conflict, NotFound
from apps.core.ids import new_id
from apps.core.types import Actor
from apps.wallets import selectors
from apps.wallets.models import CUSTOMER_TABLE, Customer, PaymentMethod, PaymentMethodToken
from apps.wallets.types import MethodKind


class CustomerErased(Conflict):
    """The customer's data were erased for good; nothing new can be stored for them."""

    code = "customer_erased"
    says = "This customer was erased."


class Stored(NamedTuple):
    """Which payment method a request got, and whether it made it."""

    id: UUID
    is_new: bool


def create_customer(
    *,
    book_id: UUID,
    customer_id: UUID,
    name: str | None,
    email: str | None,
    metadata: Mapping[str, str],
    actor: Actor,
    now: datetime,
) -> None:
    """Store a customer; name and e-mail address are encrypted before they leave the process.

    Retries: the same `customer_id` twice is refused by the database.
    Transaction: joins the caller's unit or transaction.
    """
    db.write(
        "INSERT INTO wallets_customer (id, book_id, name_encrypted, email_encrypted, metadata)"
        " VALUES (%s::uuid, %s::uuid, %s, %s, %s::jsonb)",
        (
            customer_id,
            book_id,
            _encrypted(name, "name_encrypted", customer_id, book_id),
            _encrypted(email, "email_encrypted", customer_id, book_id),
            json.dumps(dict(metadata)),
        ),
    )
    audit.record(
        book_id=book_id,
        actor=actor,
        action="customer.created",
        subject_id=customer_id,
        subject_kind="customer",
        facts={},
        now=now,
    )


def erase_customer(*, book_id: UUID, customer_id: UUID, actor: Actor, now: datetime) -> None:
    """Forget who a customer is, for good: name, address, notes, and what their cards look like.

    Their payment methods lose the providers' tokens and cannot be charged any more; the rows stay,
    because payments name them, and so the books stay whole.

    Retries: erasing again changes nothing.
    Transaction: its own, or a part of the caller's.

    :raises NotFound: no such customer, or another merchant's.
    """
    with transaction.atomic():
        rows = Customer.objects.select_for_update().filter(book_id=book_id, id=customer_id)
        customer = rows.first()
        if customer is None:
            raise NotFound("No such customer.")
        if customer.erased_at is not None:
            return
        rows.update(name_encrypted=None, email_encrypted=None, metadata={}, erased_at=now)
        methods = PaymentMethod.objects.filter(book_id=book_id, customer_id=customer_id)
        PaymentMethodToken.objects.filter(book_id=book_id, payment_method__in=methods).delete()
        methods.update(
            brand=None,
            last4=None,
            exp_month=None,
            exp_year=None,
            funding=None,
            country=None,
            fingerprint=None,
        )
        audit.record(
            book_id=book_id,
            actor=actor,
            action="customer.erased",
            subject_id=customer_id,
            subject_kind="customer",
            facts={},
            now=now,
        )


def require_customer(*, book_id: UUID, customer_id: UUID) -> None:
    """Whatever the unit stores for a customer is stored only if they exist and are not erased.

    Transaction: joins the caller's unit or transaction, and guards it.

    :raises NotFound: no such customer, or another merchant's.
    :raises CustomerErased: there was one.
    :raises GuardFailed: (when sent) the customer was erased at this moment.
    """
    customer = selectors.find_customer(book_id=book_id, id=customer_id)
    if customer is None:
        raise NotFound("No such customer.", param="customer")
    if customer.erased_at is not None:
        raise CustomerErased
    db.require(
        "SELECT erased_at IS NULL FROM wallets_customer WHERE id = %s::uuid FOR SHARE",
        (customer_id,),
        what="the customer was erased",
    )


def store_payment_method(
    *,
    book_id: UUID,
    payment_method_id: UUID,
    customer_id: UUID | None,
    kind: MethodKind,
    provider: str,
    token: str,
    actor: Actor,
    now: datetime,
) -> Stored:
    """Store what `provider` calls a card or account. Nobody is asked what it is: see `describe…`.

    A customer has a token once: storing it again returns the method there is. Without a customer
    every call stores another method.

    Retries: the same `payment_method_id` twice is refused by the database.
    Transaction: joins the caller's unit or transaction.

    :raises NotFound: no such customer, or another merchant's.
    :raises CustomerErased: there was one.
    :raises GuardFailed: at the unit's end: another request stored the token at this moment; call
        again, and it is found.
    """
    if customer_id is not None:
        require_customer(book_id=book_id, customer_id=customer_id)
        existing = selectors.find_method_of_customer(
            book_id=book_id, customer_id=customer_id, provider=provider, token=token
        )
        if existing is not None:
            return Stored(existing, is_new=False)
    db.write(
        "INSERT INTO wallets_payment_method (id, book_id, customer_id, kind)"
        " VALUES (%s::uuid, %s::uuid, %s::uuid, %s)",
        (payment_method_id, book_id, customer_id, kind.value),
    )
    db.write(
        "INSERT INTO wallets_payment_method_token"
        " (id, book_id, payment_method_id, customer_id, provider, token)"
        " VALUES (%s::uuid, %s::uuid, %s::uuid, %s::uuid, %s, %s)"
        " ON CONFLICT (book_id, customer_id, provider, token) DO NOTHING",
        (new_id(), book_id, payment_method_id, customer_id, provider, token),
        expect=1,
        what="the customer has this token already",
    )
    audit.record(
        book_id=book_id,
        actor=actor,
        action="payment_method.stored",
        subject_id=payment_method_id,
        subject_kind="payment_method",
        facts={"provider": provider, "kind": kind.value},
        now=now,
    )
    return Stored(payment_method_id, is_new=True)


def describe_payment_method(
    *,
    book_id: UUID,
    payment_method_id: UUID,
    brand: str | None = None,
    last4: str | None = None,
    exp_month: int | None = None,
    exp_year: int | None = None,
    funding: str | None = None,
    country: str | None = None,
    fingerprint: str | None = None,
) -> None:
    """Keep what a provider told about a method when it was charged. The newest word stands.

    A method that is described so already is not written again, and one whose customer was erased
    is left alone. Texts that are too long are cut: a provider's news is never refused.

    Retries: harmless.
    Transaction: joins the caller's unit or transaction.
    """
    told = (
        _cut(brand, 40),
        last4[-4:] if last4 else None,
        exp_month,
        exp_year,
        _cut(funding, 20),
        _cut(country, 2),
        _cut(fingerprint, 100),
    )
    columns = "brand, last4, exp_month, exp_year, funding, country, fingerprint"
    values = "%s::text, %s::text, %s::smallint, %s::smallint, %s::text, %s::text, %s::text"
    db.write(
        f"UPDATE wallets_payment_method m SET ({columns}) = ROW ({values})"  # noqa: S608
        f" WHERE book_id = %s::uuid AND id = %s::uuid AND ({columns}) IS DISTINCT FROM ({values})"
        " AND EXISTS (SELECT FROM wallets_payment_method_token t WHERE t.payment_method_id = m.id)",
        (*told, book_id, payment_method_id, *told),
    )


def _cut(text: str | None, length: int) -> str | None:
    return text[:length] if text else None


def _encrypted(plain: str | None, column: str, row_id: UUID, book_id: UUID) -> str | None:
    if plain is None:
        return None
    return crypto.encrypt(
        plain, table=CUSTOMER_TABLE, column=column, row_id=row_id, book_id=book_id
    )
