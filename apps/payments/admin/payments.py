"""Payments, refunds, payouts and balances, to look at; and what came back and has nowhere to go."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from unfold.dataclasses import UnfoldAction
from unfold.decorators import action

from apps.audit import selectors as audit
from apps.core import clock, ids
from apps.core.admin import ReadOnlyAdmin, actor_of, find_row, read_id
from apps.core.money import Money, shown
from apps.gateways.types import in_words
from apps.merchants import selectors as merchants
from apps.payments.admin.deciding import ReasonForm, decide, trail
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
from apps.payments.services import redirecting


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
SENT_BACK = (
    "The customer's transfer came and could not be credited. You have sent all of it back at the "
    "bank; this notes it, and the payment is refunded."
)
TO_MERCHANT = (
    "The bank has sent the money back, and the wallet it came from is closed for good. It becomes "
    "payable to the merchant, who owes it to the customer, and the merchant is told."
)


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
        *(FEE, FEE_RETURNED, "why", "became"),
    )
    actions_detail = ("send_back",)
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
        ("What became of it", {"fields": ("became",)}),
        ("Book", {"fields": ("book_id", "destination", "created_by", "version")}),
    )

    @admin.display(description="Why this provider")
    def why(self, payment: Payment) -> str:
        return format_html_join(mark_safe("<br>"), "{}", [(w,) for w in in_words(payment.route)])

    @admin.display(description="Payment", ordering="id")
    def payment(self, payment: Payment) -> str:
        return ids.encode("pay", payment.id)

    @admin.display(description="Who did what, and why")
    def became(self, payment: Payment) -> SafeString:
        return trail(list(audit.list_entries(book_id=payment.book_id, subject_id=payment.id)))

    def has_send_back_permission(self, request: HttpRequest, _object_id: Any = None) -> bool:
        return request.user.has_perm("payments.send_back_payment")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[UnfoldAction]:
        """Only where a bank transfer has come that could not be credited."""
        payment = find_row(Payment, object_id)
        is_waiting = payment is not None and redirecting.find_uncredited_run(payment) is not None
        return super().get_actions_detail(request, object_id) if is_waiting else []

    @action(description="Was sent back…", url_path="sent-back", permissions=["send_back"])
    def send_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        payment = get_object_or_404(Payment, id=read_id(object_id))
        form = ReasonForm(request.POST if request.method == "POST" else None)

        def act() -> str:
            redirecting.note_sent_back(
                book_id=payment.book_id,
                payment_id=payment.id,
                reason=form.cleaned_data["reason"],
                actor=actor_of(request),
                now=clock.now(),
            )
            return "Noted as sent back. The run goes on and ends."

        return decide(
            self,
            request,
            title="It was sent back",
            words=SENT_BACK,
            facts=[
                ("Payment", self.payment(payment)),
                ("Came", shown(payment.money(payment.amount_captured))),
                ("Merchant", merchants.name_of(payment.book_id)),
            ],
            form=form,
            act=act,
            back=reverse("admin:payments_payment_change", args=[payment.id]),
        )


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
    readonly_fields = ("payout", TOTAL, "wallet", "bank_account", "became")
    actions_detail = ("give_to_merchant",)
    fieldsets = (
        (None, {"fields": ("payout", "status", "kind", "description", "metadata")}),
        ("Money", {"fields": (TOTAL, "wallet", "bank_account")}),
        ("Provider", {"fields": ("provider", "provider_reference", "failure_code")}),
        (
            "When",
            {
                "fields": (
                    *("created_at", "sent_at", "expected_on", "paid_at", "failed_at"),
                    *("returned_at", "to_merchant_at", "updated_at"),
                )
            },
        ),
        ("What became of it", {"fields": ("became",)}),
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

    @admin.display(description="Who did what, and why")
    def became(self, payout: Payout) -> SafeString:
        return trail(list(audit.list_entries(book_id=payout.book_id, subject_id=payout.id)))

    def has_redirect_permission(self, request: HttpRequest, _object_id: Any = None) -> bool:
        return request.user.has_perm("payments.redirect_payout")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[UnfoldAction]:
        """Only where something has come back and has nowhere to go."""
        payout = find_row(Payout, object_id)
        is_waiting = payout is not None and redirecting.find_stuck_run(payout) is not None
        return super().get_actions_detail(request, object_id) if is_waiting else []

    @action(description="Give to the merchant…", url_path="to-merchant", permissions=["redirect"])
    def give_to_merchant(self, request: HttpRequest, object_id: str) -> HttpResponse:
        payout = get_object_or_404(Payout, id=read_id(object_id))
        form = ReasonForm(request.POST if request.method == "POST" else None)

        def act() -> str:
            redirecting.give_to_merchant(
                book_id=payout.book_id,
                payout_id=payout.id,
                reason=form.cleaned_data["reason"],
                actor=actor_of(request),
                now=clock.now(),
            )
            return "It is the merchant's. The run goes on and books it."

        facts = [
            ("Withdrawal", self.payout(payout)),
            ("Amount", shown(payout.money(payout.amount))),
            ("Out of the wallet", self.wallet(payout)),
            ("Merchant", merchants.name_of(payout.book_id)),
        ]
        return decide(
            self,
            request,
            title="Give to the merchant",
            words=TO_MERCHANT,
            facts=facts,
            form=form,
            act=act,
            back=reverse("admin:payments_payout_change", args=[payout.id]),
        )


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
