"""Customers: stored, changed, forgotten."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from apps.audit import services as audit
from apps.core import crypto, db
from apps.core.errors import Conflict, NotFound
from apps.core.types import Actor
from apps.idempotency import services as idempotency
from apps.merchants import services as merchants
from apps.wallets import selectors
from apps.wallets.models import (
    CUSTOMER_TABLE,
    Customer,
    Hold,
    PaymentMethod,
    PaymentMethodToken,
    Wallet,
)
from apps.wallets.types import CustomerChanges


class PaymentMethodDetached(Conflict):
    """Nobody can charge a detached payment method, and nothing is done with it any more."""

    code = "payment_method_detached"
    says = "This payment method was detached."


class CustomerErased(Conflict):
    """The customer's data were erased for good; nothing new can be stored for them."""

    code = "customer_erased"
    says = "This customer was erased."


# What an app above keeps of a customer: of a book and of what is theirs (ids of payment methods,
# and of wallets), forgets it and says the ids of what it was about.
Forget = Callable[[UUID, Collection[UUID], Collection[UUID]], Collection[UUID]]
_forgotten_too: dict[str, Forget] = {}


def forget_too(app: str, forget: Forget) -> None:
    """Have an app above forget its part of a customer in the commit that erases them; called once,
    when that app starts."""
    _forgotten_too[app] = forget


def known_to_forget() -> list[str]:
    """The apps that do."""
    return sorted(_forgotten_too)


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
    _record(book_id, customer_id, "customer.created", actor, now)


def update_customer(
    *, book_id: UUID, customer_id: UUID, changes: CustomerChanges, actor: Actor, now: datetime
) -> None:
    """Change what is given and leave the rest; None takes it away. Metadata are replaced whole.

    Retries: harmless. Transaction: its own, or a part of the caller's; locks the customer.

    :raises NotFound: no such customer, or the default is no payment method of theirs.
    :raises CustomerErased: there was one.
    :raises PaymentMethodDetached: the default would be one that cannot be charged any more.
    """
    with transaction.atomic():
        customer = lock_customer(book_id=book_id, customer_id=customer_id)
        if customer.erased_at is not None:
            raise CustomerErased
        default = changes.get("default_payment_method_id")
        if default is not None:
            _refuse_as_default(book_id, customer_id, default)
        for name in ("name", "email"):
            if name in changes:
                column = f"{name}_encrypted"
                sealed = _encrypted(changes[name], column, customer_id, book_id)
                setattr(customer, column, sealed)
        if "metadata" in changes:
            customer.metadata = dict(changes["metadata"])
        if "default_payment_method_id" in changes:
            customer.default_payment_method_id = default
        if not changes:
            return
        customer.save()
        _record(book_id, customer_id, "customer.updated", actor, now, fields=sorted(changes))


def erase_customer(*, book_id: UUID, customer_id: UUID, actor: Actor, now: datetime) -> None:
    """Forget who a customer is, for good: names, addresses, notes, bank accounts, cards' looks.

    Their payment methods lose the providers' tokens and cannot be charged any more; what merchants
    wrote about their payments, and what we once answered about them, is forgotten too. The rows
    stay, because payments name them, and so do their wallets with what is in them, and so the books
    stay whole.

    Retries: erasing again changes nothing.
    Transaction: its own, or a part of the caller's; locks the customer.

    :raises NotFound: no such customer, or another merchant's.
    """
    with transaction.atomic():
        customer = lock_customer(book_id=book_id, customer_id=customer_id)
        if customer.erased_at is not None:
            return
        rows = Customer.objects.filter(book_id=book_id, id=customer_id)
        rows.update(
            name_encrypted=None,
            email_encrypted=None,
            metadata={},
            default_payment_method_id=None,
            erased_at=now,
        )
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
        wallets = Wallet.objects.filter(book_id=book_id, customer_id=customer_id)
        list(wallets.select_for_update(no_key=True).order_by("id"))  # no hold is on its way
        holds = Hold.objects.filter(book_id=book_id, wallet__in=wallets)
        theirs = _ids(methods), _ids(wallets)
        made = {customer_id, *theirs[0], *theirs[1], *_ids(holds)}
        wallets.exclude(metadata={}).update(metadata={})
        holds.exclude(metadata={}).update(metadata={})
        merchants.forget_bank_accounts(
            book_id=book_id, customer_id=customer_id, actor=actor, now=now
        )
        for forget in _forgotten_too.values():
            made.update(forget(book_id, *theirs))
        idempotency.forget_answers(book_id=book_id, about_ids=made)
        _record(book_id, customer_id, "customer.erased", actor, now)


def lock_customer(*, book_id: UUID, customer_id: UUID) -> Customer:
    """The customer's row, which nobody else changes until the caller's transaction ends.

    Of a customer's rows it is locked first.

    :raises NotFound: no such customer, or another merchant's.
    """
    rows = Customer.objects.select_for_update(no_key=True)
    customer = rows.filter(book_id=book_id, id=customer_id).first()
    if customer is None:
        raise NotFound("No such customer.")
    return customer


def _refuse_as_default(book_id: UUID, customer_id: UUID, method_id: UUID) -> None:
    method = PaymentMethod.objects.filter(
        book_id=book_id, customer_id=customer_id, id=method_id
    ).first()
    if method is None:
        raise NotFound("The customer has no such method.", param="default_payment_method")
    if method.detached_at is not None:
        raise PaymentMethodDetached(param="default_payment_method")


def _ids(rows: QuerySet[Any]) -> list[UUID]:
    return list(rows.values_list("id", flat=True))


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


def _encrypted(plain: str | None, column: str, row_id: UUID, book_id: UUID) -> str | None:
    if plain is None:
        return None
    return crypto.encrypt(
        plain, table=CUSTOMER_TABLE, column=column, row_id=row_id, book_id=book_id
    )


def _record(
    book_id: UUID, customer_id: UUID, action: str, actor: Actor, now: datetime, **facts: Any
) -> None:
    audit.record(
        book_id=book_id,
        actor=actor,
        action=action,
        subject_id=customer_id,
        subject_kind="customer",
        facts=facts,
        now=now,
    )
