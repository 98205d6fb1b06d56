"""What a merchant may send about payments. Amounts are integers in minor units."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.core import cards
from apps.core.api import AmountField, CurrencyField, MetadataField, StrictSerializer, TextField
from apps.core.money import from_minor
from apps.gateways.types import Action
from apps.payments.types import CaptureMethod, NewPayment, NewRefund

_AS_GIVEN = (
    *("source", "destination", "reference", "description", "return_url", "wallet", "quote"),
)


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
    wallet = TextField(required=False)
    wallet_amount = AmountField(required=False)
    quote = TextField(required=False)
    metadata = MetadataField()

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        if "wallet_amount" in values and "wallet" not in values:
            raise serializers.ValidationError({"wallet_amount": "Needs a wallet."})
        return values

    def validate_source(self, source: str) -> str:
        # An underscore makes a word of `pm_4242…`, where the parser's filter does not look.
        cards.refuse_in_texts(source.replace("_", " "))
        return source

    @staticmethod
    def order(values: dict[str, Any]) -> NewPayment:
        """The validated values as an order."""
        facts = {name: values[name] for name in _AS_GIVEN if name in values}
        if "wallet_amount" in values:
            facts["wallet_amount"] = from_minor(values["wallet_amount"], values["currency"])
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
    wallet = TextField(required=False)
    reason = TextField(required=False)
    metadata = MetadataField()

    @staticmethod
    def order(values: dict[str, Any]) -> NewRefund:
        """The validated values as an order."""
        facts = {name: values[name] for name in ("wallet", "reason", "metadata") if name in values}
        return NewRefund(amount_minor=values.get("amount"), **facts)


class TopUp(StrictSerializer):
    """A payment whose destination is the wallet; its currency is the wallet's."""

    amount = AmountField()
    source = TextField()  # type: ignore[assignment]
    reference = TextField(required=False, max_length=100)
    description = TextField(required=False, max_length=500)
    return_url = serializers.URLField(required=False, max_length=1000)
    metadata = MetadataField()

    validate_source = CreatePayment.validate_source


class NewTransfer(StrictSerializer):
    to = TextField()
    amount = AmountField()
    currency = CurrencyField(required=False)
    description = TextField(required=False, max_length=500)
    metadata = MetadataField()


class CaptureHold(StrictSerializer):
    amount = AmountField(required=False)
    description = TextField(required=False, max_length=500)
    metadata = MetadataField()


# --- answers, for the schema ----------------------------------------------------------------------


class FailureShape(serializers.Serializer[Any]):
    code = serializers.CharField()
    message = serializers.CharField()
    decline_code = serializers.CharField(
        allow_null=True, help_text="The same word for every provider; null: it was not theirs."
    )
    retryable = serializers.BooleanField(help_text="The same method may well be accepted later.")
    suggested_action = serializers.ChoiceField(choices=[action.value for action in Action])


class NextActionShape(serializers.Serializer[Any]):
    """Where the customer goes, or what they pay to: by its `type`."""

    type = serializers.ChoiceField(choices=["redirect_to_url", "bank_transfer"])
    url = serializers.URLField(required=False)
    reference = serializers.CharField(
        required=False, help_text="RF…: the ISO 11649 creditor reference that finds the payment."
    )
    account = serializers.DictField(
        child=serializers.CharField(), required=False, help_text="The account to pay to."
    )


class CardShape(serializers.Serializer[Any]):
    brand = serializers.CharField()
    last4 = serializers.CharField()
    exp_month = serializers.IntegerField()
    exp_year = serializers.IntegerField()
    funding = serializers.CharField()
    country = serializers.CharField()


class TenderShape(serializers.Serializer[Any]):
    """What one of those who pay paid: the wallet pays first, another method the rest."""

    type = serializers.ChoiceField(
        choices=["wallet", "card", "paypal", "bank_transfer", "bank_debit"]
    )
    source = serializers.CharField()  # type: ignore[assignment]
    amount = serializers.IntegerField()
    captured = serializers.IntegerField()
    refunded = serializers.IntegerField(help_text="Given back or promised back to it.")


