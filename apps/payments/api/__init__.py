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
from apps.payments.api.wallets import (
    HoldCapture,
    OneTransfer,
    TopUps,
    Transfers,
    WalletTransfers,
)

__all__ = [
    "BankAccounts",
    "Capture",
    "HoldCapture",
    "OneBankAccount",
    "OnePayment",
    "OneQuote",
    "OneRefund",
    "OneTransfer",
    "Payments",
    "Quotes",
    "RefundOfPayment",
    "Refunds",
    "TopUps",
    "Transfers",
    "Void",
    "WalletTransfers",
]
