"""The REST face of customers and payment methods."""

from __future__ import annotations

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
from apps.wallets.serializers import (
    CustomerList,
    CustomerShape,
    NewCustomer,
    NewPaymentMethod,
    PaymentMethodList,
    PaymentMethodShape,
    render_customer,
    render_payment_method,
)
from apps.wallets.types import METHOD_PREFIXES, MethodKind

CUSTOMERS_URL = "/v1/customers"
PAYMENT_METHODS_URL = "/v1/payment_methods"


class Customers(ApiView):
    """A merchant's customers. Names and e-mail addresses are stored encrypted."""

    scopes = {"GET": "customers:read", "POST": "customers:write"}

    @extend_schema(
        summary="Store a customer",
        operation_id="customers_create",
        request=NewCustomer,
        responses={201: CustomerShape},
        parameters=[OPTIONAL_KEY],
    )
    def post(self, request: Request) -> HttpResponse:
        values = validated(NewCustomer, request)
        facts = RequestFacts.of(request, key_required=False)
        book_id, actor = facts.book_id, caller_of(request).actor

        def create(customer_id: UUID) -> None:
            services.create_customer(
                book_id=book_id,
                customer_id=customer_id,
                name=values.get("name"),
                email=values.get("email"),
                metadata=values.get("metadata", {}),
                actor=actor,
                now=facts.now,
            )

        def render(customer_id: UUID, _is_taken_over: bool) -> tuple[int, dict[str, Any], bool]:
            customer = selectors.get_customer(book_id=book_id, id=customer_id)
            return 201, render_customer(customer), True

        return idempotency.run(facts, create, render)

    @extend_schema(
        summary="List customers, newest first",
        operation_id="customers_list",
        responses={200: CustomerList},
        parameters=PAGE,
    )
    def get(self, request: Request) -> Response:
        customers = selectors.list_customers(book_id=book_of(request))
        return paginate(customers, request, render=render_customer, url=CUSTOMERS_URL, prefix="cus")


class OneCustomer(ApiView):
    """One customer."""

    scopes = {"GET": "customers:read"}

    @extend_schema(
        summary="Retrieve a customer",
        operation_id="customers_retrieve",
        responses={200: CustomerShape},
    )
    def get(self, request: Request, customer_id: str) -> Response:
        query_of(request, ())
        decoded = ids.decode("cus", customer_id)
        found = selectors.get_customer(book_id=book_of(request), id=decoded)
        return Response(render_customer(found))


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
        facts = RequestFacts.of(request, key_required=False)
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
        kind, decoded = ids.decode_any(payment_method_id, METHOD_PREFIXES)
        method = selectors.get_method_row(book_id=book_of(request), id=decoded)
        if method.kind != kind:
            raise NotFound("No such payment method.")
        return Response(render_payment_method(method))
