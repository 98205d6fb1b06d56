"""Payments, refunds, payouts and balances, to look at. Nothing moves money from here."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe

from apps.core import ids
from apps.core.admin import ReadOnlyAdmin
from apps.core.money import Money, shown
from apps.gateways.types import in_words
from apps.payments.models import (
    BalanceTransaction,
    Payment,
    Payout,
    PayoutItem,
    Refund,
    Release,
    Reserve,
    SettlementLine,
)


def _amount(field: str, words: str) -> Any:
    """A column that shows one of a row's amounts as people read it."""

    @admin.display(description=words, ordering=field)
    def column(row: Payment | Refund | Payout) -> str:
        return shown(row.money(getattr(row, field)))

    column.__name__ = f"shown_{field}"
    return column


TOTAL, AUTHORIZED = _amount("amount", "Amount"), _amount("amount_authorized", "Authorized")
CAPTURED, REFUNDED = _amount("amount_captured", "Captured"), _amount("amount_refunded", "Refunded")
FEE, RESERVED = _amount("fee", "Fee"), _amount("refund_reserved", "Refunds asked for")
FEE_RETURNED = _amount("fee_returned", "Fee returned")


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    list_display = (
        *("payment", "status", TOTAL, CAPTURED, REFUNDED, FEE),
        *("provider", "created_at"),
    )
    list_filter = ("status", "currency", "capture_method")
    search_fields = ("reference__exact", "provider_reference__exact", "charge_reference__exact")
    id_fields = ("id", "book_id", "payment_method_id")
    readonly_fields = (
        *("payment", TOTAL, AUTHORIZED, CAPTURED, REFUNDED, RESERVED),
        *(FEE, FEE_RETURNED, "why"),
    )
    fieldsets = (
        (None, {"fields": ("payment", "status", "reference", "description", "metadata")}),
        (
            "Money",
            {"fields": (TOTAL, AUTHORIZED, CAPTURED, REFUNDED, RESERVED, FEE, FEE_RETURNED)},
        ),
        ("Customer", {"fields": ("method", "source", "card", "next_action", "return_url")}),
        (
            "Provider",
            {"fields": ("provider", "why", "provider_reference", "charge_reference")},
        ),
        ("Refusal", {"fields": ("failure_code", "failure_message")}),
        (
            "When",
            {
                "fields": (
                    *("created_at", "authorized_at", "capture_before", "void_requested_at"),
                    *("captured_at", "settled_at", "updated_at"),
                )
            },
        ),
        ("Book", {"fields": ("book_id", "destination", "created_by", "version")}),
    )

    @admin.display(description="Why this provider")
    def why(self, payment: Payment) -> str:
        return format_html_join(mark_safe("<br>"), "{}", [(w,) for w in in_words(payment.route)])

    @admin.display(description="Payment", ordering="id")
    def payment(self, payment: Payment) -> str:
        return ids.encode("pay", payment.id)


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    list_display = ("refund", "status", TOTAL, FEE_RETURNED, "of_payment", "reason", "created_at")
    list_filter = ("status", "currency", "is_compensation")
    search_fields = ("provider_reference__exact",)
    id_fields = ("id", "book_id", "payment_id")
    readonly_fields = ("refund", "of_payment", TOTAL, FEE_RETURNED)
    fieldsets = (
        (None, {"fields": ("refund", "of_payment", "status", "reason", "metadata")}),
        ("Money", {"fields": (TOTAL, FEE_RETURNED)}),
        ("Provider", {"fields": ("provider_reference", "failure_code")}),
        ("When", {"fields": ("created_at", "succeeded_at", "failed_at", "updated_at")}),
        ("Book", {"fields": ("book_id", "created_by", "is_compensation", "version")}),
    )

    @admin.display(description="Refund", ordering="id")
    def refund(self, refund: Refund) -> str:
        return ids.encode("re", refund.id)

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


