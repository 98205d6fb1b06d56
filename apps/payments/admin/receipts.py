"""Money that came to the bank, and the cases of what is not understood: a person resolves them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminTextInputWidget

from apps.core import clock, ids
from apps.core.admin import ReadOnlyAdmin, actor_of
from apps.core.errors import DomainError
from apps.core.money import shown
from apps.payments import services
from apps.payments.models import BankReceipt, SuspenseCase

if TYPE_CHECKING:
    _Cases = QuerySet[SuspenseCase]
else:
    _Cases = QuerySet


@admin.register(BankReceipt)
class BankReceiptAdmin(ReadOnlyAdmin):
    list_display = (
        *("bank_reference", "total", "booked_on", "reference", "booked_as", "payment"),
        "created_at",
    )
    list_filter = ("currency", "receiptposting__reason")
    list_select_related = ("receiptposting",)
    search_fields = ("bank_reference__exact", "reference__exact")
    id_fields = ("id", "receiptposting__payment_id")
    readonly_fields = ("total", "booked_as", "payment")

    @admin.display(description="Amount", ordering="amount")
    def total(self, receipt: BankReceipt) -> str:
        return shown(receipt.money)

    @admin.display(description="Booked as")
    def booked_as(self, receipt: BankReceipt) -> str:
        posting = getattr(receipt, "receiptposting", None)
        if posting is None:
            return "not yet"
        return f"suspense: {posting.get_reason_display()}" if posting.reason else "payment"

    @admin.display(description="Payment")
    def payment(self, receipt: BankReceipt) -> str | None:
        posting = getattr(receipt, "receiptposting", None)
        return ids.encode("pay", posting.payment_id) if posting and posting.payment_id else None


class AllocateForm(forms.Form):
    payment = forms.CharField(
        max_length=100,
        widget=UnfoldAdminTextInputWidget,
        help_text="pay_… or RF…: it must wait for exactly this much.",
    )


class ReturnForm(forms.Form):
    """Nothing to say: it was sent back at the bank, all of it."""


@admin.register(SuspenseCase)
class SuspenseCaseAdmin(ReadOnlyAdmin):
    """Resolved here, by whoever may: a second click finds the case resolved."""

    list_display = (
        *("case", "status", "reason", "total", "named", "given_to", "resolved_by", "created_at"),
    )
    list_filter = ("status", "reason", "currency")
    id_fields = ("id", "book_id", "payment_id", "allocated_to")
    readonly_fields = ("case", "total", "named", "given_to")
    actions = ("allocate", "send_back")

    @admin.display(description="Case", ordering="id")
    def case(self, case: SuspenseCase) -> str:
        return ids.encode("case", case.id)

    @admin.display(description="Amount", ordering="amount")
    def total(self, case: SuspenseCase) -> str:
        return shown(case.money)

    @admin.display(description="Names payment")
    def named(self, case: SuspenseCase) -> str | None:
        return ids.encode("pay", case.payment_id) if case.payment_id else None

    @admin.display(description="Allocated to")
    def given_to(self, case: SuspenseCase) -> str | None:
        return ids.encode("pay", case.allocated_to) if case.allocated_to else None

    def has_resolve_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("payments.resolve_suspensecase")

    @admin.action(description="Allocate to a payment…", permissions=["resolve"])
    def allocate(self, request: HttpRequest, cases: _Cases) -> HttpResponse | None:
        def act(form: forms.Form, actor: str) -> str:
            payment = services.allocate(
                case_ids=[case.id for case in cases],
                payment=form.cleaned_data["payment"],
                actor=actor,
                now=clock.now(),
            )
            return f"{ids.encode('pay', payment.id)} is captured."

        return self._resolve(request, cases, AllocateForm, act)

    @admin.action(description="Was sent back to the sender…", permissions=["resolve"])
    def send_back(self, request: HttpRequest, cases: _Cases) -> HttpResponse | None:
        def act(_: forms.Form, actor: str) -> str:
            services.return_to_sender(
                case_ids=[case.id for case in cases], actor=actor, now=clock.now()
            )
            return "Noted as sent back."

        return self._resolve(request, cases, ReturnForm, act)

    def _resolve(
        self,
        request: HttpRequest,
        cases: _Cases,
        form_class: type[forms.Form],
        act: Callable[[forms.Form, str], str],
    ) -> HttpResponse | None:
        """Ask for what is needed and for confirmation; then do it, all of it or nothing."""
        form = form_class(request.POST if "confirmed" in request.POST else None)
        if not (form.is_bound and form.is_valid()):
            return self._ask(request, cases, form)
        try:
            with transaction.atomic():
                done = act(form, actor_of(request))
        except DomainError as error:
            self.message_user(request, error.message, messages.ERROR)
        else:
            self.message_user(request, done, messages.SUCCESS)
        return None

    def _ask(self, request: HttpRequest, cases: _Cases, form: forms.Form) -> HttpResponse:
        facts: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Resolve cases",
            "cases": cases,
            "form": form,
            "action": request.POST["action"],
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "payments/resolve_cases.html", facts)
