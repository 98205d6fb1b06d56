"""The REST face of payments and refunds: translate in, one service call, translate out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock, ids
from apps.core.api import ApiView, paginate, query_of, validated
from apps.core.errors import DomainError
from apps.idempotency import services as idempotency
from apps.idempotency.types import RequestFacts
from apps.payments import answers, public, selectors, services
from apps.payments.api import filters
from apps.payments.api.filters import FILTERS
from apps.payments.api.requests import CURSORS, IDEMPOTENCY_KEY, caller_of, once
from apps.payments.models import Payment
from apps.payments.serializers import (
    CapturePayment,
    CreatePayment,
    PaymentList,
    PaymentShape,
    RefundList,
    RefundPayment,
    RefundShape,
    VoidPayment,
)
from apps.payments.types import NewPayment

EXPAND = OpenApiParameter(
    "expand", str, description="refunds, disputes, saga, ledger (comma-separated)"
)


class Payments(ApiView):
    scopes = {"GET": "payments:read", "POST": "payments:write"}

    @extend_schema(
        summary="Charge a customer",
        request=CreatePayment,
        responses={201: PaymentShape, 202: PaymentShape},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request) -> HttpResponse:
        return pay(request, CreatePayment.order(validated(CreatePayment, request)))

    @extend_schema(
        summary="List payments, newest first",
        responses=PaymentList,
        parameters=[
            OpenApiParameter(name, str, required=False) for name in FILTERS if "*" not in name
        ],
    )
    def get(self, request: Request) -> Response:
        payments = selectors.list_payments(caller_of(request).book_id)
        return paginate(
            payments.filter(filters.payments(query_of(request, (*FILTERS, *CURSORS)))),
            request,
            render=answers.payment_body,
            url="/v1/payments",
            prefix="pay",
            filters=FILTERS,
        )


def pay(request: Request, order: NewPayment) -> HttpResponse:
    """Write a payment down under the request's key, and answer once it has come to a point."""
    caller, now, is_first_try = caller_of(request), clock.now(), once()

    def create(payment_id: UUID) -> services.Started:
        return services.create_payment(
            payment_id=payment_id,
            book_id=caller.book_id,
            order=order,
            trusts_wallet=is_first_try(),
            actor=caller.actor,
            now=now,
        )

    def render(made: Any, is_taken_over: bool) -> answers.Answer:
        if not is_taken_over:
            return answers.payment_answer(made)
        return answers.answer_of(selectors.get(caller.book_id, made))

    def on_duplicate() -> DomainError | None:
        first = selectors.find_by_reference(caller.book_id, order.reference)
        if first is None:
            return None
        return services.ReferenceTaken(
            "This reference belongs to another payment.",
            param="reference",
            payment=public.payment_id(first),
        )

    facts = RequestFacts.of(request, is_held=True, is_locking=order.spends_what_there_is)
    return idempotency.run(facts, create, render, on_duplicate=on_duplicate)


class OnePayment(ApiView):
    scopes = {"GET": "payments:read"}

    @extend_schema(summary="Look at a payment", responses=PaymentShape, parameters=[EXPAND])
    def get(self, request: Request, payment_id: str) -> Response:
        payment = selectors.get(caller_of(request).book_id, ids.decode("pay", payment_id))
        query = query_of(request, ("expand",))
        return Response(
            answers.payment_body(payment, expand=filters.expand(query.get("expand", "")))
        )


class _Order(ApiView):
    """An order about a payment: written down once under its key, carried out by the saga."""

    scopes = {"POST": "payments:write"}

    def carry_out(
        self, request: Request, payment_id: str, order: Any, answer: Callable[..., answers.Answer]
    ) -> HttpResponse:
        book_id, id_ = caller_of(request).book_id, ids.decode("pay", payment_id)

        def create(_: UUID) -> Payment:
            payment: Payment = order(book_id, id_, clock.now())
            return payment

        def render(made: Any, is_taken_over: bool) -> answers.Answer:
            payment = selectors.get(book_id, id_) if is_taken_over else made
            return answer(payment)

        facts = RequestFacts.of(request, is_locking=True, about_id=id_)
        return idempotency.run(facts, create, render)


class Capture(_Order):
    @extend_schema(
        summary="Capture an authorized payment, in full or in part",
        request=CapturePayment,
        responses=PaymentShape,
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request, payment_id: str) -> HttpResponse:
        amount = validated(CapturePayment, request).get("amount")

        def order(book_id: UUID, id_: UUID, now: datetime) -> Payment:
            return services.order_capture(
                book_id=book_id,
                payment_id=id_,
                amount_minor=amount,
                actor=caller_of(request).actor,
                now=now,
            )

        return self.carry_out(request, payment_id, order, answers.capture_answer)


class Void(_Order):
    @extend_schema(
        summary="Give up a payment that is not captured",
        request=VoidPayment,
        responses=PaymentShape,
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request, payment_id: str) -> HttpResponse:
        validated(VoidPayment, request)

        def order(book_id: UUID, id_: UUID, now: datetime) -> Payment:
            return services.order_void(
                book_id=book_id, payment_id=id_, actor=caller_of(request).actor, now=now
            )

        return self.carry_out(request, payment_id, order, answers.void_answer)


class RefundOfPayment(ApiView):
    scopes = {"POST": "refunds:write"}

    @extend_schema(
        summary="Refund a captured payment, in full or in part",
        request=RefundPayment,
        responses={201: RefundShape, 202: RefundShape},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request, payment_id: str) -> HttpResponse:
        order = RefundPayment.order(validated(RefundPayment, request))
        caller, now = caller_of(request), clock.now()
        id_ = ids.decode("pay", payment_id)

        def create(refund_id: UUID) -> services.Started:
            return services.create_refund(
                refund_id=refund_id,
                book_id=caller.book_id,
                payment_id=id_,
                order=order,
                actor=caller.actor,
                now=now,
            )

        def render(made: Any, is_taken_over: bool) -> answers.Answer:
            if not is_taken_over:
                return answers.refund_answer(made)
            return answers.refund_answer_of(selectors.get_refund(caller.book_id, made))

        facts = RequestFacts.of(request, is_locking=True, is_held=True)
        return idempotency.run(facts, create, render)


class Refunds(ApiView):
    scopes = {"GET": "refunds:read"}

    @extend_schema(
        summary="List refunds, newest first",
        responses=RefundList,
        parameters=[OpenApiParameter("payment", str, required=False)],
    )
    def get(self, request: Request) -> Response:
        query = query_of(request, ("payment", *CURSORS))
        payment_id = ids.decode("pay", query["payment"]) if "payment" in query else None
        return paginate(
            selectors.list_refunds(caller_of(request).book_id, payment_id),
            request,
            render=public.render_refund,
            url="/v1/refunds",
            prefix="re",
            filters=("payment",),
        )


class OneRefund(ApiView):
    scopes = {"GET": "refunds:read"}

    @extend_schema(summary="Look at a refund", responses=RefundShape)
    def get(self, request: Request, refund_id: str) -> Response:
        refund = selectors.get_refund(caller_of(request).book_id, ids.decode("re", refund_id))
        return Response(public.render_refund(refund))
