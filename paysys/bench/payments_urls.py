"""Next to the real routes: the least that a DRF view can do, and a payment's acceptance alone."""

from __future__ import annotations

import hmac
from typing import Any
from uuid import UUID

from django.db import connection, models
from django.http import HttpResponse
from django.urls import path
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.parsers import JSONParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core import clock, ids
from apps.core.api import validated
from apps.idempotency import services as idempotency
from apps.idempotency.types import RequestFacts
from apps.merchants.models import ApiKey
from apps.merchants.selectors import PREFIX_LENGTH, digest_of
from apps.merchants.types import Caller
from apps.payments import services
from apps.payments.api import Payments
from apps.payments.serializers import CreatePayment
from paysys.urls import handler400, handler403, handler404, handler500
from paysys.urls import urlpatterns as real

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


class Row(models.Model):
    """What a bare view stores."""

    id = models.UUIDField(primary_key=True)
    book_id = models.UUIDField()
    amount = models.DecimalField(max_digits=20, decimal_places=4)
    currency = models.CharField(max_length=3)

    class Meta:
        app_label = "paysys"
        db_table = "bench_row"
        managed = False


class StoredKey(BaseAuthentication):
    """A key as DRF's own token authentication reads one: one query a request."""

    def authenticate(self, request: Request) -> tuple[ApiKey, ApiKey]:
        plaintext = request.META["HTTP_AUTHORIZATION"].partition(" ")[2]
        key = ApiKey.objects.get(prefix=plaintext[:PREFIX_LENGTH])
        if not hmac.compare_digest(bytes(key.digest), digest_of(plaintext)):
            raise AuthenticationFailed
        return key, key


class Bare(APIView):
    """DRF as it comes, with a key that is looked up and one INSERT by the ORM: the peer."""

    parser_classes = [JSONParser]
    renderer_classes = [JSONRenderer]
    authentication_classes = [StoredKey]
    permission_classes = []
    throttle_classes = []

    def post(self, request: Request) -> Response:
        key: Any = request.auth
        body = dict(request.data)
        row = Row(
            id=ids.new_id(),
            book_id=key.book_id,
            amount=body["amount"],
            currency=body["currency"],
        )
        row.save(force_insert=True)
        return Response({"id": ids.encode("pay", row.id), **body}, status=201)


class Leanest(APIView):
    """The same with our own authentication, which remembers keys, and one INSERT in plain SQL."""

    parser_classes = [JSONParser]
    renderer_classes = [JSONRenderer]
    throttle_classes = []
    scopes = {"POST": "payments:write"}

    def post(self, request: Request) -> Response:
        row_id, caller, body = ids.new_id(), _caller(request), dict(request.data)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO bench_row (id, book_id, amount, currency) VALUES (%s, %s, %s, %s)",
                (row_id, caller.book_id, body["amount"], body["currency"]),
            )
        return Response({"id": ids.encode("pay", row_id), **body}, status=201)


class Accept(Payments):
    """The promise and nothing after it: claim, payment, run, event and audit row, then 202."""

    def post(self, request: Request) -> HttpResponse:
        order = CreatePayment.order(validated(CreatePayment, request))
        caller, now = _caller(request), clock.now()

        def create(payment_id: UUID) -> services.Started:
            return services.create_payment(
                payment_id=payment_id,
                book_id=caller.book_id,
                order=order,
                actor=caller.actor,
                now=now,
            )

        return idempotency.run(
            RequestFacts.of(request, is_held=True),
            create,
            lambda _made, _taken_over: (202, {}, False),
        )


def _caller(request: Request) -> Caller:
    caller = request.auth
    assert isinstance(caller, Caller)
    return caller


urlpatterns = [
    path("bench/bare", Bare.as_view()),
    path("bench/leanest", Leanest.as_view()),
    path("bench/accept", Accept.as_view()),
    *real,
]
