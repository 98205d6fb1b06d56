"""Customers and what is theirs in the console. Who a customer is stays encrypted here."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from unfold.decorators import display

from apps.core import ids
from apps.core.admin import ReadOnlyAdmin, in_words, linked
from apps.core.money import Money, shown
from apps.merchants import selectors as merchants
from apps.wallets import selectors
from apps.wallets.models import Customer, Hold, PaymentMethod, PaymentMethodToken, Wallet
from apps.wallets.types import WalletBalance


@admin.register(Customer)
class CustomerAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "merchant", "created_at", "erased_at")
    exclude = ("name_encrypted", "email_encrypted")
    search_fields = ("id__exact",)

    @admin.display(description="Merchant", ordering="book_id")
    def merchant(self, customer: Customer) -> str:
        return merchants.name_of(customer.book_id)


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
    list_display = ("wallet", "merchant", "state", "available", "held", "owner", "created_at")
    list_filter = ("status", "currency")
    search_fields = ("id__exact",)
    id_fields = ("id", "customer_id", "book_id")
    readonly_fields = ("wallet", "merchant", "state", "available", "held", "owner")
    fieldsets = (
        (None, {"fields": ("wallet", "state", "owner", "merchant", "metadata")}),
        ("Money", {"fields": ("currency", "available", "held")}),
        ("When", {"fields": ("created_at", "closed_at")}),
    )

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """The page, with what its wallets hold: a query per merchant on it."""
        page = super().get_changelist_instance(request)
        page.result_list = wallets = list(page.result_list)
        for book_id in {wallet.book_id for wallet in wallets}:
            of_book = [wallet for wallet in wallets if wallet.book_id == book_id]
            balances = selectors.balances_of(book_id=book_id, wallets=of_book)
            for wallet in of_book:
                wallet.balance = balances[wallet.id]
        return page

    @admin.display(description="Wallet", ordering="id")
    def wallet(self, wallet: Wallet) -> str:
        return str(wallet)

    @admin.display(description="Merchant", ordering="book_id")
    def merchant(self, wallet: Wallet) -> str:
        return merchants.name_of(wallet.book_id)

    @display(
        description="State",
        ordering="status",
        label={"Active": "success", "Frozen": "warning", "Closed": "info"},
    )
    def state(self, wallet: Wallet) -> str:
        return in_words(wallet.status)

    @admin.display(description="Customer")
    def owner(self, wallet: Wallet) -> str:
        return linked(ids.encode("cus", wallet.customer_id), "wallets_customer", wallet.customer_id)

    @admin.display(description="Available")
    def available(self, wallet: Wallet) -> str:
        return shown(_balance(wallet).available)

    @admin.display(description="Held")
    def held(self, wallet: Wallet) -> str:
        return shown(_balance(wallet).held)


def _balance(wallet: Wallet) -> WalletBalance:
    known: WalletBalance | None = getattr(wallet, "balance", None)
    return selectors.balance_at(wallet=wallet) if known is None else known


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    list_display = ("hold", "merchant", "state", "held", "taken", "of", "expires_at")
    list_filter = ("status", "currency")
    search_fields = ("id__exact",)
    id_fields = ("id", "wallet_id", "payment_id", "book_id")
    readonly_fields = ("hold", "merchant", "state", "held", "taken", "of", "payment")
    fieldsets = (
        (None, {"fields": ("hold", "state", "of", "payment", "merchant", "metadata")}),
        ("Money", {"fields": ("held", "taken")}),
        ("When", {"fields": ("created_at", "expires_at", "ended_at")}),
    )

    @admin.display(description="Hold", ordering="id")
    def hold(self, hold: Hold) -> str:
        return ids.encode("hold", hold.id)

    @admin.display(description="Merchant", ordering="book_id")
    def merchant(self, hold: Hold) -> str:
        return merchants.name_of(hold.book_id)

    @display(
        description="State",
        ordering="status",
        label={"Open": "warning", "Captured": "success", "Released": "info", "Expired": "info"},
    )
    def state(self, hold: Hold) -> str:
        return in_words(hold.status)

    @admin.display(description="Amount", ordering="amount")
    def held(self, hold: Hold) -> str:
        return shown(Money(hold.amount, hold.currency))

    @admin.display(description="Captured", ordering="captured")
    def taken(self, hold: Hold) -> str:
        return shown(Money(hold.captured, hold.currency)) if hold.captured else "–"

    @admin.display(description="Of the wallet")
    def of(self, hold: Hold) -> str:
        return linked(ids.encode("wallet", hold.wallet_id), "wallets_wallet", hold.wallet_id)

    @admin.display(description="For the payment")
    def payment(self, hold: Hold) -> str | None:
        return ids.encode("pay", hold.payment_id) if hold.payment_id else None