@admin.register(Payout)
class PayoutAdmin(ReadOnlyAdmin):
    """Payouts and withdrawals. Of the account they go to the last four are on its own page."""

    list_display = ("payout", "status", TOTAL, "kind", "provider", "expected_on", "created_at")
    list_filter = ("status", "kind", "currency")
    search_fields = ("provider_reference__exact",)
    id_fields = ("id", "book_id", "wallet_id", "bank_account_id")
    readonly_fields = ("payout", TOTAL, "wallet", "bank_account")
    fieldsets = (
        (None, {"fields": ("payout", "status", "kind", "description", "metadata")}),
        ("Money", {"fields": (TOTAL, "wallet", "bank_account")}),
        ("Provider", {"fields": ("provider", "provider_reference", "failure_code")}),
        (
            "When",
            {
                "fields": (
                    *("created_at", "sent_at", "expected_on", "paid_at", "failed_at"),
                    *("returned_at", "updated_at"),
                )
            },
        ),
        ("Book", {"fields": ("book_id", "created_by", "version")}),
    )

    @admin.display(description="Payout", ordering="id")
    def payout(self, payout: Payout) -> str:
        return ids.encode("po", payout.id)

    @admin.display(description="Out of the wallet")
    def wallet(self, payout: Payout) -> str | None:
        return ids.encode("wallet", payout.wallet_id) if payout.wallet_id else None

    @admin.display(description="To the bank account")
    def bank_account(self, payout: Payout) -> str:
        return ids.encode("ba", payout.bank_account_id)


def _in_currency(field: str, words: str) -> Any:
    """As `_amount`, for rows that know their currency and nothing of `Money`."""

    @admin.display(description=words, ordering=field)
    def column(row: BalanceTransaction | Release | Reserve | PayoutItem) -> str:
        currency = row.balance_transaction.currency if isinstance(row, PayoutItem) else row.currency
        return shown(Money(getattr(row, field), currency))

    column.__name__ = f"shown_{field}"
    return column


AMOUNT, GROSS = _in_currency("amount", "Amount"), _in_currency("gross", "Gross")
LINE_FEE, NET = _in_currency("fee", "Fee"), _in_currency("net", "Net")
PAID_OUT = _in_currency("paid_out", "Paid out")


@admin.register(PayoutItem)
class PayoutItemAdmin(ReadOnlyAdmin):
    """What payouts are made of: search for a payout to see its items."""

    list_display = ("payout_id", AMOUNT, "balance_transaction")
    list_select_related = ("balance_transaction",)
    id_fields = ("payout_id", "balance_transaction_id", "book_id")
    fields = ("payout", "balance_transaction", AMOUNT)
    readonly_fields = (AMOUNT,)


@admin.register(BalanceTransaction)
class BalanceTransactionAdmin(ReadOnlyAdmin):
    """Merchants' balances, line by line: pending until `payable_at`, then payable."""

    list_display = ("kind", GROSS, LINE_FEE, NET, PAID_OUT, "available_on", "payable_at", "book_id")
    list_filter = ("kind", "currency", "available_on")
    id_fields = ("id", "book_id", "source_id", "payment_id", "release_id")
    exclude = ("gross", "fee", "net", "paid_out")
    readonly_fields = (GROSS, LINE_FEE, NET, PAID_OUT)


@admin.register(Release)
class ReleaseAdmin(ReadOnlyAdmin):
    """What became payable, day by day."""

    list_display = ("available_on", AMOUNT, "lines", "book_id", "created_at")
    list_filter = ("currency", "available_on")
    exclude = ("amount",)
    readonly_fields = (AMOUNT,)


@admin.register(Reserve)
class ReserveAdmin(ReadOnlyAdmin):
    """What is kept back of releases, and until when."""

    list_display = ("free_on", AMOUNT, "freed_at", "book_id", "created_at")
    list_filter = ("currency", "free_on")
    id_fields = ("id", "book_id", "release_id")
    exclude = ("amount",)
    readonly_fields = (AMOUNT,)
