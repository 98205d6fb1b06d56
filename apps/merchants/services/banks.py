"""Where money goes: the bank accounts of a merchant and of its customers.

Holder and number are encrypted before they leave the process, and nothing but the last four is ever
shown. Whoever gets at a merchant's key and changes the account has not got the money yet: only the
first account of an owner is usable at once.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from uuid import UUID

import stdnum.iban
import stdnum.us.rtn
from django.conf import settings
from django.db import transaction
from stdnum.exceptions import ValidationError

from apps.audit import services as audit
from apps.core import crypto, db, money
from apps.core.errors import InvalidRequest
from apps.core.types import Actor
from apps.merchants import selectors
from apps.merchants.models import BANK_ACCOUNT_TABLE, BankAccount, Merchant
from apps.merchants.services.recording import require_country
from apps.merchants.types import BankDetails

_SEPARATORS = re.compile(r"[ .-]")
_NUMBER = re.compile(r"[0-9A-Z]{4,34}")
_ROUTING_NUMBER = re.compile(r"[0-9A-Z]{3,34}")


def add_bank_account(
    *,
    book_id: UUID,
    bank_account_id: UUID,
    details: BankDetails,
    customer_id: UUID | None = None,
    actor: Actor,
    now: datetime,
) -> None:
    """Store an account of the merchant's own, or of one of its customers.

    The first account that an owner ever had is usable at once, every later one after
    `PAYSYS_BANK_ACCOUNT_HOURS`. That the customer exists, whoever calls has made sure.
    Retries: the same `bank_account_id` twice is refused by the database.
    Transaction: the caller's `atomic`; the merchant's row stays locked until its commit.

    :raises InvalidRequest: no number, country, currency or routing number that can be.
    :raises NotFound: no such merchant.
    """
    checked = _checked(details)
    # Of two first accounts at once only one is the first.
    merchant = Merchant.objects.select_for_update(no_key=True).filter(id=book_id).first()
    merchant = merchant or selectors.get(book_id)
    is_first = not selectors.has_had_bank_account(book_id=book_id, customer_id=customer_id)
    waits = timedelta() if is_first else timedelta(hours=settings.PAYSYS_BANK_ACCOUNT_HOURS)
    BankAccount.objects.create(
        id=bank_account_id,
        book=merchant,
        customer_id=customer_id,
        holder_encrypted=_sealed(checked.holder, "holder_encrypted", bank_account_id, book_id),
        number_encrypted=_sealed(checked.number, "number_encrypted", bank_account_id, book_id),
        routing_number=checked.routing_number,
        country=checked.country,
        currency=checked.currency,
        last4=checked.number[-4:],
        usable_from=now + waits,
        created_at=now,
    )
    _record(book_id, bank_account_id, "bank_account.added", actor, now)


def remove_bank_account(
    *, book_id: UUID, bank_account_id: UUID, actor: Actor, now: datetime
) -> None:
    """Forget the holder and the number of an account: nothing is sent there any more.

    A payout that waits for the account fails, and its money goes back; one that the provider has
    is not stopped.
    Retries: removing it again changes nothing.
    Transaction: its own, or a part of the caller's.

    :raises NotFound: the merchant has no such account.
    """
    with transaction.atomic():
        account = selectors.lock_bank_account(book_id=book_id, id=bank_account_id)
        if account.removed_at is not None:
            return
        account.removed_at = now
        account.holder_encrypted = account.number_encrypted = None
        account.save(update_fields=["removed_at", "holder_encrypted", "number_encrypted"])
        _record(book_id, bank_account_id, "bank_account.removed", actor, now)


def forget_bank_accounts(*, book_id: UUID, customer_id: UUID, actor: Actor, now: datetime) -> None:
    """Remove every account of a customer who is erased; not even the last four remain.

    Retries: again changes nothing. Transaction: its own, or a part of the caller's.
    """
    with transaction.atomic():
        accounts = BankAccount.objects.filter(book_id=book_id, customer_id=customer_id)
        for account in accounts.order_by("id"):
            remove_bank_account(book_id=book_id, bank_account_id=account.id, actor=actor, now=now)
        accounts.update(last4="", routing_number="")


def name_bank_account(*, book_id: UUID, bank_account_id: UUID, provider_reference: str) -> None:
    """Keep what the provider calls an account that it was told of.

    Retries: harmless. Transaction: joins the caller's unit or transaction.
    """
    db.write(
        "UPDATE merchants_bank_account SET provider_reference = %s WHERE id = %s AND book_id = %s",
        (provider_reference, bank_account_id, book_id),
    )


def require_bank_account(*, book_id: UUID, bank_account_id: UUID) -> None:
    """Guard the caller's commit: the account stands, and is not removed before the commit.

    Whoever also changes the account in the same unit does so first: two who hold it shared and
    then want it alone wait for each other.
    Transaction: joins the caller's unit or transaction.

    :raises db.GuardFailed: (when sent) it was removed, or is nobody's.
    """
    db.require(
        "EXISTS (SELECT 1 FROM merchants_bank_account WHERE id = %s AND book_id = %s"
        " AND removed_at IS NULL FOR SHARE)",
        (bank_account_id, book_id),
        what="merchants: the bank account was removed",
    )


def _checked(details: BankDetails) -> BankDetails:
    """The details as they are stored: without separators, in capitals."""
    require_country(details.country)
    if not money.is_currency(details.currency):
        raise InvalidRequest("Unknown currency.", param="currency")
    if details.is_iban:
        number = _checked_iban(details)
    else:
        number = _SEPARATORS.sub("", details.number).upper()
        if not _NUMBER.fullmatch(number):
            raise InvalidRequest("4 to 34 letters and digits.", param="account_number")
    routing = _SEPARATORS.sub("", details.routing_number).upper()
    if routing and not _ROUTING_NUMBER.fullmatch(routing):
        raise InvalidRequest("3 to 34 letters and digits.", param="routing_number")
    if routing and details.country == "US" and not stdnum.us.rtn.is_valid(routing):
        raise InvalidRequest("Not a routing number of a US bank.", param="routing_number")
    return BankDetails(
        holder=details.holder,
        number=number,
        routing_number=routing,
        country=details.country,
        currency=details.currency,
        is_iban=details.is_iban,
    )


def _checked_iban(details: BankDetails) -> str:
    # What the package strips, and nothing that only looks like a digit.
    if not details.number.isascii():
        raise InvalidRequest("Not a valid IBAN.", param="iban")
    try:
        number = str(stdnum.iban.validate(details.number))
    except ValidationError:
        raise InvalidRequest("Not a valid IBAN.", param="iban") from None
    if number[:2] != details.country:
        raise InvalidRequest("The IBAN is of another country.", param="iban")
    return number


def _sealed(plain: str, column: str, row_id: UUID, book_id: UUID) -> str:
    return crypto.encrypt(
        plain, table=BANK_ACCOUNT_TABLE, column=column, row_id=row_id, book_id=book_id
    )


def _record(book_id: UUID, bank_account_id: UUID, action: str, actor: Actor, now: datetime) -> None:
    audit.record(
        book_id=book_id,
        actor=actor,
        action=action,
        subject_id=bank_account_id,
        subject_kind="bank_account",
        facts={},
        now=now,
    )
