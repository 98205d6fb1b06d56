"""Wallets, their history and the holds on them: what may be sent, and what is shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rest_framework import serializers

from apps.core import ids
from apps.core.api import AmountField, CurrencyField, MetadataField, StrictSerializer, TextField
from apps.core.money import Money, to_minor
from apps.core.statements import Line, LineShape, Sheet, render_line, responses_of, time
from apps.ledger import selectors as ledger
from apps.ledger.types import History, Statement, StatementLine
from apps.wallets.models import Hold, Wallet
from apps.wallets.services import LONGEST_SECONDS
from apps.wallets.types import HoldStatus, Part, WalletBalance, WalletStatus


class NewWallet(StrictSerializer):
    customer = TextField()
    currency = CurrencyField()
    metadata = MetadataField()


class NewHold(StrictSerializer):
    amount = AmountField()
    currency = CurrencyField(required=False)
    expires_in = serializers.IntegerField(
        required=False, min_value=1, max_value=LONGEST_SECONDS, help_text="seconds; 7 days"
    )
    metadata = MetadataField()


# --- answers, and their schema --------------------------------------------------------------------


class WalletShape(serializers.Serializer[Any]):
    """A wallet: what a customer keeps with the merchant in one currency. Amounts in minor units."""

    id = serializers.CharField(help_text="wallet_…")
    object = serializers.ChoiceField(choices=["wallet"])
    customer = serializers.CharField(help_text="cus_…")
    currency = serializers.CharField()
    status = serializers.ChoiceField(choices=[status.value for status in WalletStatus])
    available = serializers.IntegerField(help_text="what can be spent")
    held = serializers.IntegerField(help_text="what open holds have set aside")
    metadata = serializers.DictField(child=serializers.CharField())
    closed_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class WalletList(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["list"])
    data = WalletShape(many=True)  # type: ignore[assignment]
    has_more = serializers.BooleanField()
    url = serializers.CharField()


class WalletBalanceShape(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["balance"])
    wallet = serializers.CharField(help_text="wallet_…")
    currency = serializers.CharField()
    available = serializers.IntegerField()
    held = serializers.IntegerField()
    at = serializers.DateTimeField()


class WalletHistory(serializers.Serializer[Any]):
    """A page of lines, newest first: opening + their amounts = closing."""

    object = serializers.ChoiceField(choices=["list"])
    opening = serializers.IntegerField()
    closing = serializers.IntegerField()
    data = LineShape(many=True)  # type: ignore[assignment]
    has_more = serializers.BooleanField()
    url = serializers.CharField()


STATEMENT = responses_of(
    "WalletStatement",
    wallet=serializers.CharField(help_text="wallet_…"),
    account=serializers.ChoiceField(choices=[part.value for part in Part]),
    currency=serializers.CharField(),
)


class HoldShape(serializers.Serializer[Any]):
    """Money of a wallet set aside. Amounts in minor units."""

    id = serializers.CharField(help_text="hold_…")
    object = serializers.ChoiceField(choices=["hold"])
    wallet = serializers.CharField(help_text="wallet_…")
    status = serializers.ChoiceField(choices=[status.value for status in HoldStatus])
    amount = serializers.IntegerField()
    captured = serializers.IntegerField(help_text="what of it was taken; the rest went back")
    currency = serializers.CharField()
    payment = serializers.CharField(allow_null=True, help_text="pay_…: the payment that owns it")
    expires_at = serializers.DateTimeField(allow_null=True, help_text="null for a payment's")
    metadata = serializers.DictField(child=serializers.CharField())
    ended_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class HoldList(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["list"])
    data = HoldShape(many=True)  # type: ignore[assignment]
    has_more = serializers.BooleanField()
    url = serializers.CharField()


def render_wallet(wallet: Wallet, balance: WalletBalance) -> dict[str, Any]:
    """The wallet as the API shows it, with what it holds."""
    return {
        "id": ids.encode("wallet", wallet.id),
        "object": "wallet",
        "customer": ids.encode("cus", wallet.customer_id),
        "currency": wallet.currency,
        "status": wallet.status,
        "available": to_minor(balance.available),
        "held": to_minor(balance.held),
        "metadata": wallet.metadata,
        "closed_at": time(wallet.closed_at),
        "created_at": time(wallet.created_at),
    }


def render_balance(wallet: Wallet, balance: WalletBalance, at: datetime) -> dict[str, Any]:
    """What a wallet held at a moment."""
    return {
        "object": "balance",
        "wallet": ids.encode("wallet", wallet.id),
        "currency": wallet.currency,
        "available": to_minor(balance.available),
        "held": to_minor(balance.held),
        "at": time(at),
    }


def render_hold(hold: Hold) -> dict[str, Any]:
    """The hold as the API shows it."""
    return {
        "id": ids.encode("hold", hold.id),
        "object": "hold",
        "wallet": ids.encode("wallet", hold.wallet_id),
        "status": hold.status,
        "amount": to_minor(Money(hold.amount, hold.currency)),
        "captured": to_minor(Money(hold.captured, hold.currency)),
        "currency": hold.currency,
        "payment": ids.encode("pay", hold.payment_id) if hold.payment_id else None,
        "expires_at": time(hold.expires_at),
        "metadata": hold.metadata,
        "ended_at": time(hold.ended_at),
        "created_at": time(hold.created_at),
    }


_SAID = {
    "capture": "Payment",
    "credit": "Top-up",
    "refund_reserve": "Top-up refunded",
    "refund_to_merchant": "Refund to the merchant: the wallet is closed",
    "payout_reserve": "Withdrawal",
    "payout_return": "Withdrawal returned",
}


def line_of(line: StatementLine) -> Line:
    """A line of a wallet's history, with whatever object its reference names."""
    return ledger.line_of(line, _described(line))


def _described(line: StatementLine) -> str:
    """The line's kind as a person says it."""
    if line.kind == "hold":
        return "Hold placed" if line.reference.startswith("hold:place:") else "Hold released"
    if line.kind == "capture" and line.amount.amount > 0:
        return "Rest of a hold"
    return ledger.described(line, _SAID)


def sheet_of(
    wallet: Wallet,
    part: Part,
    statement: Statement,
    *,
    since: datetime | None,
    until: datetime | None,
) -> Sheet:
    """A wallet's statement, to be sent."""
    id_ = ids.encode("wallet", wallet.id)
    return Sheet(
        title=f"Statement of {id_}",
        about=[
            ("Customer", ids.encode("cus", wallet.customer_id)),
            ("Account", f"{part}, in {wallet.currency}"),
        ],
        facts={
            "object": "statement",
            "wallet": id_,
            "account": part.value,
            "currency": wallet.currency,
        },
        name=f"{id_}_{part}",
        since=since,
        until=until,
        opening=statement.opening,
        closing=statement.closing,
        lines=map(line_of, statement.lines),
    )


def render_history(page: History, url: str) -> dict[str, Any]:
    """A page of a wallet's history."""
    return {
        "object": "list",
        "opening": to_minor(page.opening),
        "closing": to_minor(page.closing),
        "data": [render_line(line_of(line)) for line in page.lines],
        "has_more": page.more,
        "url": url,
    }
