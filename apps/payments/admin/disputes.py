"""Disputes in the console: what is due and when, what was said, and the two answers there are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.shortcuts import get_object_or_404, render
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import action

from apps.core import clock, db, ids
from apps.core.admin import CHANGED, ReadOnlyAdmin, actor_of, in_words, read_id
from apps.core.errors import DomainError, NotFound
from apps.core.money import shown
from apps.payments.models import Dispute, DisputeLine
from apps.payments.services import dispute_orders, evidence, evidence_files

Order = Callable[..., Dispute]
FILE_LINE = (
    '<div><a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>: {}, {}, {}</div>'
)


def _amount(field: str, words: str) -> Any:
    """A column that shows one of a dispute's amounts as people read it."""

    @admin.display(description=words, ordering=field)
    def column(dispute: Dispute) -> str:
        return shown(dispute.money(getattr(dispute, field)))

    column.__name__ = f"shown_{field}"
    return column


TOTAL, OPEN, LOST = (
    _amount("amount", "Amount"),
    _amount("amount_open", "Set aside"),
    _amount("amount_lost", "Lost"),
)
BUDGET, EXCESS = _amount("budget_part", "Of the budget"), _amount("excess", "Beyond it")
WITHDRAWN, RETURNED = (
    _amount("amount_withdrawn", "Withdrawn"),
    _amount("amount_returned", "Returned"),
)
PROVIDER_FEE = _amount("provider_fee", "Provider's fee")


def due_in_words(due_by: datetime | None, now: datetime) -> str:
    """How long there is left, as one says it."""
    if due_by is None:
        return "-"
    left = abs(due_by - now)
    if left >= timedelta(days=2):
        span = f"{left.days} days"
    elif left >= timedelta(hours=2):
        span = f"{left // timedelta(hours=1)} hours"
    else:
        span = f"{left // timedelta(minutes=1)} minutes"
    return f"in {span}" if due_by > now else f"{span} ago"


