"""The REST face of payments and refunds: translate in, one service call, translate out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock, ids, money
from apps.core.api import ApiView, paginate, query_of, validated
from apps.core.errors import DomainError, InvalidRequest
from apps.idempotency import services as idempotency
from apps.idempotency.types import RequestFacts
from apps.merchants.types import Caller
from apps.payments import answers, public, selectors, services
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
from apps.payments.types import Status

EXPANDABLE = frozenset({"refunds", "saga", "ledger"})
FILTERS = (
    *("status", "from", "to", "currency", "min_amount", "source", "reference"),
    *("settled", "refunded", "disputed", "metadata[*]"),
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="A value of your own, a new one for each operation; repeats get the same answer.",
)
EXPAND = OpenApiParameter("expand", str, description="refunds, saga, ledger (comma-separated)")


class Payments(ApiView):
    scopes = {"GET": "payments:read", "POST": "payments:write"}

    @extend_schema(
        summary="Charge a customer",
        request=CreatePayment,
        responses={201: PaymentShape, 202: PaymentShape},
        parameters=[IDEMPOTENCY_KEY],
    )
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

        facts = RequestFacts.of(request, is_held=True)
        return idempotency.run(facts, create, render, on_duplicate=on_duplicate)

    @extend_schema(
        summary="List payments, newest first",
        responses=PaymentList,
        parameters=[
            OpenApiParameter(name, str, required=False) for name in FILTERS if "*" not in name
        ],
    )
    def get(self, request: Request) -> Response:
        payments = selectors.list_payments(_caller(request).book_id)
        return paginate(
            payments.filter(_filters(query_of(request, (*FILTERS, *CURSORS)))),
            request,
            render=answers.payment_body,
            url="/v1/payments",
            prefix="pay",
            filters=FILTERS,
        )


class OnePayment(ApiView):
    scopes = {"GET": "payments:read"}

    @extend_schema(summary="Look at a payment", responses=PaymentShape, parameters=[EXPAND])
    def get(self, request: Request, payment_id: str) -> Response:
        payment = selectors.get(_caller(request).book_id, ids.decode("pay", payment_id))
        query = query_of(request, ("expand",))
        return Response(answers.payment_body(payment, expand=_expand(query.get("expand", ""))))


class _Order(ApiView):
    """An order about a payment: written down once under its key, carried out by the saga."""

    scopes = {"POST": "payments:write"}

    def carry_out(
        self, request: Request, payment_id: str, order: Any, answer: Callable[..., answers.Answer]
    ) -> HttpResponse:
        book_id, id_ = _caller(request).book_id, ids.decode("pay", payment_id)

        def create(_: UUID) -> Payment:
            payment: Payment = order(book_id, id_, clock.now())
            return payment

        def render(made: Any, is_taken_over: bool) -> answers.Answer:
            payment = selectors.get(book_id, id_) if is_taken_over else made
            return answer(payment)

        facts = RequestFacts.of(request, is_locking=True)
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
                actor=_caller(request).actor,
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
                book_id=book_id, payment_id=id_, actor=_caller(request).actor, now=now
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
        values = validated(RefundPayment, request)
        caller, now = _caller(request), clock.now()
        id_ = ids.decode("pay", payment_id)

        def create(refund_id: UUID) -> services.Started:
            return services.create_refund(
                refund_id=refund_id,
                book_id=caller.book_id,
                payment_id=id_,
                amount_minor=values.get("amount"),
                reason=values.get("reason", ""),
                metadata=values.get("metadata", {}),
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
            selectors.list_refunds(_caller(request).book_id, payment_id),
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
        refund = selectors.get_refund(_caller(request).book_id, ids.decode("re", refund_id))
        return Response(public.render_refund(refund))


# --- what a list is filtered by -------------------------------------------------------------------

CURSORS = ("limit", "starting_after", "ending_before")


def _caller(request: Request) -> Caller:
    caller = request.auth
    assert isinstance(caller, Caller), "every view here needs a key"
    return caller


def _expand(text: str) -> frozenset[str]:
    wanted = frozenset(filter(None, text.split(",")))
    unknown = wanted - EXPANDABLE
    if unknown:
        raise InvalidRequest(f"expand: one of {', '.join(sorted(EXPANDABLE))}.", param="expand")
    return wanted


def _filters(query: dict[str, str]) -> Q:
    found = Q()
    for name, text in query.items():
        if name.startswith("metadata["):
            found &= Q(metadata__contains={name[len("metadata[") : -1]: text})
        elif name in _FILTERS:
            found &= _FILTERS[name](text)
    if "min_amount" in query:
        found &= _min_amount(query["min_amount"], query.get("currency", ""))
    return found


def _status(text: str) -> Q:
    if text not in set(Status):
        raise InvalidRequest(f"status: one of {', '.join(Status)}.", param="status")
    return Q(status=text)


def _currency(text: str) -> Q:
    if not money.is_currency(text):
        raise InvalidRequest("currency: an ISO 4217 code in capitals.", param="currency")
    return Q(currency=text)


def _min_amount(text: str, currency: str) -> Q:
    if not money.is_currency(currency):
        raise InvalidRequest("min_amount needs a currency.", param="min_amount")
    if not (text.isascii() and text.isdigit() and len(text) <= 13):
        raise InvalidRequest("min_amount: an integer in minor units.", param="min_amount")
    return Q(amount__gte=money.from_minor(int(text), currency).amount)


def _moment(name: str, text: str, *, is_end: bool) -> datetime:
    """A date (its whole day) or a time with its zone."""
    refusal = InvalidRequest(f"{name}: a date or an ISO 8601 time with its zone.", param=name)
    try:
        if len(text) == 10:
            day = date.fromisoformat(text) + timedelta(days=1 if is_end else 0)
            return datetime.combine(day, time(), tzinfo=UTC)
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise refusal


def _flag(name: str, when_true: Q) -> Any:
    def read(text: str) -> Q:
        if text not in ("true", "false"):
            raise InvalidRequest(f"{name}: true or false.", param=name)
        return when_true if text == "true" else ~when_true

    return read


_FILTERS: dict[str, Any] = {
    "status": _status,
    "currency": _currency,
    "source": lambda text: Q(source=text),
    "reference": lambda text: Q(reference=text),
    "from": lambda text: Q(created_at__gte=_moment("from", text, is_end=False)),
    "to": lambda text: Q(created_at__lt=_moment("to", text, is_end=True)),
    "settled": _flag("settled", Q(settled_at__isnull=False)),
    "refunded": _flag("refunded", Q(amount_refunded__gt=0)),
    "disputed": _flag("disputed", Q(amount_disputed__gt=0)),
}
