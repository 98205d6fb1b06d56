"""The REST face of a merchant's balance: what there is, and the lines that made it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.http import StreamingHttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import ids, statements
from apps.core.api import PERIOD, ApiView, currency_of, paginate, period_of, query_of
from apps.core.errors import InvalidRequest
from apps.core.money import to_minor
from apps.core.statements import Line, Sheet
from apps.ledger import selectors as ledger
from apps.ledger.types import StatementLine
from apps.merchants import selectors as merchants
from apps.payments import payout_selectors, public
from apps.payments.api.requests import CURSORS, caller_of
from apps.payments.serializers import list_of
from apps.payments.types import BalanceKind, BalancePart

if TYPE_CHECKING:
    from apps.merchants.models import Merchant

ACCOUNT = OpenApiParameter("account", str, enum=[part.value for part in BalancePart])
FILTERS = ("type", "currency", "payout", "source")


class PendingOfDayShape(serializers.Serializer[Any]):
    available_on = serializers.DateField()
    amount = serializers.IntegerField()


class PendingShape(serializers.Serializer[Any]):
    """What is credited and not payable yet, and when it will be."""

    amount = serializers.IntegerField()
    by_date = PendingOfDayShape(many=True)


class BalanceOfCurrencyShape(serializers.Serializer[Any]):
    currency = serializers.CharField()
    pending = PendingShape()
    payable = serializers.IntegerField(help_text="What may be paid out; may be negative.")
    reserve = serializers.IntegerField(help_text="Kept back for a while.")
    in_transit = serializers.IntegerField(help_text="On its way to your bank.")


class BalanceShape(serializers.Serializer[Any]):
    """A merchant's balance, by currency. Amounts in minor units."""

    object = serializers.ChoiceField(choices=["balance"])
    currencies = BalanceOfCurrencyShape(many=True)


class BalanceTransactionShape(serializers.Serializer[Any]):
    """A line of the merchant's balance: net = gross - fee, each signed, in minor units."""

    id = serializers.CharField(help_text="txn_…")
    object = serializers.ChoiceField(choices=["balance_transaction"])
    type = serializers.ChoiceField(choices=[str(kind) for kind in BalanceKind])
    status = serializers.ChoiceField(choices=["pending", "payable"])
    gross = serializers.IntegerField()
    fee = serializers.IntegerField()
    net = serializers.IntegerField()
    paid_out = serializers.IntegerField(help_text="What payouts have taken of it so far.")
    currency = serializers.CharField()
    source = serializers.CharField(help_text="pay_…, re_…, po_… or rsv_…")  # type: ignore[assignment]
    payment = serializers.CharField(allow_null=True, help_text="pay_…")
    available_on = serializers.DateField()
    payable_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


BalanceTransactionList = list_of(BalanceTransactionShape, "BalanceTransactionList")


class MerchantBalance(ApiView):
    scopes = {"GET": "balance:read"}

    @extend_schema(
        summary="Look at your balance", operation_id="balance_retrieve", responses=BalanceShape
    )
    def get(self, request: Request) -> Response:
        query_of(request, ())
        balances = payout_selectors.balance_of(caller_of(request).book_id)
        return Response(
            {"object": "balance", "currencies": [_render(balance) for balance in balances]}
        )


class BalanceTransactions(ApiView):
    scopes = {"GET": "balance:read"}

    @extend_schema(
        summary="List the lines of your balance, newest first",
        operation_id="balance_transactions_list",
        responses=BalanceTransactionList,
        parameters=[OpenApiParameter(name, str, required=False) for name in FILTERS],
    )
    def get(self, request: Request) -> Response:
        query = query_of(request, (*FILTERS, *CURSORS))
        lines = payout_selectors.list_lines(caller_of(request).book_id)
        return paginate(
            lines.filter(_filter(query)),
            request,
            render=public.render_balance_transaction,
            url="/v1/balance_transactions",
            prefix="txn",
            filters=FILTERS,
        )


