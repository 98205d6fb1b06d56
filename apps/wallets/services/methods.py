"""What customers pay with. Tokens only: what a card is, its provider knows."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from apps.audit import services as audit
from apps.core import db, ids
from apps.core.errors import Conflict
from apps.core.ids import new_id
from apps.core.types import Actor
from apps.wallets import selectors
from apps.wallets.models import PaymentMethod, PaymentMethodToken
from apps.wallets.services.customers import (
    CustomerErased,
    PaymentMethodDetached,
    lock_customer,
    require_customer,
)
from apps.wallets.types import MethodKind


class TokenExists(Conflict):
    """A provider calls a method by one name; a method that is called otherwise is another."""

    code = "provider_token_exists"
    says = "This provider has another token for this payment method."


class TokenInUse(Conflict):
    """A customer has a token once; `payment_method` is the one that has it."""

    code = "provider_token_in_use"
    says = "Another payment method of this customer has this token."


class Stored(NamedTuple):
    """Which payment method a request got, and whether it made it."""

    id: UUID
    is_new: bool


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
    facts = {"provider": provider, "kind": kind.value}
    _record(book_id, payment_method_id, "payment_method.stored", actor, now, **facts)
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


def detach_payment_method(
    *, book_id: UUID, payment_method_id: UUID, actor: Actor, now: datetime
) -> None:
    """Take a method away from whoever has it: its tokens are forgotten, nobody can charge it.

    What it looked like stays, for the payments that name it. A customer whose default it was has
    none.

    Retries: detaching again changes nothing.
    Transaction: its own, or a part of the caller's; locks the customer, then the method.

    :raises NotFound: no such method, or another merchant's.
    """
    with transaction.atomic():
        method = _locked(book_id, payment_method_id)
        if method.detached_at is not None:
            return
        method.detached_at = now
        method.save(update_fields=["detached_at"])
        method.tokens.all().delete()
        if method.customer is not None and method.customer.default_payment_method_id == method.id:
            method.customer.default_payment_method_id = None
            method.customer.save(update_fields=["default_payment_method_id"])
        _record(book_id, method.id, "payment_method.detached", actor, now)


def add_token(
    *,
    book_id: UUID,
    payment_method_id: UUID,
    provider: str,
    token: str,
    actor: Actor,
    now: datetime,
) -> bool:
    """Store what another provider calls a method that is known to one; whether that is new.

    Retries: the same token again changes nothing.
    Transaction: its own, or a part of the caller's; locks the customer, then the method.

    :raises NotFound: no such method, or another merchant's.
    :raises PaymentMethodDetached, CustomerErased: nothing is stored for it any more.
    :raises TokenExists: this provider calls it otherwise.
    :raises TokenInUse: another method of the customer has this token.
    """
    with transaction.atomic():
        method = _locked(book_id, payment_method_id)
        if method.customer is not None and method.customer.erased_at is not None:
            raise CustomerErased
        if method.detached_at is not None:
            raise PaymentMethodDetached
        known = method.tokens.filter(provider=provider).first()
        if known is not None:
            if known.token != token:
                raise TokenExists
            return False
        if method.customer_id is not None:
            other = selectors.find_method_of_customer(
                book_id=book_id, customer_id=method.customer_id, provider=provider, token=token
            )
            if other is not None:
                raise TokenInUse(payment_method=ids.encode(method.kind, other))
        PaymentMethodToken.objects.create(
            book_id=book_id,
            payment_method=method,
            customer_id=method.customer_id,
            provider=provider,
            token=token,
        )
        _record(book_id, method.id, "payment_method.token_added", actor, now, provider=provider)
        return True


def _locked(book_id: UUID, payment_method_id: UUID) -> PaymentMethod:
    """The method's row, locked behind its customer's."""
    customer_id = selectors.get_method_row(book_id=book_id, id=payment_method_id).customer_id
    customer = lock_customer(book_id=book_id, customer_id=customer_id) if customer_id else None
    method = PaymentMethod.objects.select_for_update(no_key=True).get(
        book_id=book_id, id=payment_method_id
    )
    method.customer = customer
    return method


def _record(
    book_id: UUID, payment_method_id: UUID, action: str, actor: Actor, now: datetime, **facts: str
) -> None:
    audit.record(
        book_id=book_id,
        actor=actor,
        action=action,
        subject_id=payment_method_id,
        subject_kind="payment_method",
        facts=facts,
        now=now,
    )


def _cut(text: str | None, length: int) -> str | None:
    return text[:length] if text else None
