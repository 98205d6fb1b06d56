"""What a merchant may send about customers and payment methods, and what it looks like here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rest_framework import serializers

from apps.core import cards, ids
from apps.core.api import MetadataField, StrictSerializer, TextField
from apps.wallets.models import Customer, PaymentMethod
from apps.wallets.types import MethodKind


class NewCustomer(StrictSerializer):
    name = TextField(required=False, allow_null=True)
    email = serializers.EmailField(required=False, allow_null=True, max_length=254)
    metadata = MetadataField()


class NewPaymentMethod(StrictSerializer):
    # A provider's token, never a number: `pm_card_visa`, `tok_…`.
    provider_token = serializers.RegexField(
        r"\A(pm|tok)_[A-Za-z0-9_]+\Z",
        max_length=255,
        trim_whitespace=False,
        error_messages={"invalid": "Must be a provider's token: pm_… or tok_…."},
    )
    customer = TextField(required=False, allow_null=True)
    type = serializers.ChoiceField(
        choices=[kind.value for kind in MethodKind], default=MethodKind.CARD.value
    )

    def validate_provider_token(self, token: str) -> str:
        # An underscore makes a word of `pm_4242…`, where the parser's filter does not look.
        cards.refuse_in_texts(token.replace("_", " "))
        return token


# --- answers, and their schema --------------------------------------------------------------------


class CustomerShape(serializers.Serializer[Any]):
    """A customer. Once erased, `name` and `email` are null and `metadata` is empty."""

    id = serializers.CharField(help_text="cus_…")
    object = serializers.ChoiceField(choices=["customer"])
    name = serializers.CharField(allow_null=True)
    email = serializers.CharField(allow_null=True)
    metadata = serializers.DictField(child=serializers.CharField())
    erased_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class CustomerList(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["list"])
    data = CustomerShape(many=True)  # type: ignore[assignment]
    has_more = serializers.BooleanField()
    url = serializers.CharField()


class PaymentMethodShape(serializers.Serializer[Any]):
    """A card or account. What it looks like is null until its first payment has shown it."""

    id = serializers.CharField(help_text="card_… or bank_…")
    object = serializers.ChoiceField(choices=["payment_method"])
    type = serializers.ChoiceField(choices=[kind.value for kind in MethodKind])
    customer = serializers.CharField(allow_null=True, help_text="cus_…")
    brand = serializers.CharField(allow_null=True)
    last4 = serializers.CharField(allow_null=True)
    exp_month = serializers.IntegerField(allow_null=True)
    exp_year = serializers.IntegerField(allow_null=True)
    funding = serializers.CharField(allow_null=True)
    country = serializers.CharField(allow_null=True)
    fingerprint = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class PaymentMethodList(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["list"])
    data = PaymentMethodShape(many=True)  # type: ignore[assignment]
    has_more = serializers.BooleanField()
    url = serializers.CharField()


def render_customer(customer: Customer) -> dict[str, Any]:
    """The customer as the API shows it; times are ISO 8601 in UTC."""
    return {
        "id": ids.encode("cus", customer.id),
        "object": "customer",
        "name": customer.name,
        "email": customer.email,
        "metadata": customer.metadata,
        "erased_at": _time(customer.erased_at),
        "created_at": _time(customer.created_at),
    }


def render_payment_method(method: PaymentMethod) -> dict[str, Any]:
    """The payment method as the API shows it: no token, which is ours and the provider's."""
    return {
        "id": ids.encode(method.kind, method.id),
        "object": "payment_method",
        "type": method.kind,
        "customer": ids.encode("cus", method.customer_id) if method.customer_id else None,
        "brand": method.brand,
        "last4": method.last4,
        "exp_month": method.exp_month,
        "exp_year": method.exp_year,
        "funding": method.funding,
        "country": method.country,
        "fingerprint": method.fingerprint,
        "created_at": _time(method.created_at),
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
