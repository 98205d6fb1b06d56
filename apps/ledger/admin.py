"""The books as one reads them: accounts with their entries, transactions with their lines."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.core.admin import ReadOnlyAdmin
from apps.ledger import selectors
from apps.ledger.models import (
    LedgerAccount,
    LedgerBook,
    LedgerCheckpoint,
    LedgerClosing,
    LedgerDay,
    LedgerEntry,
    LedgerHorizon,
    LedgerTransaction,
)
from apps.ledger.types import EntryType

LATEST, FEW = 50, 10


def _money(amount: Decimal | None, currency: str) -> str:
    """Two decimals, more only where there are more: `396.50 EUR`, `1.2345 CLF`."""
    if amount is None:
        return "–"
    text = f"{amount:,.4f}"
    return f"{text.removesuffix('00')} {currency}"


def _link(label: str, name: str, key: object) -> SafeString:
    return format_html(
        '<a href="{}">{}</a>', reverse(f"admin:ledger_{name}_change", args=[key]), label
    )


def _table(heads: tuple[str, ...], rows: list[tuple[Any, ...]]) -> SafeString:
    if not rows:
        return format_html("<p>{}</p>", "None.")
    return format_html(
        '<table style="width:100%"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>',
        format_html_join("", '<th style="text-align:left">{}</th>', ((head,) for head in heads)),
        format_html_join(
            "",
            "<tr>{}</tr>",
            ((format_html_join("", "<td>{}</td>", ((cell,) for cell in row)),) for row in rows),
        ),
    )


def _columns(entry: LedgerEntry) -> tuple[str, str]:
    """The amount in the debit or in the credit column."""
    amount = _money(entry.amount, entry.currency)
    return (amount, "") if entry.entry_type == EntryType.DEBIT else ("", amount)


@admin.register(LedgerAccount)
class LedgerAccountAdmin(ReadOnlyAdmin):
    list_display = ("code", "currency", "account_type", "kept_balance", "lowest", "book_id")
    list_filter = ("account_type", "currency")
    search_fields = ("code__startswith", "book_id__exact")
    fields = (
        *("id", "book_id", "code", "currency", "account_type", "normal_side"),
        *("lowest", "current_balance", "created_at", "latest_entries"),
        *("latest_checkpoints", "closing_balances"),
    )
    readonly_fields = fields

    @admin.display(description="balance (row accounts)", ordering="balance")
    def kept_balance(self, account: LedgerAccount) -> str:
        return _money(account.balance, account.currency)

    @admin.display(description="floor")
    def lowest(self, account: LedgerAccount) -> str:
        return _money(account.floor, account.currency)

    @admin.display(description="balance")
    def current_balance(self, account: LedgerAccount) -> str:
        found = selectors.balance(
            book_id=account.book_id, code=account.code, currency=account.currency
        )
        return _money(found.amount, account.currency)

    @admin.display(description=f"latest {LATEST} entries")
    def latest_entries(self, account: LedgerAccount) -> SafeString:
        entries = (
            LedgerEntry.objects.filter(account_id=account.id)
            .select_related("transaction")
            .order_by("-created_at", "-transaction_id", "-line")[:LATEST]
        )
        return _table(
            ("recorded", "reference", "kind", "debit", "credit"),
            [
                (
                    f"{entry.created_at:%Y-%m-%d %H:%M:%S}",
                    _link(entry.transaction.reference, "ledgertransaction", entry.transaction_id),
                    entry.transaction.kind,
                    *_columns(entry),
                )
                for entry in entries
            ],
        )

    @admin.display(description="latest checkpoints")
    def latest_checkpoints(self, account: LedgerAccount) -> SafeString:
        found = LedgerCheckpoint.objects.filter(account_id=account.id).order_by("-upto")[:FEW]
        return _table(
            ("everything up to", "balance"),
            [
                (f"{row.upto:%Y-%m-%d %H:%M:%S}", _money(row.balance, account.currency))
                for row in found
            ],
        )

    @admin.display(description="latest closing balances")
    def closing_balances(self, account: LedgerAccount) -> SafeString:
        found = LedgerClosing.objects.filter(account_id=account.id).order_by("-day")[:FEW]
        return _table(
            ("day", "balance"),
            [(str(row.day), _money(row.balance, account.currency)) for row in found],
        )


@admin.register(LedgerTransaction)
class LedgerTransactionAdmin(ReadOnlyAdmin):
    list_display = ("reference", "kind", "occurred_at", "booked_on", "book_id")
    list_filter = ("kind",)
    search_fields = ("reference__startswith", "book_id__exact")
    fields = (
        *("id", "book_id", "reference", "kind", "occurred_at", "booked_on", "created_at"),
        *("reversed_transaction", "lines"),
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[LedgerTransaction]:
        return super().get_queryset(request).defer("fingerprint")

    @admin.display(description="reverses")
    def reversed_transaction(self, transaction: LedgerTransaction) -> SafeString | str:
        if transaction.reverses is None:
            return "–"
        return _link(transaction.reverses.reference, "ledgertransaction", transaction.reverses_id)

    @admin.display(description="entries")
    def lines(self, transaction: LedgerTransaction) -> SafeString:
        entries = transaction.entries.select_related("account").order_by("line")
        return _table(
            ("line", "account", "debit", "credit"),
            [
                (
                    entry.line,
                    _link(entry.account.code, "ledgeraccount", entry.account_id),
                    *_columns(entry),
                )
                for entry in entries
            ],
        )


@admin.register(LedgerBook)
class LedgerBookAdmin(ReadOnlyAdmin):
    list_display = ("id", "time_zone", "first_open_on")
    search_fields = ("id__exact",)


@admin.register(LedgerDay)
class LedgerDayAdmin(ReadOnlyAdmin):
    list_display = ("day", "book_id", "status", "closing_at", "closed_at")
    list_filter = ("status",)
    search_fields = ("book_id__exact",)


@admin.register(LedgerHorizon)
class LedgerHorizonAdmin(ReadOnlyAdmin):
    """How far the books are settled; an old newest one means a transaction that never ends."""

    list_display = ("taken_at", "xid")
    ordering = ("-taken_at",)
