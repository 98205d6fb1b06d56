"""The REST face of payment methods: tokens go in and never come out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import ids
from apps.core.api import ApiView, paginate, query_of, validated
from apps.core.errors import NotFound
from apps.idempotency import services as idempotency
from apps.idempotency.types import OPTIONAL_KEY, RequestFacts
from apps.wallets import selectors, services
from apps.wallets.api.requests import PAGE, book_of, caller_of, customer_id_of
from apps.wallets.models import PaymentMethod
from apps.wallets.serializers.people import (
    NewPaymentMethod,
    NewToken,
    Nothing,
    PaymentMethodList,
    PaymentMethodShape,
    render_payment_method,
)
from apps.wallets.types import METHOD_PREFIXES, MethodKind

PAYMENT_METHODS_URL = "/v1/payment_methods"


class PaymentMethods(ApiView):
    """What customers pay with: tokens of a provider, never a number."""

    scopes = {"GET": "payment_methods:read", "POST": "payment_methods:write"}

    @extend_schema(
        summary="Store a payment method",
        description=(
            "Stores a provider's token, as a method of a customer or for one-off use. The token "
            "is not looked up: what the card looks like is null until its first payment. A "
            "customer has a token once: storing it again answers 200 with the method there is."
        ),
        operation_id="payment_methods_create",
        request=NewPaymentMethod,
        responses={200: PaymentMethodShape, 201: PaymentMethodShape},
        parameters=[OPTIONAL_KEY],
    )
    def post(self, request: Request) -> HttpResponse:
        values = validated(NewPaymentMethod, request)
        customer_id = customer_id_of(values.get("customer"))
        facts = RequestFacts.of(request, key_required=False, about_id=customer_id)
        book_id, actor = facts.book_id, caller_of(request).actor

        def create(payment_method_id: UUID) -> services.Stored:
            return services.store_payment_method(
                book_id=book_id,
                payment_method_id=payment_method_id,
                customer_id=customer_id,
                kind=MethodKind(values["type"]),
                provider=settings.PAYSYS_PROVIDER,
                token=values["provider_token"],
                actor=actor,
                now=facts.now,
            )

        def find_again(claimed: UUID) -> services.Stored:
            """What the request that died had got: the customer may have had the token before."""
            existing = customer_id and selectors.find_method_of_customer(
                book_id=book_id,
                customer_id=customer_id,
                provider=settings.PAYSYS_PROVIDER,
                token=values["provider_token"],
            )
            return services.Stored(existing or claimed, is_new=existing in (None, claimed))

        def render(made: Any, is_taken_over: bool) -> tuple[int, dict[str, Any], bool]:
            stored = find_again(made) if is_taken_over else made
            method = selectors.get_method_row(book_id=book_id, id=stored.id)
            return (201 if stored.is_new else 200), render_payment_method(method), True

        return idempotency.run(facts, create, render)

    @extend_schema(
        summary="List payment methods, newest first",
        operation_id="payment_methods_list",
        responses={200: PaymentMethodList},
        parameters=[OpenApiParameter("customer", str, description="cus_…: only theirs"), *PAGE],
    )
    def get(self, request: Request) -> Response:
        filters = ("customer",)
        query = query_of(request, (*filters, "limit", "starting_after", "ending_before"))
        methods = selectors.list_payment_methods(
            book_id=book_of(request),
            customer_id=customer_id_of(query.get("customer")),
        )
        return paginate(
            methods,
            request,
            render=render_payment_method,
            url=PAYMENT_METHODS_URL,
            prefix=METHOD_PREFIXES,
            filters=filters,
        )


class OnePaymentMethod(ApiView):
    """One payment method."""

    scopes = {"GET": "payment_methods:read"}

    @extend_schema(
        summary="Retrieve a payment method",
        operation_id="payment_methods_retrieve",
        responses={200: PaymentMethodShape},
    )
    def get(self, request: Request, payment_method_id: str) -> Response:
        query_of(request, ())
        return Response(render_payment_method(_method_of(request, payment_method_id)))


class _MethodOrder(ApiView):
    """An order about a payment method, carried out under its lock."""

    scopes = {"POST": "payment_methods:write"}

    def carry_out(
        self, request: Request, payment_method_id: str, order: Callable[..., Any]
    ) -> HttpResponse:
        caller, method = caller_of(request), _method_of(request, payment_method_id)
        facts = RequestFacts.of(
            request, key_required=False, is_locking=True, about_id=method.customer_id
        )

        def create(_: UUID) -> None:
            order(
                book_id=caller.book_id,
                payment_method_id=method.id,
                actor=caller.actor,
                now=facts.now,
            )

        def render(_made: Any, _is_taken_over: bool) -> tuple[int, dict[str, Any], bool]:
            found = selectors.get_method_row(book_id=caller.book_id, id=method.id)
            return 200, render_payment_method(found), True

        return idempotency.run(facts, create, render)


class DetachPaymentMethod(_MethodOrder):
    @extend_schema(
        summary="Take a payment method away from its customer",
        description=(
            "Its providers' tokens are forgotten: it cannot be charged any more, and its customer "
            "is null. Payments that name it still do. Again: nothing happens."
        ),
        operation_id="payment_methods_detach",
        request=Nothing,
        responses={200: PaymentMethodShape},
        parameters=[OPTIONAL_KEY],
    )
    def post(self, request: Request, payment_method_id: str) -> HttpResponse:
        validated(Nothing, request)
        return self.carry_out(request, payment_method_id, services.detach_payment_method)


class PaymentMethodTokens(_MethodOrder):
    @extend_schema(
        summary="Say what another provider calls a payment method",
        description=(
            "A method that several providers know can be charged by each of them. One provider has "
            "one token of it: another is 409 `provider_token_exists`."
        ),
        operation_id="payment_methods_add_token",
        request=NewToken,
        responses={200: PaymentMethodShape},
        parameters=[OPTIONAL_KEY],
    )
    def post(self, request: Request, payment_method_id: str) -> HttpResponse:
        values = validated(NewToken, request)
        order = partial(
            services.add_token, provider=values["provider"], token=values["provider_token"]
        )
        return self.carry_out(request, payment_method_id, order)


def _method_of(request: Request, payment_method_id: str) -> PaymentMethod:
    """The method of the address; a card is no bank account.

    :raises NotFound: none of this merchant's.
    """
    kind, id_ = ids.decode_any(payment_method_id, METHOD_PREFIXES)
    method = selectors.get_method_row(book_id=book_of(request), id=id_)
    if method.kind != kind:
        raise NotFound("No such payment method.")
    return method
