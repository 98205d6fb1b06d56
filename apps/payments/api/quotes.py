"""The REST face of quotes: a rate that is promised for a while."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import ids
from apps.core.api import AmountField, ApiView, CurrencyField, StrictSerializer, query_of, validated
from apps.core.money import Money, from_minor, to_minor
from apps.idempotency import services as idempotency
from apps.idempotency.types import RequestFacts
from apps.payments import fx, public
from apps.payments.api.requests import OPTIONAL_KEY, caller_of
from apps.payments.models import Quote
from apps.payments.services import quotes

# `from` is a word of Python's, so these classes are made by hand.
NewQuote: type[StrictSerializer] = type(
    "NewQuote",
    (StrictSerializer,),
    {"from": CurrencyField(), "to": CurrencyField(), "amount": AmountField()},
)
QuoteShape: type[serializers.Serializer[Any]] = type(
    "QuoteShape",
    (serializers.Serializer,),
    {
        "__doc__": "A rate promised for one payment. Rates are units of `to` for one of `from`.",
        "id": serializers.CharField(help_text="quote_…"),
        "object": serializers.ChoiceField(choices=["quote"]),
        "from": serializers.CharField(),
        "to": serializers.CharField(),
        "amount": serializers.IntegerField(help_text="in minor units of `from`"),
        "to_amount": serializers.IntegerField(help_text="in minor units of `to`"),
        "rate": serializers.CharField(help_text="what is credited: the mid less the spread"),
        "rate_mid": serializers.CharField(help_text="the market's"),
        "spread_basis_points": serializers.IntegerField(),
        "rates_of": serializers.DateField(help_text="the day of the market's rates"),
        "used": serializers.CharField(allow_null=True, help_text="pay_…: the payment that used it"),
        "expires_at": serializers.DateTimeField(),
        "created_at": serializers.DateTimeField(),
    },
)


class Quotes(ApiView):
    """What a payment in one currency would credit in another."""

    scopes = {"POST": "quotes:write"}

    @extend_schema(
        summary="Ask for a rate",
        description=(
            "A payment that presents `amount` in `from` with this quote, before it expires, is "
            "credited `to_amount` in `to`. A quote is used once."
        ),
        operation_id="quotes_create",
        request=NewQuote,
        responses={201: QuoteShape},
        parameters=[OPTIONAL_KEY],
    )
    def post(self, request: Request) -> HttpResponse:
        values = validated(NewQuote, request)
        amount = from_minor(values["amount"], values["from"])
        facts = RequestFacts.of(request, key_required=False)
        caller = caller_of(request)

        def create(quote_id: UUID) -> None:
            quotes.create_quote(
                quote_id=quote_id,
                book_id=caller.book_id,
                amount=amount,
                to_currency=values["to"],
                actor=caller.actor,
                now=facts.now,
            )

        def render(quote_id: UUID, _is_taken_over: bool) -> tuple[int, dict[str, Any], bool]:
            made = fx.get_quote(book_id=caller.book_id, quote_id=quote_id)
            return 201, render_quote(made), True

        return idempotency.run(facts, create, render)


class OneQuote(ApiView):
    """One quote."""

    scopes = {"GET": "quotes:read"}

    @extend_schema(
        summary="Retrieve a quote",
        operation_id="quotes_retrieve",
        responses={200: QuoteShape},
    )
    def get(self, request: Request, quote_id: str) -> Response:
        query_of(request, ())
        decoded = ids.decode("quote", quote_id)
        found = fx.get_quote(book_id=caller_of(request).book_id, quote_id=decoded)
        return Response(render_quote(found))


def render_quote(quote: Quote) -> dict[str, Any]:
    """The quote as the API shows it: amounts in minor units, rates as decimal numbers in text."""
    return {
        "id": ids.encode("quote", quote.id),
        "object": "quote",
        "from": quote.from_currency,
        "to": quote.to_currency,
        "amount": to_minor(Money(quote.amount, quote.from_currency)),
        "to_amount": to_minor(Money(quote.to_amount, quote.to_currency)),
        "rate": _plain(quote.rate),
        "rate_mid": _plain(quote.rate_mid),
        "spread_basis_points": quote.spread_basis_points,
        "rates_of": quote.rates_of.isoformat(),
        "used": ids.encode("pay", quote.payment_id) if quote.payment_id else None,
        "expires_at": public.time(quote.expires_at),
        "created_at": public.time(quote.created_at),
    }


def _plain(rate: Decimal) -> str:
    """Without the zeros at the end, and never in powers of ten."""
    return f"{rate.normalize():f}"
