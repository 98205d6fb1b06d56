"""Merchants, keys and fee plans in the console."""

from django.contrib import admin

from apps.core.admin import ReadOnlyAdmin
from apps.merchants.models import ApiKey, FeePlan, Merchant


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
        *("book", "method", "currency", "country", "basis_points", "fixed_amount"),
        *("minimum_amount", "cap_amount", "valid_from"),
    )
    list_select_related = ("book",)
    search_fields = ("method__exact",)