class ConversionShape(serializers.Serializer[Any]):
    """What is credited where another currency is paid; amounts in minor units of `currency`."""

    quote = serializers.CharField()
    currency = serializers.CharField()
    rate = serializers.CharField()
    rate_mid = serializers.CharField()
    amount = serializers.IntegerField()
    spread = serializers.IntegerField()


class PaymentShape(serializers.Serializer[Any]):
    """A payment. Amounts in minor units; times in ISO 8601, UTC."""

    id = serializers.CharField(help_text="pay_…")
    object = serializers.ChoiceField(choices=["payment"])
    status = serializers.CharField(help_text="See the table of states in docs/api.md.")
    outcome = serializers.ChoiceField(
        choices=["known", "unknown", "pending"],
        help_text=(
            "`unknown` while nobody can say how a call to the provider ended; "
            "`pending` while the customer's money is to come until `expected_by`."
        ),
    )
    next_check_at = serializers.DateTimeField(allow_null=True)
    amount = serializers.IntegerField()
    currency = serializers.CharField()
    amount_authorized = serializers.IntegerField()
    amount_captured = serializers.IntegerField()
    amount_refunded = serializers.IntegerField()
    amount_refundable = serializers.IntegerField()
    amount_disputed = serializers.IntegerField()
    amount_charged_back = serializers.IntegerField()
    gross = serializers.IntegerField(help_text="What is credited; `net` is `gross` less `fee`.")
    fee = serializers.IntegerField(help_text="In the currency that is credited, as its neighbors.")
    net = serializers.IntegerField()
    conversion = ConversionShape(allow_null=True)
    tenders = TenderShape(many=True)
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
    expected_by = serializers.DateTimeField(allow_null=True)
    void_requested_at = serializers.DateTimeField(allow_null=True)
    authorized_at = serializers.DateTimeField(allow_null=True)
    captured_at = serializers.DateTimeField(allow_null=True)
    settled_at = serializers.DateTimeField(allow_null=True)
    available_on = serializers.DateField(allow_null=True)
    created_at = serializers.DateTimeField()


class RefundFailureShape(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="The same words for every provider; see docs/api.md.")


class RefundShape(serializers.Serializer[Any]):
    """A refund. Amounts in minor units; times in ISO 8601, UTC."""

    id = serializers.CharField(help_text="re_…")
    object = serializers.ChoiceField(choices=["refund"])
    payment = serializers.CharField(help_text="pay_…")
    status = serializers.ChoiceField(choices=["PENDING", "SUCCEEDED", "FAILED"])
    amount = serializers.IntegerField()
    currency = serializers.CharField()
    to_card = serializers.IntegerField()
    to_wallet = serializers.IntegerField()
    wallet = serializers.CharField(allow_null=True, help_text="wallet_…: takes `to_wallet`")
    to_merchant = serializers.IntegerField(
        help_text="what you have of it, since its wallet is closed; in the credit currency"
    )
    fee_returned = serializers.IntegerField()
    reason = serializers.CharField(allow_null=True)
    metadata = serializers.DictField(child=serializers.CharField())
    failure = RefundFailureShape(allow_null=True)
    succeeded_at = serializers.DateTimeField(allow_null=True)
    failed_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class TransferShape(serializers.Serializer[Any]):
    """Money from one wallet to another. Amounts in minor units; times in ISO 8601, UTC."""

    id = serializers.CharField(help_text="tr_…")
    object = serializers.ChoiceField(choices=["transfer"])
    amount = serializers.IntegerField()
    currency = serializers.CharField()
    to = serializers.CharField(help_text="wallet_…")
    description = serializers.CharField(allow_null=True)
    metadata = serializers.DictField(child=serializers.CharField())
    created_at = serializers.DateTimeField()

    def get_fields(self) -> dict[str, Any]:
        """With `from`, which is no name of Python's."""
        return {"from": serializers.CharField(help_text="wallet_…"), **super().get_fields()}


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
TransferList = list_of(TransferShape, "TransferList")
