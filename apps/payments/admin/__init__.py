"""The console's pages of payments, by what they are about."""

from apps.payments.admin import disputes, payments, receipts

__all__ = ["disputes", "payments", "receipts"]
