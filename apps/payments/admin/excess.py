"""Excess cases in the console: what went out beyond a payment; finance decides who bears it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.dataclasses import UnfoldAction
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminSelectWidget

from apps.audit import selectors as audit
from apps.core import clock, ids
from apps.core.admin import ReadOnlyAdmin, actor_of, find_row, linked, read_id
from apps.core.money import Money, exponent, shown
from apps.merchants import selectors as merchants
from apps.payments.admin.deciding import ReasonForm, decide, trail
from apps.payments.models import ExcessCase
from apps.payments.services import excess

CHARGE = (
    "It is taken from the merchant's payable balance, which may go below zero, and the merchant is "
    "told. What comes back later, of a dispute that is won say, goes back to the merchant."
)
WRITE_OFF = "It is our loss, and the merchant pays nothing. What comes back later is ours."


class DecideForm(ReasonForm):
    """How much of what is left, in major units, all of it if nobody says otherwise; and at which
    version of the dispute that was."""

    amount = forms.DecimalField(min_value=0, max_digits=20, widget=UnfoldAdminDecimalFieldWidget)
    currency = forms.ChoiceField()
    seen = forms.IntegerField(widget=forms.HiddenInput)
    field_order = ("amount", "currency", "reason")

    def __init__(self, *args: Any, carried: tuple[Money, ...], **options: Any) -> None:
        super().__init__(*args, **options)
        currencies = [amount.currency.code for amount in carried]
        places = max((exponent(code) for code in currencies), default=0)
        self.fields["amount"].widget.attrs["step"] = f"{10**-places:.{places}f}"
        self.fields["currency"] = forms.ChoiceField(
            choices=[(code, code) for code in currencies], widget=UnfoldAdminSelectWidget
        )
        if len(carried) == 1:
            self.fields["currency"].widget = forms.HiddenInput()
            self.fields["amount"].label = f"Amount, {currencies[0]}"

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        amount, currency = said.get("amount"), said.get("currency")
        if amount is not None and currency and round(amount, exponent(currency)) != amount:
            self.add_error("amount", f"{currency} has {exponent(currency)} decimals.")
        return said

    @property
    def money(self) -> Money:
        return Money(self.cleaned_data["amount"], self.cleaned_data["currency"])


@admin.register(ExcessCase)
class ExcessCaseAdmin(ReadOnlyAdmin):
    """What went out beyond a budget or a wallet; whoever may decides about it, once."""

    list_display = (
        *("case", "state", "left", "charged", "written_off", "of_dispute", "merchant"),
        *("opened_at", "closed_at"),
    )
    list_filter = (("closed_at", admin.EmptyFieldListFilter),)
    list_select_related = ("dispute__payment",)
    id_fields = ("id", "book_id", "dispute_id", "dispute__payment_id")
    actions_detail = ("charge", "write_off")
    readonly_fields = (
        *("case", "state", "left", "charged", "written_off", "of_dispute", "of_payment"),
        *("merchant", "became"),
    )
    fieldsets = (
        (None, {"fields": ("case", "state", "left", "of_dispute", "of_payment", "merchant")}),
        ("Decided, of the whole dispute", {"fields": ("charged", "written_off")}),
        ("What became of it", {"fields": ("became", "opened_at", "closed_at")}),
    )

    @admin.display(description="Case", ordering="id")
    def case(self, case: ExcessCase) -> str:
        return ids.encode("case", case.id)

    @display(description="State", label={"Open": "warning", "Closed": "success"})
    def state(self, case: ExcessCase) -> str:
        return "Closed" if case.closed_at else "Open"

    @admin.display(description="Left to decide")
    def left(self, case: ExcessCase) -> str:
        return "–" if case.closed_at else _all(case.dispute.carried)

    @admin.display(description="Charged")
    def charged(self, case: ExcessCase) -> str:
        return _all((case.dispute.payment.credit(case.dispute.merchant_charged),))

    @admin.display(description="Written off")
    def written_off(self, case: ExcessCase) -> str:
        return _all(case.dispute.written_off)

    @admin.display(description="Dispute", ordering="dispute_id")
    def of_dispute(self, case: ExcessCase) -> str:
        return linked(ids.encode("dp", case.dispute_id), "payments_dispute", case.dispute_id)

    @admin.display(description="Payment")
    def of_payment(self, case: ExcessCase) -> str:
        payment_id = case.dispute.payment_id
        return linked(ids.encode("pay", payment_id), "payments_payment", payment_id)

    @admin.display(description="Merchant", ordering="book_id")
    def merchant(self, case: ExcessCase) -> str:
        return merchants.name_of(case.book_id)

    @admin.display(description="Who did what, and why")
    def became(self, case: ExcessCase) -> SafeString:
        return trail(list(audit.list_entries(book_id=case.book_id, subject_id=case.id)))

    def has_resolve_permission(self, request: HttpRequest, _object_id: Any = None) -> bool:
        return request.user.has_perm("payments.resolve_excesscase")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[UnfoldAction]:
        """Of a closed case there is nothing left to decide."""
        case = find_row(ExcessCase, object_id)
        is_open = case is not None and case.closed_at is None
        return super().get_actions_detail(request, object_id) if is_open else []

    @action(description="Charge to the merchant…", url_path="charge", permissions=["resolve"])
    def charge(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._decide(request, object_id, excess.charge, "Charge to the merchant", CHARGE)

    @action(description="Write off…", url_path="write-off", permissions=["resolve"])
    def write_off(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._decide(request, object_id, excess.write_off, "Write off", WRITE_OFF)

    def _decide(
        self, request: HttpRequest, object_id: str, decision: Any, title: str, words: str
    ) -> HttpResponse:
        cases = ExcessCase.objects.select_related("dispute__payment")
        case = get_object_or_404(cases, id=read_id(object_id))
        back = reverse("admin:payments_excesscase_change", args=[case.id])
        if case.closed_at is not None:
            messages.error(request, "Nothing of this case is left to decide.")
            return HttpResponseRedirect(back)
        carried = case.dispute.carried
        form = DecideForm(
            request.POST if request.method == "POST" else None,
            carried=carried,
            initial={
                "amount": round(carried[0].amount, exponent(carried[0].currency.code)),
                "currency": carried[0].currency.code,
                "seen": case.dispute.version,
            },
        )

        def act() -> str:
            decision(
                case_id=case.id,
                amount=form.money,
                seen=form.cleaned_data["seen"],
                reason=form.cleaned_data["reason"],
                actor=actor_of(request),
                now=clock.now(),
            )
            return f"{title}: {shown(form.money)}."

        facts = [
            ("Case", self.case(case)),
            ("Left to decide", self.left(case)),
            ("Merchant", self.merchant(case)),
            ("Dispute", self.of_dispute(case)),
            ("Payment", self.of_payment(case)),
        ]
        return decide(
            self, request, title=title, words=words, facts=facts, form=form, act=act, back=back
        )


def _all(amounts: tuple[Money, ...]) -> str:
    return ", ".join(shown(amount) for amount in amounts if amount.amount) or "–"
