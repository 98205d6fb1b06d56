"""The REST face of customers: who they are is stored encrypted, and forgotten when asked for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock, ids
from apps.core.api import ApiView, paginate, query_of, validated
from apps.core.errors import NotFound
from apps.idempotency import services as idempotency
from apps.idempotency.types import OPTIONAL_KEY, RequestFacts
from apps.wallets import selectors, services
from apps.wallets.api.requests import PAGE, book_of, caller_of
from apps.wallets.serializers.people import (
    CustomerList,
    CustomerShape,
    CustomerUpdate,
    NewCustomer,
    render_customer,
)
from apps.wallets.types import METHOD_PREFIXES, CustomerChanges

CUSTOMERS_URL = "/v1/customers"


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

    scopes = {"GET": "customers:read", "POST": "customers:write", "DELETE": "customers:write"}

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

    @extend_schema(
        summary="Change a customer",
        description=(
            "What is given is changed, the rest stays; null takes a name, an address or the "
            "default away. Metadata are replaced whole."
        ),
        operation_id="customers_update",
        request=CustomerUpdate,
        responses={200: CustomerShape},
        parameters=[OPTIONAL_KEY],
    )
    def post(self, request: Request, customer_id: str) -> HttpResponse:
        changes = _changes(validated(CustomerUpdate, request))
        caller, id_ = caller_of(request), ids.decode("cus", customer_id)
        facts = RequestFacts.of(request, key_required=False, is_locking=True, about_id=id_)

        def create(_: UUID) -> None:
            services.update_customer(
                book_id=caller.book_id,
                customer_id=id_,
                changes=changes,
                actor=caller.actor,
                now=facts.now,
            )

        def render(_made: Any, _is_taken_over: bool) -> tuple[int, dict[str, Any], bool]:
            customer = selectors.get_customer(book_id=caller.book_id, id=id_)
            return 200, render_customer(customer), True

        return idempotency.run(facts, create, render)

    @extend_schema(
        summary="Erase a customer",
        description=(
            "For good: name, address, notes, bank accounts and what their cards look like. Their "
            "payment methods cannot be charged any more. Payments and wallets stay, without them. "
            "What you wrote into a payment's description and metadata stays too."
        ),
        operation_id="customers_erase",
        request=None,
        responses={200: CustomerShape},
    )
    def delete(self, request: Request, customer_id: str) -> Response:
        query_of(request, ())
        caller, id_ = caller_of(request), ids.decode("cus", customer_id)
        services.erase_customer(
            book_id=caller.book_id, customer_id=id_, actor=caller.actor, now=clock.now()
        )
        erased = selectors.get_customer(book_id=caller.book_id, id=id_)
        return Response(render_customer(erased))


def _changes(values: dict[str, Any]) -> CustomerChanges:
    """The changes that a body asks for; the default as the id it names."""
    changes: Any = {name: values[name] for name in ("name", "email", "metadata") if name in values}
    if "default_payment_method" in values:
        named = values["default_payment_method"]
        changes["default_payment_method_id"] = None if named is None else _method_id(named)
    wanted: CustomerChanges = changes
    return wanted


def _method_id(text: str) -> UUID:
    try:
        return ids.decode_any(text, METHOD_PREFIXES)[1]
    except ids.InvalidId:
        raise NotFound("No such payment method.", param="default_payment_method") from None
