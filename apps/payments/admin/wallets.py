"""Transfers between wallets, quotes and the rates that were set, to look at."""

from __future__ import annotations

from django.contrib import admin

from apps.core import ids
from apps.core.admin import ReadOnlyAdmin, linked
from apps.core.money import Money, shown
from apps.merchants import selectors as merchants
from apps.payments import public
from apps.payments.models import ExchangeRate, Quote, Transfer


@admin.register(Transfer)
class TransferAdmin(ReadOnlyAdmin):
    list_display = ("transfer", "merchant", "total", "start", "end", "created_at")
    list_filter = ("currency",)
    search_fields = ("id__exact",)
    id_fields = ("id", "book_id", "from_wallet_id", "to_wallet_id")
    readonly_fields = ("transfer", "merchant", "total", "start", "end")
    fieldsets = (
        (None, {"fields": ("transfer", "total", "start", "end", "description", "metadata")}),
        ("When and by whom", {"fields": ("created_at", "created_by", "merchant")}),
    )

    @admin.display(description="Transfer", ordering="id")
    def transfer(self, transfer: Transfer) -> str:
        return ids.encode("tr", transfer.id)

    @admin.display(description="Merchant", ordering="book_id")
    def merchant(self, transfer: Transfer) -> str:
        return merchants.name_of(transfer.book_id)

    @admin.display(description="Amount", ordering="amount")
    def total(self, transfer: Transfer) -> str:
        return shown(Money(transfer.amount, transfer.currency))

    @admin.display(description="From")
    def start(self, transfer: Transfer) -> str:
        wallet = transfer.from_wallet_id
        return linked(ids.encode("wallet", wallet), "wallets_wallet", wallet)

    @admin.display(description="To")
    def end(self, transfer: Transfer) -> str:
        wallet = transfer.to_wallet_id
        return linked(ids.encode("wallet", wallet), "wallets_wallet", wallet)


@admin.register(Quote)
class QuoteAdmin(ReadOnlyAdmin):
    list_display = ("quote", "merchant", "presented", "credited", "ours", "expires_at", "payment")
    list_filter = ("from_currency", "to_currency")
    search_fields = ("id__exact",)
    id_fields = ("id", "book_id", "payment_id")
    readonly_fields = ("quote", "merchant", "presented", "credited", "payment", "ours", "mid")
    fieldsets = (
        (None, {"fields": ("quote", "presented", "credited", "payment")}),
        ("Rates", {"fields": ("ours", "mid", "spread_basis_points", "rates_of")}),
        ("When and by whom", {"fields": ("created_at", "expires_at", "created_by", "merchant")}),
    )

    @admin.display(description="Quote", ordering="id")
    def quote(self, quote: Quote) -> str:
        return ids.encode("quote", quote.id)

    @admin.display(description="Merchant", ordering="book_id")
    def merchant(self, quote: Quote) -> str:
        return merchants.name_of(quote.book_id)

    @admin.display(description="Of", ordering="amount")
    def presented(self, quote: Quote) -> str:
        return shown(Money(quote.amount, quote.from_currency))

    @admin.display(description="Credits", ordering="to_amount")
    def credited(self, quote: Quote) -> str:
        return shown(Money(quote.to_amount, quote.to_currency))

    @admin.display(description="Rate", ordering="rate")
    def ours(self, quote: Quote) -> str:
        return public.rate(quote.rate)

    @admin.display(description="Rate at the mid", ordering="rate_mid")
    def mid(self, quote: Quote) -> str:
        return public.rate(quote.rate_mid)

    @admin.display(description="Used by")
    def payment(self, quote: Quote) -> str:
        if quote.payment_id is None:
            return "–"
        return linked(ids.encode("pay", quote.payment_id), "payments_payment", quote.payment_id)


@admin.register(ExchangeRate)
class ExchangeRateAdmin(ReadOnlyAdmin):
    """The rates that were set; the central bank's are not in the database."""

    list_display = ("currency", "day", "one_euro", "set_by", "created_at")
    list_filter = ("currency",)
    search_fields = ("currency__exact", "set_by__exact")
    list_before_template = "payments/rates.html"
    exclude = ("per_euro",)
    readonly_fields = ("one_euro",)

    @admin.display(description="One euro is", ordering="per_euro")
    def one_euro(self, rate: ExchangeRate) -> str:
        return f"{public.rate(rate.per_euro)} {rate.currency}"