@admin.register(Dispute)
class DisputeAdmin(ReadOnlyAdmin):
    list_display = (
        *("dispute", "status", "stage", "reason", "due", TOTAL, LOST, EXCESS),
        *("of_payment", "provider", "opened_at"),
    )
    list_filter = ("status", "stage", "reason", "provider", "currency")
    search_fields = ("provider_reference__exact",)
    id_fields = ("id", "book_id", "payment_id")
    actions_detail = ("submit_evidence", "give_up")
    readonly_fields = (
        *("dispute", "of_payment", "due", "answer", "files", "left"),
        *(TOTAL, OPEN, LOST, BUDGET, EXCESS, WITHDRAWN, RETURNED, PROVIDER_FEE),
    )
    fieldsets = (
        (None, {"fields": ("dispute", "of_payment", "status", "stage", "due", "due_by")}),
        ("Why", {"fields": ("reason", "provider_reason", "network_reason_code")}),
        ("Money", {"fields": (TOTAL, OPEN, LOST, BUDGET, EXCESS, "left")}),
        ("The provider's statement", {"fields": (WITHDRAWN, RETURNED, PROVIDER_FEE)}),
        (
            "Answer",
            {"fields": ("answer", "files", "evidence_ordered_at", "evidence_sent_at")},
        ),
        ("Given up", {"fields": ("accept_ordered_at", "accepted_at")}),
        ("When", {"fields": ("opened_at", "closed_at", "looked_at", "updated_at")}),
        ("Book", {"fields": ("book_id", "provider", "provider_reference", "version")}),
    )

    @admin.display(description="Dispute", ordering="id")
    def dispute(self, dispute: Dispute) -> str:
        return ids.encode("dp", dispute.id)

    @admin.display(description="Payment")
    def of_payment(self, dispute: Dispute) -> str:
        return ids.encode("pay", dispute.payment_id)

    @admin.display(description="Answer is due", ordering="due_by")
    def due(self, dispute: Dispute) -> str:
        return due_in_words(dispute.due_by, clock.now()) if dispute.is_open else "-"

    @admin.display(description="We carry")
    def left(self, dispute: Dispute) -> str:
        return ", ".join(shown(amount) for amount in dispute.carried) or "nothing"

    @admin.display(description="What is kept for it")
    def answer(self, dispute: Dispute) -> str:
        """By name alone: the texts may be about people, who stay encrypted here."""
        kept = evidence.read(book_id=dispute.book_id, dispute_id=dispute.id)
        return ", ".join(sorted(kept)) or "nothing; what we know ourselves is sent"

    @admin.display(description="Files")
    def files(self, dispute: Dispute) -> SafeString | str:
        """One line each; to open one is for those who may answer, and is in the trail."""
        kept = evidence_files.list_files(book_id=dispute.book_id, dispute_id=dispute.id)
        lines = [
            (
                reverse("admin:payments_dispute_file", args=[dispute.id, file.id]),
                evidence_files.name_of(file),
                f"{filesizeformat(file.size)}, {file.content_type}",
                in_words(file.purpose).lower() if file.purpose else "not named",
                f"sent {file.sent_at:%Y-%m-%d %H:%M}" if file.sent_at else "staged",
            )
            for file in kept
        ]
        return format_html_join("", FILE_LINE, lines) or "none"

    def get_urls(self) -> list[URLPattern]:
        download = path(
            "<uuid:dispute_id>/files/<uuid:file_id>/",
            self.admin_site.admin_view(self.download),
            name="payments_dispute_file",
        )
        return [download, *super().get_urls()]

    def download(self, request: HttpRequest, dispute_id: UUID, file_id: UUID) -> HttpResponse:
        """The file as it came, to be kept and not to be shown: a merchant's customer made it."""
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        if not self.has_answer_permission(request):
            raise PermissionDenied
        try:
            with transaction.atomic():
                file = evidence_files.download(
                    dispute_id=dispute_id,
                    file_id=file_id,
                    actor=actor_of(request),
                    now=clock.now(),
                )
        except NotFound:
            raise Http404 from None
        return HttpResponse(
            file.content,
            content_type=file.content_type,
            headers={
                "Content-Disposition": f'attachment; filename="{file.name}"',
                "X-Content-Type-Options": "nosniff",
                "Content-Security-Policy": "sandbox; default-src 'none'",
                "Cache-Control": "no-store",
            },
        )

    def has_answer_permission(self, request: HttpRequest, _object_id: Any = None) -> bool:
        return request.user.has_perm("payments.answer_dispute")

    @action(description="Send the answer", url_path="submit", permissions=["answer"])
    def submit_evidence(self, request: HttpRequest, object_id: str) -> HttpResponse:
        words = "The answer is sent to the bank, once: what is kept, and what we know ourselves."

        def submit(**facts: Any) -> Dispute:
            return dispute_orders.give_evidence(texts={}, submit=True, **facts)

        return self._confirmed(request, object_id, submit, "Send the answer", words)

    @action(description="Give it up", url_path="accept", permissions=["answer"])
    def give_up(self, request: HttpRequest, object_id: str) -> HttpResponse:
        words = "The dispute is lost, and the money with it. Nothing can be said afterwards."
        return self._confirmed(request, object_id, dispute_orders.accept, "Give it up", words)

    def _confirmed(
        self, request: HttpRequest, object_id: str, order: Order, title: str, words: str
    ) -> HttpResponse:
        """Ask first; what is ordered is ordered once, however often the button is pressed."""
        dispute = get_object_or_404(Dispute, id=read_id(object_id))
        page = reverse("admin:payments_dispute_change", args=[dispute.id])
        if request.method != "POST":
            context = {
                **self.admin_site.each_context(request),
                "title": title,
                "words": words,
                "back": page,
                "object": dispute,
            }
            return render(request, "payments/confirm_order.html", context)
        try:
            with transaction.atomic():
                order(
                    book_id=dispute.book_id,
                    dispute_id=dispute.id,
                    actor=actor_of(request),
                    now=clock.now(),
                )
        except DomainError as error:
            messages.error(request, error.message)
        except db.GuardFailed:
            messages.error(request, CHANGED)
        else:
            messages.success(request, "It is on its way.")
        return HttpResponseRedirect(page)


@admin.register(DisputeLine)
class DisputeLineAdmin(ReadOnlyAdmin):
    list_display = ("line_reference", "kind", "gross", "provider_fee", "currency", "created_at")
    list_filter = ("kind", "currency", "provider")
    search_fields = ("line_reference__exact",)
    id_fields = ("id", "book_id", "dispute_id")
