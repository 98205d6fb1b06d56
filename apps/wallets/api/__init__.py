"""The REST face of customers, their payment methods, their wallets and the holds on them."""

from apps.wallets.api.customers import Customers, OneCustomer
from apps.wallets.api.holds import Holds, OneHold, ReleaseHold
from apps.wallets.api.methods import (
    DetachPaymentMethod,
    OnePaymentMethod,
    PaymentMethods,
    PaymentMethodTokens,
)
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
    "DetachPaymentMethod",
    "FreezeWallet",
    "Holds",
    "OneCustomer",
    "OneHold",
    "OnePaymentMethod",
    "OneWallet",
    "PaymentMethodTokens",
    "PaymentMethods",
    "ReleaseHold",
    "UnfreezeWallet",
    "WalletBalance",
    "WalletStatement",
    "WalletTransactions",
    "Wallets",
]
