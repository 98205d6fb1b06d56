"""What a merchant may send about payments. Amounts are integers in minor units."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.core import cards
from apps.core.api import AmountField, CurrencyField, MetadataField, StrictSerializer, TextField
from apps.core.money import from_minor
from apps.payments.types import CaptureMethod, NewPayment


class CreatePayment(StrictSerializer):
    amount = AmountField()
    currency = CurrencyField()
    source = TextField()  # type: ignore[assignment]
    destination = TextField(required=False)
    capture_method = serializers.ChoiceField(
        choices=[str(m) for m in CaptureMethod], required=False
    )
    reference = TextField(required=False, max_length=100)
    description = TextField(required=False, max_length=500)
    return_url = serializers.URLField(required=False, max_length=1000)
    metadata = MetadataField()

    def validate_source(self, source: str) -> str:
        # An underscore makes a word of `pm_4242…`, where the parser's filter does not look.
        cards.refuse_in_texts(source.replace("_", " "))
        return source

    @staticmethod
    def order(values: dict[str, Any]) -> NewPayment:
        """The validated values as an order."""
        facts = {
            name: values[name]
            for name in ("source", "destination", "reference", "description", "return_url")
            if name in values
        }
        return NewPayment(
            amount=from_minor(values["amount"], values["currency"]),
            capture_method=CaptureMethod(values.get("capture_method", CaptureMethod.AUTOMATIC)),
            metadata=values.get("metadata", {}),
            **facts,
        )


class CapturePayment(StrictSerializer):
    amount = AmountField(required=False)


class VoidPayment(StrictSerializer):
    """Nothing to say: the body is empty."""


class RefundPayment(StrictSerializer):
    amount = AmountField(required=False)
    reason = TextField(required=False)
    metadata = MetadataField()


# --- answers, for the schema ----------------------------------------------------------------------


class FailureShape(serializers.Serializer[Any]):
    code = serializers.CharField()
    message = serializers.CharField()


class NextActionShape(serializers.Serializer[Any]):
    type = serializers.ChoiceField(choices=["redirect_to_url"])
    url = serializers.URLField()


class CardShape(serializers.Serializer[Any]):
    brand = serializers.CharField()
    last4 = serializers.CharField()
    exp_month = serializers.IntegerField()
    exp_year = serializers.IntegerField()
    funding = serializers.CharField()
    country = serializers.CharField()


class PaymentShape(serializers.Serializer[Any]):
    """A payment. Amounts in minor units; times in ISO 8601, UTC."""

    id = serializers.CharField(help_text="pay_…")
    object = serializers.ChoiceField(choices=["payment"])
    status = serializers.CharField(help_text="See the table of states in docs/api.md.")
    outcome = serializers.ChoiceField(
        choices=["known", "unknown"],
        help_text="`unknown` while nobody can say how a call to the provider ended.",
    )
    next_check_at = serializers.DateTimeField(allow_null=True)
    amount = serializers.IntegerField()
    currency = serializers.CharField()
    amount_authorized = serializers.IntegerField()
    amount_captured = serializers.IntegerField()
    amount_refunded = serializers.IntegerField()
    amount_refundable = serializers.IntegerField()
    amount_disputed = serializers.IntegerField()
    fee = serializers.IntegerField()
    net = serializers.IntegerField()
    capture_method = serializers.ChoiceField(choices=[str(m) for m in CaptureMethod])
    method = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    destination = serializers.CharField()
    reference = serializers.CharField(allow_null=True)
    description = serializers.CharField(allow_null=True)
    metadata = serializers.DictField(child=serializers.CharField())
    provider = serializers.CharField()
    card = CardShape(allow_null=True)
    next_action = NextActionShape(allow_null=True)
    failure = FailureShape(allow_null=True)
    capture_before = serializers.DateTimeField(allow_null=True)
    void_requested_at = serializers.DateTimeField(allow_null=True)
    authorized_at = serializers.DateTimeField(allow_null=True)
    captured_at = serializers.DateTimeField(allow_null=True)
    settled_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class RefundFailureShape(serializers.Serializer[Any]):
    code = serializers.CharField()


class RefundShape(serializers.Serializer[Any]):
    """A refund. Amounts in minor units; times in ISO 8601, UTC."""

    id = serializers.CharField(help_text="re_…")
    object = serializers.ChoiceField(choices=["refund"])
    payment = serializers.CharField(help_text="pay_…")
    status = serializers.ChoiceField(choices=["PENDING", "SUCCEEDED", "FAILED"])
    amount = serializers.IntegerField()
    currency = serializers.CharField()
    fee_returned = serializers.IntegerField()
    reason = serializers.CharField(allow_null=True)
    metadata = serializers.DictField(child=serializers.CharField())
    failure = RefundFailureShape(allow_null=True)
    succeeded_at = serializers.DateTimeField(allow_null=True)
    failed_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


def list_of(shape: type[serializers.Serializer[Any]], name: str) -> Any:
    """The schema of a page of such objects."""
    return type(
        name,
        (serializers.Serializer,),
        {
            "object": serializers.ChoiceField(choices=["list"]),
            "data": shape(many=True),
            "has_more": serializers.BooleanField(),
            "url": serializers.CharField(),
        },
    )


PaymentList = list_of(PaymentShape, "PaymentList")
RefundList = list_of(RefundShape, "RefundList")
