"""Merchants, keys, fee plans, payout terms and bank accounts in the console."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from django.contrib import admin

from apps.core.admin import ReadOnlyAdmin
from apps.core.money import Money, shown
from apps.merchants.models import ApiKey, BankAccount, FeePlan, Merchant, PayoutTerms

FIRST_YEAR = 1970  # of a merchant's first plan, which holds from the beginning of time


@admin.register(Merchant)
class MerchantAdmin(ReadOnlyAdmin):
    list_display = ("name", "country", "default_currency", "status", "created_at", "id")
    list_filter = ("status",)
    search_fields = ("name__istartswith",)
    id_fields = ("id",)


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_display = ("prefix", "book", "name", "last_used_on", "expires_at", "revoked_at")
    list_select_related = ("book",)
    list_filter = ("mode",)
    exclude = ("digest",)
    search_fields = ("prefix__exact",)
    id_fields = ("book_id",)
    ordering = ("-created_at",)


def _of_plan(field: str, words: str) -> Any:
    """One of a plan's amounts; a plan for every currency has none."""

    @admin.display(description=words)
    def column(plan: FeePlan) -> str:
        amount = getattr(plan, field)
        return shown(Money(amount, plan.currency)) if amount else "–"

    column.__name__ = f"shown_{field}"
    return column


def _or_any(field: str) -> Any:
    @admin.display(description=field.capitalize(), ordering=field)
    def column(plan: FeePlan) -> str:
        value: str = getattr(plan, field)
        return "any" if value == FeePlan.ANY else value

    column.__name__ = f"shown_{field}"
    return column


FIXED, MINIMUM, CAP = (
    _of_plan(f"{words.lower()}_amount", words) for words in ("Fixed", "Minimum", "Cap")
)
METHOD, CURRENCY, COUNTRY, FUNDING = map(_or_any, ("method", "currency", "country", "funding"))


@admin.register(FeePlan)
class FeePlanAdmin(ReadOnlyAdmin):
    list_display = (
        *("book", METHOD, CURRENCY, COUNTRY, FUNDING),
        *("percentage", FIXED, MINIMUM, CAP, "since"),
    )
    list_select_related = ("book",)
    search_fields = ("method__exact",)
    readonly_fields = (METHOD, CURRENCY, COUNTRY, FUNDING, "percentage", FIXED, MINIMUM, CAP)
    fieldsets = (
        (None, {"fields": ("book", METHOD, CURRENCY, COUNTRY, FUNDING)}),
        ("Fee", {"fields": ("percentage", FIXED, MINIMUM, CAP)}),
        ("A refund brings back", {"fields": ("returns_percentage", "returns_fixed")}),
        ("When", {"fields": ("valid_from", "created_at")}),
    )

    @admin.display(description="Percentage", ordering="basis_points")
    def percentage(self, plan: FeePlan) -> str:
        return f"{Decimal(plan.basis_points) / 100:.2f} %"

    @admin.display(description="Since", ordering="valid_from")
    def since(self, plan: FeePlan) -> date | str:
        return plan.valid_from.date() if plan.valid_from.year > FIRST_YEAR else "the beginning"


@admin.register(PayoutTerms)
class PayoutTermsAdmin(ReadOnlyAdmin):
    list_display = (
        *("book", "interval", "delay_days", "reserve_basis_points", "reserve_days"),
        "updated_at",
    )
    list_filter = ("interval",)
    list_select_related = ("book",)
    id_fields = ("book_id",)


@admin.register(BankAccount)
class BankAccountAdmin(ReadOnlyAdmin):
    """Where money goes. Whose account it is stays encrypted, and so does its number."""

    list_display = ("__str__", "country", "book", "customer_id", "usable_from", "removed_at")
    list_filter = ("currency",)
    list_select_related = ("book",)
    exclude = ("holder_encrypted", "number_encrypted", "routing_number")
    search_fields = ("last4__exact", "provider_reference__exact")
    id_fields = ("id", "book_id", "customer_id")
