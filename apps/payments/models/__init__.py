"""The tables of payments, by what they are about."""

from apps.payments.models.balance import BalanceTransaction, Release, Reserve, SettlementLine
from apps.payments.models.base import HAS_NOTES
from apps.payments.models.dispute import (
    MOVED,
    Dispute,
    DisputeEvidence,
    DisputeLine,
    DisputeMove,
    ExcessCase,
)
from apps.payments.models.dispute_file import DisputeFile
from apps.payments.models.fx import ExchangeRate, Quote
from apps.payments.models.payment import Payment, headline_of
from apps.payments.models.payout import Payout, PayoutItem, Transfer
from apps.payments.models.receipt import (
    BankReceipt,
    ReceiptPosting,
    ReceiptWaiting,
    SuspenseCase,
    VirtualReference,
)
from apps.payments.models.refund import Refund

__all__ = [
    "HAS_NOTES",
    "MOVED",
    "BalanceTransaction",
    "BankReceipt",
    "Dispute",
    "DisputeEvidence",
    "DisputeFile",
    "DisputeLine",
    "DisputeMove",
    "ExcessCase",
    "ExchangeRate",
    "Payment",
    "Payout",
    "PayoutItem",
    "Quote",
    "ReceiptPosting",
    "ReceiptWaiting",
    "Refund",
    "Release",
    "Reserve",
    "SettlementLine",
    "SuspenseCase",
    "Transfer",
    "VirtualReference",
    "headline_of",
]
