"""The REST face of payouts and withdrawals: translate in, one service call, translate out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock, ids
from apps.core.api import (
    AmountField,
    ApiView,
    CurrencyField,
    MetadataField,
    StrictSerializer,
    TextField,
    currency_of,
    paginate,
    query_of,
    validated,
)
from apps.core.errors import InvalidRequest
from apps.idempotency import services as idempotency
from apps.idempotency.types import RequestFacts
from apps.payments import answers, payout_selectors, public, services
from apps.payments.api.balance import BalanceTransactionShape
from apps.payments.api.requests import CURSORS, IDEMPOTENCY_KEY, caller_of
from apps.payments.serializers import list_of
from apps.payments.types import NewPayout, PayoutStatus
from apps.wallets import selectors as wallets

FILTERS = ("status", "currency", "wallet")


class CreatePayout(StrictSerializer):
    amount = AmountField(required=False)
    currency = CurrencyField()
    bank_account = TextField(required=False)
    description = TextField(required=False, max_length=500)
    metadata = MetadataField()


class Withdraw(StrictSerializer):
    amount = AmountField()
    bank_account = TextField(required=False)
    description = TextField(required=False, max_length=500)
    metadata = MetadataField()


class PayoutFailureShape(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="The same words for every provider; see docs/api.md.")


class PayoutShape(serializers.Serializer[Any]):
    """A payout, or a withdrawal from a wallet. Amounts in minor units; times in ISO 8601, UTC."""

    id = serializers.CharField(help_text="po_…")
    object = serializers.ChoiceField(choices=["payout"])
    type = serializers.ChoiceField(choices=["manual", "automatic", "withdrawal"])
    status = serializers.ChoiceField(choices=[str(status) for status in PayoutStatus])
    outcome = serializers.ChoiceField(choices=["known", "unknown"])
    next_check_at = serializers.DateTimeField(allow_null=True)
    amount = serializers.IntegerField()
    currency = serializers.CharField()
    wallet = serializers.CharField(allow_null=True, help_text="wallet_…: a withdrawal's")
    bank_account = serializers.CharField(help_text="ba_…")
    description = serializers.CharField(allow_null=True)
    metadata = serializers.DictField(child=serializers.CharField())
    provider = serializers.CharField()
    failure = PayoutFailureShape(allow_null=True)
    expected_on = serializers.DateField(allow_null=True)
    sent_at = serializers.DateTimeField(allow_null=True)
    paid_at = serializers.DateTimeField(allow_null=True)
    failed_at = serializers.DateTimeField(allow_null=True)
    returned_at = serializers.DateTimeField(allow_null=True)
    to_merchant_at = serializers.DateTimeField(
        allow_null=True, help_text="When it was decided that what comes back is your balance's."
    )
    created_at = serializers.DateTimeField()


class PayoutItemShape(serializers.Serializer[Any]):
    """What a payout took of one line of the balance: a payout is the sum of its items."""

    id = serializers.CharField(help_text="poi_…")
    object = serializers.ChoiceField(choices=["payout_item"])
    amount = serializers.IntegerField(help_text="Negative for what was taken back.")
    currency = serializers.CharField()
    payment = serializers.CharField(allow_null=True, help_text="pay_…")
    balance_transaction = BalanceTransactionShape()


PayoutList = list_of(PayoutShape, "PayoutList")
PayoutItemList = list_of(PayoutItemShape, "PayoutItemList")


class Payouts(ApiView):
    scopes = {"GET": "payouts:read", "POST": "payouts:write"}

    @extend_schema(
        summary="Pay out what is payable",
        description=(
            "Without an amount all that is payable, without a bank account to the newest one of "
            "your own that can be paid to in this currency."
        ),
        operation_id="payouts_create",
        request=CreatePayout,
        responses={201: PayoutShape, 202: PayoutShape},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request) -> HttpResponse:
        values = validated(CreatePayout, request)
        caller, now = caller_of(request), clock.now()
        order = _order(values, values["currency"])

        def create(payout_id: UUID) -> services.Started:
            return services.create_payout(
                payout_id=payout_id,
                book_id=caller.book_id,
                order=order,
                actor=caller.actor,
                now=now,
            )

        return _carried_out(request, create)

    @extend_schema(
        summary="List payouts and withdrawals, newest first",
        operation_id="payouts_list",
        responses=PayoutList,
        parameters=[OpenApiParameter(name, str, required=False) for name in FILTERS],
    )
    def get(self, request: Request) -> Response:
        query = query_of(request, (*FILTERS, *CURSORS))
        payouts = payout_selectors.list_payouts(caller_of(request).book_id)
        return paginate(
            payouts.filter(_filter(query)),
            request,
            render=answers.payout_body,
            url="/v1/payouts",
            prefix="po",
            filters=FILTERS,
        )


class OnePayout(ApiView):
    scopes = {"GET": "payouts:read"}

    @extend_schema(
        summary="Look at a payout", operation_id="payouts_retrieve", responses=PayoutShape
    )
    def get(self, request: Request, payout_id: str) -> Response:
        query_of(request, ())
        found = payout_selectors.get(caller_of(request).book_id, ids.decode("po", payout_id))
        return Response(answers.payout_body(found))


class PayoutItems(ApiView):
    scopes = {"GET": "payouts:read"}

    @extend_schema(
        summary="List what a payout is made of",
        description="A withdrawal has no items: its money is the customer's.",
        operation_id="payouts_list_items",
        responses=PayoutItemList,
    )
    def get(self, request: Request, payout_id: str) -> Response:
        payout = payout_selectors.get(caller_of(request).book_id, ids.decode("po", payout_id))
        return paginate(
            payout_selectors.list_items(payout),
            request,
            render=public.render_payout_item,
            url=f"/v1/payouts/{payout_id}/items",
            prefix="poi",
        )


class Withdrawals(ApiView):
    scopes = {"POST": "payouts:write"}

    @extend_schema(
        summary="Withdraw from a wallet to a bank account of its customer's",
        operation_id="wallets_withdraw",
        request=Withdraw,
        responses={201: PayoutShape, 202: PayoutShape},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request, wallet_id: str) -> HttpResponse:
        values = validated(Withdraw, request)
        caller, now = caller_of(request), clock.now()
        decoded = ids.decode("wallet", wallet_id)
        currency = wallets.get_wallet(book_id=caller.book_id, id=decoded).currency
        order = _order(values, currency)

        def create(payout_id: UUID) -> services.Started:
            return services.create_withdrawal(
                payout_id=payout_id,
                book_id=caller.book_id,
                wallet=wallet_id,
                order=order,
                actor=caller.actor,
                now=now,
            )

        return _carried_out(request, create)


def _order(values: dict[str, Any], currency: str) -> NewPayout:
    account = values.get("bank_account")
    return NewPayout(
        currency=currency,
        amount_minor=values.get("amount"),
        bank_account_id=None if account is None else ids.decode("ba", account),
        description=values.get("description", ""),
        metadata=values.get("metadata", {}),
    )


def _carried_out(request: Request, create: Callable[[UUID], services.Started]) -> HttpResponse:
    book_id = caller_of(request).book_id

    def render(made: Any, is_taken_over: bool) -> answers.Answer:
        if not is_taken_over:
            return answers.payout_answer(made)
        return answers.payout_answer_of(payout_selectors.get(book_id, made))

    facts = RequestFacts.of(request, is_locking=True, is_held=True)
    return idempotency.run(facts, create, render)


def _filter(query: dict[str, str]) -> Q:
    found = Q()
    if "status" in query:
        if query["status"] not in set(PayoutStatus):
            raise InvalidRequest(f"status: one of {', '.join(PayoutStatus)}.", param="status")
        found &= Q(status=query["status"])
    if "currency" in query:
        found &= Q(currency=currency_of(query["currency"]))
    if "wallet" in query:
        found &= Q(wallet_id=ids.decode("wallet", query["wallet"]))
    return found
