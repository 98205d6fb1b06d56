"""The console's pages of payments, by what they are about."""

from apps.payments.admin import payments, receipts

__all__ = ["payments", "receipts"]
