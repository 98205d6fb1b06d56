"""The bank accounts of a merchant and of its customers."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from apps.core import crypto, ids
from apps.core.errors import NotFound
from apps.merchants.models import BANK_ACCOUNT_TABLE, BankAccount
from apps.merchants.types import BankDetails


def list_bank_accounts(*, book_id: UUID, customer_id: UUID | None = None) -> QuerySet[BankAccount]:
    """A merchant's accounts, its customers' among them, or one customer's."""
    accounts = BankAccount.objects.filter(book_id=book_id)
    return accounts if customer_id is None else accounts.filter(customer_id=customer_id)


def get_bank_account(*, book_id: UUID, id: UUID) -> BankAccount:  # noqa: A002
    """An account of the merchant's or of its customers', removed ones too.

    :raises NotFound: there is none, or it is another merchant's.
    """
    return _found(BankAccount.objects.filter(book_id=book_id, id=id), id)


def lock_bank_account(*, book_id: UUID, id: UUID) -> BankAccount:  # noqa: A002
    """The same, locked until the transaction ends: nobody removes it meanwhile.

    :raises NotFound: there is none, or it is another merchant's.
    """
    rows = BankAccount.objects.select_for_update(no_key=True)
    return _found(rows.filter(book_id=book_id, id=id), id)


def find_default_bank_account(
    *, book_id: UUID, customer_id: UUID | None, currency: str, now: datetime
) -> BankAccount | None:
    """Where an owner's money in this currency goes unless told otherwise.

    The newest account that is usable; if none is, the one that will be first.
    """
    standing = BankAccount.objects.filter(
        book_id=book_id, customer_id=customer_id, currency=currency, removed_at=None
    )
    usable = standing.filter(usable_from__lte=now).order_by("-id").first()
    return usable or standing.order_by("usable_from", "id").first()


def has_had_bank_account(*, book_id: UUID, customer_id: UUID | None) -> bool:
    """Whether this owner has an account or has had one."""
    return BankAccount.objects.filter(book_id=book_id, customer_id=customer_id).exists()


def find_bank_details(*, book_id: UUID, id: UUID) -> BankDetails | None:  # noqa: A002
    """Holder and number in the clear, for the provider alone; None once the account is removed.

    :raises NotFound: there is no such account.
    """
    account = get_bank_account(book_id=book_id, id=id)
    if account.number_encrypted is None or account.holder_encrypted is None:
        return None
    return BankDetails(
        holder=_opened(account, account.holder_encrypted, "holder_encrypted"),
        number=_opened(account, account.number_encrypted, "number_encrypted"),
        routing_number=account.routing_number,
        country=account.country,
        currency=account.currency,
    )


def _found(rows: QuerySet[BankAccount], id_: UUID) -> BankAccount:
    account = rows.first()
    if account is None:
        raise NotFound(f"No such bank account: {ids.encode('ba', id_)}.", param="bank_account")
    return account


def _opened(account: BankAccount, token: str, column: str) -> str:
    return crypto.decrypt(
        token,
        table=BANK_ACCOUNT_TABLE,
        column=column,
        row_id=account.id,
        book_id=account.book_id,
    )
