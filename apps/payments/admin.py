"""Payments, refunds and settlement lines, to look at. Nothing moves money from here yet."""

from __future__ import annotations

from django.contrib import admin

from apps.core import ids
from apps.core.admin import ReadOnlyAdmin
from apps.core.money import Money, shown
from apps.payments.models import Payment, Refund, SettlementLine


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    list_display = (
        *("payment", "status", "total", "captured", "refunded", "fee_shown"),
        *("provider", "created_at"),
    )
    list_filter = ("status", "currency", "capture_method")
    search_fields = ("reference__exact", "provider_reference__exact", "charge_reference__exact")
    exclude = ("provider_token",)
    id_fields = ("id", "book_id", "payment_method_id")

    @admin.display(description="Payment")
    def payment(self, payment: Payment) -> str:
        return ids.encode("pay", payment.id)

    @admin.display(description="Amount", ordering="amount")
    def total(self, payment: Payment) -> str:
        return shown(payment.money(payment.amount))

    @admin.display(description="Captured")
    def captured(self, payment: Payment) -> str:
        return shown(payment.money(payment.amount_captured))

    @admin.display(description="Refunded")
    def refunded(self, payment: Payment) -> str:
        return shown(payment.money(payment.amount_refunded))

    @admin.display(description="Fee")
    def fee_shown(self, payment: Payment) -> str:
        return shown(payment.money(payment.fee))


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    list_display = ("refund", "status", "total", "of_payment", "reason", "created_at")
    list_filter = ("status", "currency", "is_compensation")
    search_fields = ("provider_reference__exact",)
    id_fields = ("id", "book_id", "payment_id")

    @admin.display(description="Refund")
    def refund(self, refund: Refund) -> str:
        return ids.encode("re", refund.id)

    @admin.display(description="Amount", ordering="amount")
    def total(self, refund: Refund) -> str:
        return shown(refund.money(refund.amount))

    @admin.display(description="Payment")
    def of_payment(self, refund: Refund) -> str:
        return ids.encode("pay", refund.payment_id)


@admin.register(SettlementLine)
class SettlementLineAdmin(ReadOnlyAdmin):
    list_display = ("line_reference", "kind", "total", "fee", "payout_reference", "created_at")
    list_filter = ("kind", "currency", "provider")
    search_fields = ("line_reference__exact", "payout_reference__exact")
    id_fields = ("id", "book_id", "payment_id")

    @admin.display(description="Gross", ordering="gross")
    def total(self, line: SettlementLine) -> str:
        return shown(Money(line.gross, line.currency))

    @admin.display(description="Provider's fee")
    def fee(self, line: SettlementLine) -> str:
        return shown(Money(line.provider_fee, line.currency))
