"""The REST face of payments: translate in, one service call, translate out."""

from apps.payments.api.banks import BankAccounts, OneBankAccount
from apps.payments.api.payments import (
    Capture,
    OnePayment,
    OneRefund,
    Payments,
    RefundOfPayment,
    Refunds,
    Void,
)
from apps.payments.api.quotes import OneQuote, Quotes

__all__ = [
    "BankAccounts",
    "Capture",
    "OneBankAccount",
    "OnePayment",
    "OneQuote",
    "OneRefund",
    "Payments",
    "Quotes",
    "RefundOfPayment",
    "Refunds",
    "Void",
]
