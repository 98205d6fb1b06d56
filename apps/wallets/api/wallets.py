"""The REST face of wallets: what they hold, what they held, and their states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpResponse, StreamingHttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock, ids, statements
from apps.core.api import (
    CURSORS,
    PERIOD,
    ApiView,
    currency_of,
    moment_of,
    paginate,
    period_of,
    query_of,
    turn_of,
    validated,
)
from apps.core.errors import DomainError, InvalidRequest
from apps.core.statements import form_of, respond
from apps.idempotency import services as idempotency
from apps.idempotency.types import OPTIONAL_KEY, RequestFacts
from apps.wallets import selectors, services
from apps.wallets.api.requests import PAGE, book_of, caller_of, customer_id_of
from apps.wallets.models import Wallet
from apps.wallets.serializers.people import Nothing
from apps.wallets.serializers.wallets import (
    STATEMENT,
    NewWallet,
    WalletBalanceShape,
    WalletHistory,
    WalletList,
    WalletShape,
    render_balance,
    render_history,
    render_wallet,
    sheet_of,
)
from apps.wallets.types import Part

URL = "/v1/wallets"
ACCOUNT = OpenApiParameter("account", str, enum=[part.value for part in Part])


class Wallets(ApiView):
    """What a merchant's customers keep with it."""

    scopes = {"GET": "wallets:read", "POST": "wallets:write"}

    @extend_schema(
        summary="Open a wallet",
        description="A customer has one wallet per currency: a second is 409 `wallet_exists`.",
        operation_id="wallets_create",
        request=NewWallet,
        responses={201: WalletShape},
        parameters=[OPTIONAL_KEY],
    )
    def post(self, request: Request) -> HttpResponse:
        values = validated(NewWallet, request)
        customer_id = customer_id_of(values["customer"])
        assert customer_id is not None
        caller = caller_of(request)
        facts = RequestFacts.of(request, key_required=False, about_id=customer_id)

        def create(wallet_id: UUID) -> None:
            services.open_wallet(
                book_id=caller.book_id,
                wallet_id=wallet_id,
                customer_id=customer_id,
                currency=values["currency"],
                metadata=values.get("metadata", {}),
                actor=caller.actor,
                now=facts.now,
            )

        def render(wallet_id: UUID, _is_taken_over: bool) -> tuple[int, dict[str, Any], bool]:
            return 201, _wallet_body(caller.book_id, wallet_id), True

        def on_duplicate() -> DomainError | None:
            existing = selectors.find_wallet(
                book_id=caller.book_id, customer_id=customer_id, currency=values["currency"]
            )
            if existing is None:
                return None
            return services.WalletExists(wallet=ids.encode("wallet", existing.id))

        return idempotency.run(facts, create, render, on_duplicate=on_duplicate)

    @extend_schema(
        summary="List wallets, newest first",
        operation_id="wallets_list",
        responses={200: WalletList},
        parameters=[
            OpenApiParameter("customer", str, description="cus_…: only theirs"),
            OpenApiParameter("currency", str),
            *PAGE,
        ],
    )
    def get(self, request: Request) -> Response:
        filters = ("customer", "currency")
        query = query_of(request, (*filters, *CURSORS))
        book_id, balances = book_of(request), {}
        wallets = selectors.list_wallets(
            book_id=book_id,
            customer_id=customer_id_of(query.get("customer")),
            currency=currency_of(query["currency"]) if "currency" in query else None,
        )

        def prepare(page: list[Wallet]) -> None:
            balances.update(selectors.balances_of(book_id=book_id, wallets=page))

        return paginate(
            wallets,
            request,
            render=lambda wallet: render_wallet(wallet, balances[wallet.id]),
            url=URL,
            prefix="wallet",
            filters=filters,
            prepare=prepare,
        )


class OneWallet(ApiView):
    """One wallet."""

    scopes = {"GET": "wallets:read"}

    @extend_schema(
        summary="Retrieve a wallet",
        operation_id="wallets_retrieve",
        responses={200: WalletShape},
    )
    def get(self, request: Request, wallet_id: str) -> Response:
        query_of(request, ())
        return Response(_wallet_body(book_of(request), ids.decode("wallet", wallet_id)))


class WalletBalance(ApiView):
    """What a wallet holds, or held."""

    scopes = {"GET": "wallets:read"}

    @extend_schema(
        summary="What a wallet holds, or held at a past moment",
        description="Everything recorded up to `at`. The last seconds are 409 `not_settled`.",
        operation_id="wallets_balance",
        responses={200: WalletBalanceShape},
        parameters=[OpenApiParameter("at", str, description="an ISO 8601 time with its zone")],
    )
    def get(self, request: Request, wallet_id: str) -> Response:
        query = query_of(request, ("at",))
        wallet = _wallet_of(request, wallet_id)
        text = query.get("at")
        if text is not None and len(text) <= len("2026-01-31"):
            # A day is not a moment: at its beginning, or at its end?
            raise InvalidRequest("at: an ISO 8601 time with its zone.", param="at")
        at = moment_of("at", text) if text is not None else None
        balance = selectors.balance_at(wallet=wallet, at=at)
        return Response(render_balance(wallet, balance, at or clock.now()))


