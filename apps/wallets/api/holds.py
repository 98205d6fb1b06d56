"""The REST face of holds: money of a wallet set aside for a while."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import ids
from apps.core.api import CURSORS, ApiView, paginate, query_of, validated
from apps.core.errors import InvalidRequest
from apps.core.money import from_minor
from apps.idempotency import services as idempotency
from apps.idempotency.types import REQUIRED_KEY, RequestFacts
from apps.wallets import selectors, services
from apps.wallets.api.requests import PAGE, book_of, caller_of
from apps.wallets.serializers.people import Nothing
from apps.wallets.serializers.wallets import HoldList, HoldShape, NewHold, render_hold
from apps.wallets.types import HoldStatus

STATUS = OpenApiParameter("status", str, enum=[status.value for status in HoldStatus])


class Holds(ApiView):
    """The holds on a wallet."""

    scopes = {"GET": "wallets:read", "POST": "wallets:write"}

    @extend_schema(
        summary="Set money of a wallet aside",
        description=(
            "It stays in the wallet and cannot be spent otherwise, until the hold is captured, "
            "released, or expires: after `expires_in` seconds, 7 days unless told otherwise, 30 "
            "days at the most."
        ),
        operation_id="wallets_holds_create",
        request=NewHold,
        responses={201: HoldShape},
        parameters=[REQUIRED_KEY],
    )
    def post(self, request: Request, wallet_id: str) -> HttpResponse:
        values = validated(NewHold, request)
        caller, id_ = caller_of(request), ids.decode("wallet", wallet_id)
        facts = RequestFacts.of(request)
        lasts = timedelta(seconds=values.get("expires_in", services.DEFAULT_SECONDS))

        def create(hold_id: UUID) -> None:
            wallet = selectors.get_wallet(book_id=caller.book_id, id=id_)
            services.place_standalone_hold(
                wallet=wallet,
                hold_id=hold_id,
                amount=from_minor(values["amount"], values.get("currency", wallet.currency)),
                expires_at=facts.now + lasts,
                metadata=values.get("metadata", {}),
                actor=caller.actor,
                now=facts.now,
            )

        def render(hold_id: UUID, _is_taken_over: bool) -> tuple[int, dict[str, Any], bool]:
            return 201, _hold_body(caller.book_id, id_, hold_id), True

        return idempotency.run(facts, create, render)

    @extend_schema(
        summary="List the holds on a wallet, newest first",
        operation_id="wallets_holds_list",
        responses={200: HoldList},
        parameters=[STATUS, *PAGE],
    )
    def get(self, request: Request, wallet_id: str) -> Response:
        query = query_of(request, ("status", *CURSORS))
        book_id = book_of(request)
        wallet = selectors.get_wallet(book_id=book_id, id=ids.decode("wallet", wallet_id))
        holds = selectors.list_holds(
            book_id=book_id, wallet_id=wallet.id, status=_status_of(query.get("status"))
        )
        return paginate(
            holds,
            request,
            render=render_hold,
            url=f"/v1/wallets/{ids.encode('wallet', wallet.id)}/holds",
            prefix="hold",
            filters=("status",),
        )


class OneHold(ApiView):
    """One hold."""

    scopes = {"GET": "wallets:read"}

    @extend_schema(
        summary="Retrieve a hold",
        operation_id="wallets_holds_retrieve",
        responses={200: HoldShape},
    )
    def get(self, request: Request, wallet_id: str, hold_id: str) -> Response:
        query_of(request, ())
        wallet, hold = ids.decode("wallet", wallet_id), ids.decode("hold", hold_id)
        return Response(_hold_body(book_of(request), wallet, hold))


class ReleaseHold(ApiView):
    """The end of a hold that nobody needs any more."""

    scopes = {"POST": "wallets:write"}

    @extend_schema(
        summary="Let go of a hold: all of it is available again",
        description="Not of a payment's: that ends with the payment (409 `hold_of_payment`).",
        operation_id="wallets_holds_release",
        request=Nothing,
        responses={200: HoldShape},
        parameters=[REQUIRED_KEY],
    )
    def post(self, request: Request, wallet_id: str, hold_id: str) -> HttpResponse:
        validated(Nothing, request)
        caller, hold = caller_of(request), ids.decode("hold", hold_id)
        wallet = selectors.get_wallet(book_id=caller.book_id, id=ids.decode("wallet", wallet_id))
        facts = RequestFacts.of(request, about_id=wallet.customer_id)

        def create(_: UUID) -> None:
            services.release_standalone_hold(
                book_id=caller.book_id,
                wallet_id=wallet.id,
                hold_id=hold,
                actor=caller.actor,
                now=facts.now,
            )

        def render(_made: Any, _is_taken_over: bool) -> tuple[int, dict[str, Any], bool]:
            return 200, _hold_body(caller.book_id, wallet.id, hold), True

        return idempotency.run(facts, create, render)


def _status_of(text: str | None) -> HoldStatus | None:
    if text is None:
        return None
    try:
        return HoldStatus(text)
    except ValueError:
        raise InvalidRequest(f"status: one of {', '.join(HoldStatus)}.", param="status") from None


def _hold_body(book_id: UUID, wallet_id: UUID, hold_id: UUID) -> dict[str, Any]:
    return render_hold(selectors.get_hold(book_id=book_id, wallet_id=wallet_id, id=hold_id))
