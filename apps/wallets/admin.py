"""Customers and payment methods in the console. Who a customer is stays encrypted here."""

from django.contrib import admin

from apps.core.admin import ReadOnlyAdmin
from apps.wallets.models import Customer, PaymentMethod, PaymentMethodToken


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
