"""The REST face of customers, their payment methods, their wallets and the holds on them."""

from apps.wallets.api.customers import (
    Customers,
    OneCustomer,
    OnePaymentMethod,
    PaymentMethods,
)
from apps.wallets.api.holds import Holds, OneHold, ReleaseHold
from apps.wallets.api.wallets import (
    CloseWallet,
    FreezeWallet,
    OneWallet,
    UnfreezeWallet,
    WalletBalance,
    Wallets,
    WalletStatement,
    WalletTransactions,
)

__all__ = [
    "CloseWallet",
    "Customers",
    "FreezeWallet",
    "Holds",
    "OneCustomer",
    "OneHold",
    "OnePaymentMethod",
    "OneWallet",
    "PaymentMethods",
    "ReleaseHold",
    "UnfreezeWallet",
    "WalletBalance",
    "WalletStatement",
    "WalletTransactions",
    "Wallets",
]
