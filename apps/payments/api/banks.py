"""The REST face of bank accounts: where a merchant's money and its customers' withdrawals go."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import cards, clock, ids
from apps.core.api import (
    ApiView,
    CurrencyField,
    StrictSerializer,
    TextField,
    paginate,
    query_of,
    validated,
)
from apps.idempotency import services as idempotency
from apps.idempotency.types import RequestFacts
from apps.merchants import selectors as merchants
from apps.merchants import services as accounts
from apps.merchants.types import BankDetails
from apps.payments import public
from apps.payments.api.requests import CURSORS, OPTIONAL_KEY, caller_of
from apps.payments.serializers import list_of
from apps.wallets import services as wallets

URL = "/v1/bank_accounts"


class NewBankAccount(StrictSerializer):
    holder = TextField(max_length=100)
    country = TextField(min_length=2, max_length=2)
    currency = CurrencyField()
    account_number = TextField(required=False, max_length=50)
    iban = TextField(required=False, max_length=50)
    routing_number = TextField(required=False, max_length=50)
    customer = TextField(required=False, allow_null=True)

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        if ("iban" in values) == ("account_number" in values):
            raise serializers.ValidationError({"account_number": "Give it, or an iban."})
        return values

    @staticmethod
    def details(values: dict[str, Any]) -> BankDetails:
        """The validated values as a bank account in the clear."""
        return BankDetails(
            holder=values["holder"],
            number=values.get("iban") or values["account_number"],
            country=values["country"],
            currency=values["currency"],
            routing_number=values.get("routing_number", ""),
            is_iban="iban" in values,
        )


class BankAccountShape(serializers.Serializer[Any]):
    """A bank account. Of its number only the last four are ever shown."""

    id = serializers.CharField(help_text="ba_…")
    object = serializers.ChoiceField(choices=["bank_account"])
    status = serializers.ChoiceField(
        choices=["usable", "waiting", "removed"],
        help_text="`waiting` until `usable_from`: it replaces another, and you may not know of it.",
    )
    customer = serializers.CharField(allow_null=True, help_text="cus_…, or null: your own")
    country = serializers.CharField()
    currency = serializers.CharField()
    last4 = serializers.CharField()
    usable_from = serializers.DateTimeField()
    removed_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


BankAccountList = list_of(BankAccountShape, "BankAccountList")


class BankAccounts(ApiView):
    """Bank accounts. Holders and numbers are stored encrypted."""

    scopes = {"GET": "bank_accounts:read", "POST": "bank_accounts:write"}
    exempt_fields = cards.BANK_ACCOUNT_FIELDS

    @extend_schema(
        summary="Add a bank account",
        description=(
            "An account of your own, or with `customer` one of theirs. The first account of an "
            "owner is usable at once, every later one after a day."
        ),
        operation_id="bank_accounts_create",
        request=NewBankAccount,
        responses={201: BankAccountShape},
        parameters=[OPTIONAL_KEY],
    )
    def post(self, request: Request) -> HttpResponse:
        values = validated(NewBankAccount, request)
        customer = values.get("customer")
        customer_id = ids.decode("cus", customer) if customer is not None else None
        facts = RequestFacts.of(request, key_required=False, is_locking=True, about_id=customer_id)
        caller = caller_of(request)

        def create(bank_account_id: UUID) -> None:
            if customer_id is not None:
                wallets.require_customer(book_id=caller.book_id, customer_id=customer_id)
            accounts.add_bank_account(
                book_id=caller.book_id,
                bank_account_id=bank_account_id,
                details=NewBankAccount.details(values),
                customer_id=customer_id,
                actor=caller.actor,
                now=facts.now,
            )

        def render(bank_account_id: UUID, _is_taken_over: bool) -> tuple[int, dict[str, Any], bool]:
            return 201, _render(caller.book_id, bank_account_id, facts.now), True

        return idempotency.run(facts, create, render)

    @extend_schema(
        summary="List bank accounts, newest first",
        operation_id="bank_accounts_list",
        responses=BankAccountList,
        parameters=[OpenApiParameter("customer", str, required=False)],
    )
    def get(self, request: Request) -> Response:
        query, now = query_of(request, ("customer", *CURSORS)), clock.now()
        customer_id = ids.decode("cus", query["customer"]) if "customer" in query else None
        return paginate(
            merchants.list_bank_accounts(
                book_id=caller_of(request).book_id, customer_id=customer_id
            ),
            request,
            render=lambda account: render_bank_account(account, now=now),
            url=URL,
            prefix="ba",
            filters=("customer",),
        )


class OneBankAccount(ApiView):
    scopes = {"GET": "bank_accounts:read", "DELETE": "bank_accounts:write"}

    @extend_schema(
        summary="Look at a bank account",
        operation_id="bank_accounts_retrieve",
        responses=BankAccountShape,
    )
    def get(self, request: Request, bank_account_id: str) -> Response:
        query_of(request, ())
        id_ = ids.decode("ba", bank_account_id)
        return Response(_render(caller_of(request).book_id, id_, clock.now()))

    @extend_schema(
        summary="Remove a bank account",
        description=(
            "Its holder and number are forgotten, and nothing is sent to it any more. A payout "
            "that has not left yet fails, and its money comes back."
        ),
        operation_id="bank_accounts_remove",
        request=None,
        responses={200: BankAccountShape},
    )
    def delete(self, request: Request, bank_account_id: str) -> Response:
        id_, now, caller = ids.decode("ba", bank_account_id), clock.now(), caller_of(request)
        accounts.remove_bank_account(
            book_id=caller.book_id, bank_account_id=id_, actor=caller.actor, now=now
        )
        return Response(_render(caller.book_id, id_, now))


def _render(book_id: UUID, bank_account_id: UUID, now: datetime) -> dict[str, Any]:
    account = merchants.get_bank_account(book_id=book_id, id=bank_account_id)
    return render_bank_account(account, now=now)


def render_bank_account(account: Any, *, now: datetime) -> dict[str, Any]:
    """The account as the API shows it: no holder and no number; times are ISO 8601 in UTC."""
    status = "usable" if account.usable_from <= now else "waiting"
    return {
        "id": ids.encode("ba", account.id),
        "object": "bank_account",
        "status": "removed" if account.removed_at else status,
        "customer": ids.encode("cus", account.customer_id) if account.customer_id else None,
        "country": account.country,
        "currency": account.currency,
        "last4": account.last4,
        "usable_from": public.time(account.usable_from),
        "removed_at": public.time(account.removed_at),
        "created_at": public.time(account.created_at),
    }
