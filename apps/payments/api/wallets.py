"""What wallets pay, take and pass on: top-ups, transfers, captured holds."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock, ids
from apps.core.api import ApiView, paginate, query_of, validated
from apps.core.money import from_minor
from apps.idempotency import services as idempotency
from apps.idempotency.types import RequestFacts
from apps.payments import answers, public, selectors, services
from apps.payments.api.payments import pay
from apps.payments.api.requests import CURSORS, IDEMPOTENCY_KEY, caller_of, once
from apps.payments.serializers import (
    CaptureHold,
    NewTransfer,
    PaymentShape,
    TopUp,
    TransferList,
    TransferShape,
)
from apps.payments.types import NewPayment
from apps.wallets import selectors as wallets


class TopUps(ApiView):
    scopes = {"POST": "payments:write"}

    @extend_schema(
        summary="Top a wallet up",
        description="A payment whose destination is the wallet, in the wallet's currency.",
        operation_id="wallets_top_up",
        request=TopUp,
        responses={201: PaymentShape, 202: PaymentShape},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request, wallet_id: str) -> HttpResponse:
        values = validated(TopUp, request)
        wallet = _wallet_of(request, wallet_id)
        amount = from_minor(values.pop("amount"), wallet.currency)
        return pay(request, NewPayment(amount=amount, destination=wallet_id, **values))


class HoldCapture(ApiView):
    scopes = {"POST": "payments:write"}

    @extend_schema(
        summary="Capture a hold, in full or in part",
        description="The money becomes a payment of the wallet's; the rest is released.",
        operation_id="wallets_capture_hold",
        request=CaptureHold,
        responses={201: PaymentShape},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request, wallet_id: str, hold_id: str) -> HttpResponse:
        values = validated(CaptureHold, request)
        caller, now = caller_of(request), clock.now()
        wallet = _wallet_of(request, wallet_id)
        named = ids.decode("hold", hold_id)

        def create(payment_id: UUID) -> services.Started:
            return services.capture_hold(
                payment_id=payment_id,
                book_id=caller.book_id,
                wallet_id=wallet.id,
                hold_id=named,
                amount_minor=values.get("amount"),
                description=values.get("description", ""),
                metadata=values.get("metadata", {}),
                actor=caller.actor,
                now=now,
            )

        def render(made: Any, is_taken_over: bool) -> answers.Answer:
            if not is_taken_over:
                return answers.payment_answer(made)
            return answers.answer_of(selectors.get(caller.book_id, made))

        facts = RequestFacts.of(request, is_locking=True, is_held=True)
        return idempotency.run(facts, create, render)


class WalletTransfers(ApiView):
    scopes = {"POST": "transfers:write"}

    @extend_schema(
        summary="Transfer from this wallet to another",
        operation_id="wallets_transfer",
        request=NewTransfer,
        responses={201: TransferShape},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request, wallet_id: str) -> HttpResponse:
        values = validated(NewTransfer, request)
        caller, now, is_first_try = caller_of(request), clock.now(), once()
        wallet = _wallet_of(request, wallet_id)
        amount = from_minor(values["amount"], values.get("currency", wallet.currency))

        def create(transfer_id: UUID) -> Any:
            return services.transfer(
                transfer_id=transfer_id,
                book_id=caller.book_id,
                from_wallet=wallet_id,
                to_wallet=values["to"],
                amount=amount,
                description=values.get("description", ""),
                metadata=values.get("metadata", {}),
                trusts_wallets=is_first_try(),
                actor=caller.actor,
                now=now,
            )

        def render(made: Any, is_taken_over: bool) -> answers.Answer:
            if is_taken_over:
                made = selectors.get_transfer(caller.book_id, made)
            return 201, public.render_transfer(made), True

        return idempotency.run(RequestFacts.of(request), create, render)


class Transfers(ApiView):
    scopes = {"GET": "transfers:read"}

    @extend_schema(
        summary="List transfers, newest first",
        operation_id="transfers_list",
        responses=TransferList,
        parameters=[OpenApiParameter("wallet", str, description="wallet_…: in or out of it")],
    )
    def get(self, request: Request) -> Response:
        query = query_of(request, ("wallet", *CURSORS))
        wallet_id = ids.decode("wallet", query["wallet"]) if "wallet" in query else None
        return paginate(
            selectors.list_transfers(caller_of(request).book_id, wallet_id),
            request,
            render=public.render_transfer,
            url="/v1/transfers",
            prefix="tr",
            filters=("wallet",),
        )


class OneTransfer(ApiView):
    scopes = {"GET": "transfers:read"}

    @extend_schema(
        summary="Look at a transfer", operation_id="transfers_retrieve", responses=TransferShape
    )
    def get(self, request: Request, transfer_id: str) -> Response:
        query_of(request, ())
        decoded = ids.decode("tr", transfer_id)
        found = selectors.get_transfer(caller_of(request).book_id, decoded)
        return Response(public.render_transfer(found))


def _wallet_of(request: Request, wallet_id: str) -> Any:
    """:raises NotFound: no such wallet of this merchant's."""
    return wallets.get_wallet(
        book_id=caller_of(request).book_id, id=ids.decode("wallet", wallet_id)
    )
