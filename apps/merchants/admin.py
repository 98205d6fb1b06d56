"""Merchants, keys, fee plans, payout terms and bank accounts in the console."""

from django.contrib import admin

from apps.core.admin import ReadOnlyAdmin
from apps.merchants.models import ApiKey, BankAccount, FeePlan, Merchant, PayoutTerms


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


@admin.register(FeePlan)
class FeePlanAdmin(ReadOnlyAdmin):
    list_display = (
        *("book", "method", "currency", "country", "funding", "basis_points", "fixed_amount"),
        *("minimum_amount", "cap_amount", "valid_from"),
    )
    list_select_related = ("book",)
    search_fields = ("method__exact",)


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
