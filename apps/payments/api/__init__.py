"""The REST face of payments: translate in, one service call, translate out."""

from apps.payments.api.balance import BalanceStatement, BalanceTransactions, MerchantBalance
from apps.payments.api.banks import BankAccounts, OneBankAccount
from apps.payments.api.dispute_files import DisputeFiles, OneDisputeFile
from apps.payments.api.disputes import Accept, Disputes, Evidence, OneDispute
from apps.payments.api.payments import (
    Capture,
    OnePayment,
    OneRefund,
    Payments,
    RefundOfPayment,
    Refunds,
    Void,
)
from apps.payments.api.payouts import OnePayout, PayoutItems, Payouts, Withdrawals
from apps.payments.api.quotes import OneQuote, Quotes
from apps.payments.api.wallets import (
    HoldCapture,
    OneTransfer,
    TopUps,
    Transfers,
    WalletTransfers,
)

__all__ = [
    "Accept",
    "BalanceStatement",
    "BalanceTransactions",
    "BankAccounts",
    "Capture",
    "DisputeFiles",
    "Disputes",
    "Evidence",
    "HoldCapture",
    "MerchantBalance",
    "OneBankAccount",
    "OneDispute",
    "OneDisputeFile",
    "OnePayment",
    "OnePayout",
    "OneQuote",
    "OneRefund",
    "OneTransfer",
    "Payments",
    "PayoutItems",
    "Payouts",
    "Quotes",
    "RefundOfPayment",
    "Refunds",
    "TopUps",
    "Transfers",
    "Void",
    "WalletTransfers",
    "Withdrawals",
]
