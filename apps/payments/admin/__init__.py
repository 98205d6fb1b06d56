"""The console's pages of payments, by what they are about."""

from apps.payments.admin import disputes, excess, payments, receipts, wallets

__all__ = ["disputes", "excess", "payments", "receipts", "wallets"]
