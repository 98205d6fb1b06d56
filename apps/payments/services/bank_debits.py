"""Payments that are taken from a customer's bank account: the bank answers in days.

The customer agrees by a mandate; the merchant who stores the account and asks for the payment
stands for it.
"""

from __future__ import annotations

from typing import Final

from apps.payments.models import Payment
from apps.payments.services.refusals import NotSupportedByMethod
from apps.payments.types import CaptureMethod, NewPayment

CURRENCIES: Final = ("USD", "EUR")  # us_bank_account, sepa_debit


def refuse_unless_plain(order: NewPayment) -> None:
    """:raises NotSupportedByMethod: an order that a bank debit cannot carry out."""
    if order.capture_method == CaptureMethod.MANUAL:
        raise NotSupportedByMethod(
            "A bank debit is captured when the bank has paid.", param="capture_method"
        )
    if order.wallet:
        raise NotSupportedByMethod("A bank debit pays all of it.", param="wallet")
    if order.quote:
        raise NotSupportedByMethod("No rate is promised for days.", param="quote")
    if order.amount.currency.code not in CURRENCIES:
        raise NotSupportedByMethod(
            f"Bank accounts are debited in {' and '.join(CURRENCIES)}.", param="currency"
        )


def refuse(payment: Payment) -> None:
    """:raises NotSupportedByMethod: it is a bank debit, which nobody captures or stops."""
    if payment.is_by_debit:
        raise NotSupportedByMethod(
            "Not by bank debit: the bank has the order, and its answer captures or ends the "
            "payment. A captured one can be refunded."
        )