class BalanceStatement(ApiView):
    """A merchant's statement of a period, to be read by a program, in a spreadsheet or on paper."""

    scopes = {"GET": "balance:read"}
    content_negotiation_class = statements.FormDecides

    @extend_schema(
        summary="Your statement: JSON, CSV or a page to print",
        description=(
            "Oldest first and whole, however long; opening + lines = closing, and one period's "
            "closing is the next one's opening. A period that is not over is told up to `to`: "
            "the last seconds of the total and of what is pending may still change. "
            "The currency is your own, unless told otherwise."
        ),
        operation_id="balance_statement",
        responses=statements.responses_of(
            "BalanceStatement",
            merchant=serializers.CharField(help_text="merchant_…"),
            account=serializers.ChoiceField(choices=[part.value for part in BalancePart]),
            currency=serializers.CharField(),
        ),
        parameters=[ACCOUNT, OpenApiParameter("currency", str), statements.FORM, *PERIOD],
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        query = query_of(request, ("account", "currency", "format", "from", "to"))
        form, period = statements.form_of(query), period_of(query)
        part = _part(query.get("account", BalancePart.TOTAL))
        merchant = merchants.get(caller_of(request).book_id)
        currency = currency_of(query.get("currency", merchant.default_currency))
        found = payout_selectors.statement_of(merchant.id, part, currency, **period)
        sheet = _sheet(merchant, part, currency, period["since"], found)
        return statements.respond(sheet, form, request._request)


_SAID = {
    "credit": "Payment",
    "refund_reserve": "Refund",
    "payout_reserve": "Payout",
    "payout_return": "Payout returned",
    "release": "Made payable",
    "reserve_keep": "Kept in reserve",
    "reserve_free": "Freed from reserve",
}


def _sheet(
    merchant: Merchant,
    part: BalancePart,
    currency: str,
    since: datetime | None,
    found: payout_selectors.BalanceStatement,
) -> Sheet:
    id_ = ids.encode("merchant", merchant.id)
    return Sheet(
        title=f"Statement of {merchant.name}",
        about=[("Merchant", id_), ("Account", f"{part}, in {currency}")],
        facts={
            "object": "statement",
            "merchant": id_,
            "account": part.value,
            "currency": currency,
        },
        name=f"{id_}_{part}_{currency}",
        since=since,
        until=found.until,
        opening=found.statement.opening,
        closing=found.statement.closing,
        lines=map(_line, found.statement.lines),
    )


def _line(line: StatementLine) -> Line:
    return ledger.line_of(line, ledger.described(line, _SAID))


def _part(text: str) -> BalancePart:
    if text not in set(BalancePart):
        raise InvalidRequest(f"account: one of {', '.join(BalancePart)}.", param="account")
    return BalancePart(text)


def _render(balance: payout_selectors.Balance) -> dict[str, Any]:
    return {
        "currency": balance.currency,
        "pending": {
            "amount": to_minor(balance.pending),
            "by_date": [
                {"available_on": day.isoformat(), "amount": to_minor(amount)}
                for day, amount in balance.by_date
            ],
        },
        "payable": to_minor(balance.payable),
        "reserve": to_minor(balance.reserve),
        "in_transit": to_minor(balance.in_transit),
    }


def _filter(query: dict[str, str]) -> Q:
    found = Q()
    if "type" in query:
        if query["type"] not in set(BalanceKind):
            raise InvalidRequest(f"type: one of {', '.join(BalanceKind)}.", param="type")
        found &= Q(kind=query["type"])
    if "currency" in query:
        found &= Q(currency=currency_of(query["currency"]))
    if "source" in query:
        prefixes = set(public.SOURCE_PREFIX.values())
        prefix, source_id = ids.decode_any(query["source"], prefixes)
        kinds = [kind for kind, of_kind in public.SOURCE_PREFIX.items() if of_kind == prefix]
        found &= Q(source_id=source_id, kind__in=kinds)
    if "payout" in query:
        found &= Q(items__payout_id=ids.decode("po", query["payout"]))
    return found
