"""Customers and what is theirs in the console. Who a customer is stays encrypted here."""

from __future__ import annotations

from django.contrib import admin

from apps.core.admin import ReadOnlyAdmin
from apps.core.money import Money, shown
from apps.wallets import selectors
from apps.wallets.models import Customer, Hold, PaymentMethod, PaymentMethodToken, Wallet


@admin.register(Customer)
class CustomerAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "created_at", "erased_at", "book_id")
    exclude = ("name_encrypted", "email_encrypted")
    search_fields = ("id__exact",)


@admin.register(PaymentMethod)
class PaymentMethodAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "brand", "last4", "exp_month", "exp_year", "customer", "created_at")
    list_select_related = ("customer",)
    search_fields = ("last4__exact",)
    id_fields = ("id", "customer_id", "book_id")


@admin.register(PaymentMethodToken)
class PaymentMethodTokenAdmin(ReadOnlyAdmin):
    list_display = ("payment_method", "provider", "created_at", "book_id")
    list_select_related = ("payment_method",)
    exclude = ("token",)
    search_fields = ("provider__exact",)
    id_fields = ("id", "payment_method_id", "customer_id", "book_id")


@admin.register(Wallet)
class WalletAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "currency", "status", "customer", "created_at", "book_id")
    list_filter = ("status", "currency")
    list_select_related = ("customer",)
    id_fields = ("id", "customer_id", "book_id")
    readonly_fields = ("available", "held")

    @admin.display(description="available")
    def available(self, wallet: Wallet) -> str:
        return shown(selectors.balance_at(wallet=wallet).available)

    @admin.display(description="held")
    def held(self, wallet: Wallet) -> str:
        return shown(selectors.balance_at(wallet=wallet).held)


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    list_display = ("id", "held", "taken", "status", "wallet", "expires_at", "created_at")
    list_filter = ("status", "currency")
    list_select_related = ("wallet",)
    id_fields = ("id", "wallet_id", "payment_id", "book_id")
    exclude = ("amount", "captured")
    readonly_fields = ("held", "taken")

    @admin.display(description="amount", ordering="amount")
    def held(self, hold: Hold) -> str:
        return shown(Money(hold.amount, hold.currency))

    @admin.display(description="captured", ordering="captured")
    def taken(self, hold: Hold) -> str:
        return shown(Money(hold.captured, hold.currency))
