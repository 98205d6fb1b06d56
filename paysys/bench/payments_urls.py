"""Next to the real routes: the least that a DRF view can do, and a payment's acceptance alone."""

from __future__ import annotations

from uuid import UUID

from django.db import connection
from django.http import HttpResponse
from django.urls import path
from rest_framework.parsers import JSONParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core import clock, ids
from apps.core.api import validated
from apps.idempotency import services as idempotency
from apps.idempotency.types import RequestFacts
from apps.merchants.types import Caller
from apps.payments import services
from apps.payments.api import Payments
from apps.payments.serializers import CreatePayment
from paysys.urls import handler400, handler403, handler404, handler500
from paysys.urls import urlpatterns as real

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


class Bare(APIView):
    """DRF as it comes, with an API key and one INSERT: the peer."""

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
            RequestFacts.of(request), create, lambda _made, _taken_over: (202, {}, False)
        )


def _caller(request: Request) -> Caller:
    caller = request.auth
    assert isinstance(caller, Caller)
    return caller


urlpatterns = [
    path("bench/bare", Bare.as_view()),
    path("bench/accept", Accept.as_view()),
    *real,
]
