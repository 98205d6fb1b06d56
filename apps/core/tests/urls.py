"""A small API of the tests' own, to see how any view behaves."""

import psycopg
from django.db import InterfaceError, InternalError, OperationalError
from django.http import HttpResponse
from django.urls import path
from rest_framework import exceptions, serializers
from rest_framework.response import Response

from apps.core import api, cards, errors, schema

handler400 = "apps.core.answers.bad_request"
handler403 = "apps.core.answers.permission_denied"
handler404 = "apps.core.answers.not_found"
handler500 = "apps.core.answers.server_error"

SEEN: list[object] = []


class Address(api.StrictSerializer):
    city = api.TextField(max_length=20)
    zip = api.TextField(required=False)


class Order(api.StrictSerializer):
    amount = api.AmountField()
    currency = api.CurrencyField()
    reference = api.TextField(required=False, allow_null=True)
    is_gift = serializers.BooleanField(required=False)
    count = serializers.IntegerField(required=False, min_value=0)
    method = serializers.ChoiceField(choices=["automatic", "manual"], default="automatic")
    address = Address(required=False)
    tags = serializers.ListField(child=api.TextField(max_length=5), required=False, max_length=3)
    account_number = api.TextField(required=False)
    made_by = serializers.CharField(read_only=True)
    metadata = api.MetadataField()


class Open(api.ApiView):
    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()


class Orders(Open):
    exempt_fields = cards.BANK_ACCOUNT_FIELDS

    def post(self, request):
        values = api.validated(Order, request)
        SEEN.append(values)
        return Response(values, status=201)

    def get(self, request):
        api.query_of(request, ("name", "metadata[*]"))
        SEEN.append("get")
        return Response({})


class Void(Open):
    """Looks at no body, as a void does not."""

    def post(self, request, name=None):
        SEEN.append(request.data)
        return Response({"name": name})

    delete = post


def demoted():
    """What a write at a server is that only reads."""
    error = InternalError("cannot execute INSERT in a read-only transaction")
    error.__cause__ = psycopg.errors.ReadOnlySqlTransaction(str(error))
    return error


class Raises(Open):
    def get(self, request, what):
        raise {
            "bug": RuntimeError("the secret inside"),
            "away": OperationalError("connection to host db-1 refused"),
            "demoted": demoted(),
            "closed": InterfaceError("connection already closed"),
            "conflict": errors.Conflict("Too much.", param="amount", remaining=2500),
            "declined": errors.CardError("Declined.", decline_code="insufficient_funds"),
            "unauthenticated": exceptions.NotAuthenticated(),
            "unauthorized": errors.AuthenticationFailed(),
            "throttled": exceptions.Throttled(wait=2.3),
            "forbidden": exceptions.PermissionDenied(),
        }[what]


def outside(request, what):
    """Not a view of the API: Django answers its exceptions."""
    if what == "away":
        raise OperationalError("gone")
    if what == "demoted":
        raise demoted()
    raise RuntimeError("a bug")


def page(request):
    raise RuntimeError("a bug of a page")


urlpatterns = [
    path("v1/orders", Orders.as_view()),
    path("v1/void", Void.as_view()),
    path("v1/void/<str:name>", Void.as_view()),
    path("v1/raises/<str:what>", Raises.as_view()),
    path("outside/<str:what>", outside),
    path("admin/page", page),
    path("ok", lambda request: HttpResponse("ok")),
    path("schema", schema.schema, name="schema"),
    path("docs", schema.docs, name="docs"),
]