class WalletTransactions(ApiView):
    """A wallet's history with the balance after each line."""

    scopes = {"GET": "wallets:read"}

    @extend_schema(
        summary="What happened to a wallet's money, newest first",
        description=(
            "Each line is one booked transaction. Opening + lines = closing, on every page; the "
            "newest page closes with the balance of this moment."
        ),
        operation_id="wallets_transactions",
        responses={200: WalletHistory},
        parameters=[ACCOUNT, *PERIOD, *PAGE],
    )
    def get(self, request: Request, wallet_id: str) -> Response:
        query = query_of(request, ("account", "from", "to", *CURSORS))
        turn = turn_of(query, "txn")
        wallet = _wallet_of(request, wallet_id)
        page = selectors.history(
            wallet=wallet,
            part=part_of(query.get("account")),
            **period_of(query),
            older_than=turn.after,
            newer_than=turn.before,
            limit=turn.limit,
        )
        return Response(
            render_history(page, f"{URL}/{ids.encode('wallet', wallet.id)}/transactions")
        )


class WalletStatement(ApiView):
    """A wallet's statement of a period, to be read by a program, in a spreadsheet or on paper."""

    scopes = {"GET": "wallets:read"}
    content_negotiation_class = statements.FormDecides

    @extend_schema(
        summary="A wallet's statement: JSON, CSV or a page to print",
        description=(
            "Oldest first and whole, however long; opening + lines = closing, and one period's "
            "closing is the next one's opening. A period that is not over is told up to now."
        ),
        operation_id="wallets_statement",
        responses=STATEMENT,
        parameters=[ACCOUNT, statements.FORM, *PERIOD],
    )
    def get(self, request: Request, wallet_id: str) -> StreamingHttpResponse:
        query = query_of(request, ("account", "format", "from", "to"))
        form, part, period = form_of(query), part_of(query.get("account")), period_of(query)
        wallet = _wallet_of(request, wallet_id)
        statement = selectors.statement(wallet=wallet, part=part, **period)
        return respond(sheet_of(wallet, part, statement, **period), form, request._request)


class _Change(ApiView):
    """A change of a wallet's state: made once, and made again without effect."""

    scopes = {"POST": "wallets:write"}

    def carry_out(
        self, request: Request, wallet_id: str, change: Callable[..., None]
    ) -> HttpResponse:
        validated(Nothing, request)
        caller, wallet = caller_of(request), _wallet_of(request, wallet_id)
        facts = RequestFacts.of(
            request, key_required=False, is_locking=True, about_id=wallet.customer_id
        )

        def create(_: UUID) -> None:
            change(book_id=caller.book_id, wallet_id=wallet.id, actor=caller.actor, now=facts.now)

        def render(_made: Any, _is_taken_over: bool) -> tuple[int, dict[str, Any], bool]:
            return 200, _wallet_body(caller.book_id, wallet.id), True

        return idempotency.run(facts, create, render)


class FreezeWallet(_Change):
    @extend_schema(
        summary="Let nothing out of a wallet; money still comes in",
        operation_id="wallets_freeze",
        request=Nothing,
        responses={200: WalletShape},
        parameters=[OPTIONAL_KEY],
    )
    def post(self, request: Request, wallet_id: str) -> HttpResponse:
        return self.carry_out(request, wallet_id, services.freeze_wallet)


class UnfreezeWallet(_Change):
    @extend_schema(
        summary="Let money out of a frozen wallet again",
        operation_id="wallets_unfreeze",
        request=Nothing,
        responses={200: WalletShape},
        parameters=[OPTIONAL_KEY],
    )
    def post(self, request: Request, wallet_id: str) -> HttpResponse:
        return self.carry_out(request, wallet_id, services.unfreeze_wallet)


class CloseWallet(_Change):
    @extend_schema(
        summary="End an empty wallet for good",
        description="With money in it, available or held: 409 `wallet_not_empty`.",
        operation_id="wallets_close",
        request=Nothing,
        responses={200: WalletShape},
        parameters=[OPTIONAL_KEY],
    )
    def post(self, request: Request, wallet_id: str) -> HttpResponse:
        return self.carry_out(request, wallet_id, services.close_wallet)


def part_of(text: str | None) -> Part:
    """The account that is asked for: what is available, unless told otherwise.

    :raises InvalidRequest: a wallet has no such account.
    """
    if text is None:
        return Part.AVAILABLE
    try:
        return Part(text)
    except ValueError:
        raise InvalidRequest(f"account: {' or '.join(Part)}.", param="account") from None


def _wallet_of(request: Request, wallet_id: str) -> Wallet:
    return selectors.get_wallet(book_id=book_of(request), id=ids.decode("wallet", wallet_id))


def _wallet_body(book_id: UUID, wallet_id: UUID) -> dict[str, Any]:
    wallet = selectors.get_wallet(book_id=book_id, id=wallet_id)
    return render_wallet(wallet, selectors.balance_at(wallet=wallet))
