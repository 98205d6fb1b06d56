"""Customers and payment methods: what may be sent, and what is shown."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework import serializers

from apps.core import cards, ids
from apps.core.api import MetadataField, StrictSerializer, TextField
from apps.core.statements import time
from apps.wallets.models import Customer, PaymentMethod
from apps.wallets.types import MethodKind


class NewCustomer(StrictSerializer):
    name = TextField(required=False, allow_null=True)
    email = serializers.EmailField(required=False, allow_null=True, max_length=254)
    metadata = MetadataField()


class CustomerUpdate(StrictSerializer):
    """What is given is changed; null takes it away. Metadata are replaced whole."""

    name = TextField(required=False, allow_null=True)
    email = serializers.EmailField(required=False, allow_null=True, max_length=254)
    metadata = MetadataField()
    default_payment_method = TextField(
        required=False, allow_null=True, help_text="card_… or bank_…: one of theirs"
    )


class _TokenField(serializers.RegexField):
    """A provider's token, never a number: an underscore would hide one from the parser's filter."""

    def __init__(self, pattern: str, like: str) -> None:
        super().__init__(
            pattern,
            max_length=255,
            trim_whitespace=False,
            error_messages={"invalid": f"Must be a provider's token: {like}."},
        )

    def to_internal_value(self, data: Any) -> str:
        token: str = super().to_internal_value(data)
        cards.refuse_in_texts(token.replace("_", " "))
        return token


class NewPaymentMethod(StrictSerializer):
    provider_token = _TokenField(r"\A(pm|tok)_[A-Za-z0-9_]+\Z", "pm_… or tok_…")
    customer = TextField(required=False, allow_null=True)
    type = serializers.ChoiceField(
        choices=[kind.value for kind in MethodKind], default=MethodKind.CARD.value
    )


class NewToken(StrictSerializer):
    provider = serializers.ChoiceField(choices=settings.PAYSYS_TOKEN_PROVIDERS)
    provider_token = _TokenField(r"\A[A-Za-z0-9_-]+\Z", "letters, digits, _ and -")


class Nothing(StrictSerializer):
    """Nothing to say: the body is empty."""


# --- answers, and their schema --------------------------------------------------------------------


class CustomerShape(serializers.Serializer[Any]):
    """A customer. Once erased, `name` and `email` are null and `metadata` is empty."""

    id = serializers.CharField(help_text="cus_…")
    object = serializers.ChoiceField(choices=["customer"])
    name = serializers.CharField(allow_null=True)
    email = serializers.CharField(allow_null=True)
    default_payment_method = serializers.CharField(allow_null=True, help_text="card_… or bank_…")
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
    customer = serializers.CharField(allow_null=True, help_text="cus_…; null once detached")
    providers = serializers.ListField(
        child=serializers.CharField(), help_text="who has a token of it and can charge it"
    )
    brand = serializers.CharField(allow_null=True)
    last4 = serializers.CharField(allow_null=True)
    exp_month = serializers.IntegerField(allow_null=True)
    exp_year = serializers.IntegerField(allow_null=True)
    funding = serializers.CharField(allow_null=True)
    country = serializers.CharField(allow_null=True)
    fingerprint = serializers.CharField(allow_null=True)
    detached_at = serializers.DateTimeField(allow_null=True)
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
        "default_payment_method": _default_of(customer),
        "metadata": customer.metadata,
        "erased_at": time(customer.erased_at),
        "created_at": time(customer.created_at),
    }


def _default_of(customer: Customer) -> str | None:
    if customer.default_payment_method_id is None:
        return None
    kind: str = customer.default_kind  # type: ignore[attr-defined]
    return ids.encode(kind, customer.default_payment_method_id)


def render_payment_method(method: PaymentMethod) -> dict[str, Any]:
    """The payment method as the API shows it: no token, which is ours and the provider's."""
    owner = method.customer_id if method.detached_at is None else None
    return {
        "id": ids.encode(method.kind, method.id),
        "object": "payment_method",
        "type": method.kind,
        "customer": ids.encode("cus", owner) if owner else None,
        "providers": sorted(token.provider for token in method.tokens.all()),
        "brand": method.brand,
        "last4": method.last4,
        "exp_month": method.exp_month,
        "exp_year": method.exp_year,
        "funding": method.funding,
        "country": method.country,
        "fingerprint": method.fingerprint,
        "detached_at": time(method.detached_at),
        "created_at": time(method.created_at),
    }
