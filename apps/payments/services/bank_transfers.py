"""Payments that the customer pushes from their bank: what can be ordered, and the reference.

The reference is an ISO 11649 creditor reference: check digits tell a mistyped one from ours, and
banks carry it in a field of its own.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from string import ascii_uppercase
from uuid import UUID

from django.conf import settings
from stdnum import iso11649
from stdnum.iso7064 import mod_97_10

from apps.core import db
from apps.payments.models import Payment
from apps.payments.services.refusals import NotSupportedByMethod
from apps.payments.types import BANK_TRANSFER, CaptureMethod, NewPayment

# RF, two check digits, sixteen letters: 75 bits of the payment's id, most of them random. Letters
# alone, since the check digits miss some errors that put a letter in the place of a digit.
_LETTERS = 16
_OURS = re.compile(r"(?=(RF[0-9]{2}[A-Z]{16}))")
_SEPARATORS = re.compile(r"[\s./:,-]+")


def refuse_unless_plain(order: NewPayment) -> None:
    """:raises NotSupportedByMethod: an order that a bank transfer cannot carry out."""
    if order.capture_method == CaptureMethod.MANUAL:
        raise NotSupportedByMethod(
            "A bank transfer is captured when it arrives.", param="capture_method"
        )
    if order.wallet:
        raise NotSupportedByMethod("A bank transfer pays all of it.", param="wallet")
    if order.quote:
        raise NotSupportedByMethod("No rate is promised for days.", param="quote")
    if order.destination.startswith("wallet_"):
        raise NotSupportedByMethod(
            "A wallet is not topped up by bank transfer.", param="destination"
        )
    currency = order.amount.currency.code
    if currency not in settings.PAYSYS_BANK_ACCOUNTS:
        raise NotSupportedByMethod(f"There is no account to pay {currency} to.", param="currency")


def refuse(payment: Payment) -> None:
    """:raises NotSupportedByMethod: it is paid by bank transfer: no bank takes this order."""
    if payment.is_by_bank_transfer:
        raise NotSupportedByMethod(
            "Not by bank transfer: it is captured when it arrives, ends by itself if it does not, "
            "and is refunded to a wallet (`wallet`), from which it can be withdrawn.",
            param="wallet" if payment.is_captured else None,
        )


def issue(payment: Payment, *, now: datetime) -> None:
    """Give the payment its reference, and tell the customer where to pay and until when.

    Transaction: joins the caller's, which writes the payment.
    """
    reference = reference_of(payment.id)
    db.write(
        "INSERT INTO payments_virtual_reference (reference, book_id, payment_id, created_at) "
        "VALUES (%s, %s, %s, %s)",
        (reference, payment.book_id, payment.id, now),
    )
    payment.capture_before = None
    payment.expected_by = now + timedelta(days=settings.PAYSYS_BANK_TRANSFER_DAYS)
    payment.next_action = {
        "type": BANK_TRANSFER,
        "reference": reference,
        "account": settings.PAYSYS_BANK_ACCOUNTS[payment.currency],
    }


def reference_of(payment_id: UUID) -> str:
    """The payment's reference, always the same."""
    rest, text = payment_id.int, ""
    for _ in range(_LETTERS):
        rest, letter = divmod(rest, len(ascii_uppercase))
        text = ascii_uppercase[letter] + text
    return f"RF{mod_97_10.calc_check_digits(f'{text}RF')}{text}"


def find_reference(text: str) -> str:
    """The one reference of ours in what a payer wrote, however it is spaced; else nothing."""
    packed = _SEPARATORS.sub("", text).upper()
    found = {each for each in _OURS.findall(packed) if iso11649.is_valid(each)}
    return found.pop() if len(found) == 1 else ""
