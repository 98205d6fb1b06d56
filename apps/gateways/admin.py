"""What was asked of providers, what they said, what they sent; and the rules of routing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextInputWidget

from apps.core import clock
from apps.core.admin import ReadOnlyAdmin, actor_of
from apps.core.errors import DomainError
from apps.gateways import services
from apps.gateways.models import (
    HealthTally,
    InboundEvent,
    ProviderCall,
    ProviderCircuit,
    ProviderObject,
    RoutingRule,
)
from apps.gateways.services.rules import require_place, require_sound
from apps.gateways.types import Rule, Tally

if TYPE_CHECKING:
    _Form = forms.ModelForm[RoutingRule]
else:
    _Form = forms.ModelForm


@admin.register(ProviderCall)
class ProviderCallAdmin(ReadOnlyAdmin):
    list_display = (
        "created_at",
        "provider",
        "step",
        "call",
        "outcome",
        "code",
        "provider_reference",
        "attempts",
        "op_key",
    )
    list_filter = ("outcome", "provider", "call")
    search_fields = ("op_key__startswith", "provider_reference__exact", "payment_id__exact")


@admin.register(ProviderObject)
class ProviderObjectAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "provider", "reference", "payment_id", "book_id")
    search_fields = ("reference__exact", "payment_id__exact")


@admin.register(InboundEvent)
class InboundEventAdmin(ReadOnlyAdmin):
    list_display = (
        "received_at",
        "provider",
        "kind",
        "object_reference",
        "processed_at",
        "note",
        "event_id",
    )
    list_filter = ("provider", "kind", ("processed_at", admin.EmptyFieldListFilter))
    search_fields = ("event_id__exact", "object_reference__exact", "payment_reference__exact")


@admin.register(ProviderCircuit)
class ProviderCircuitAdmin(ReadOnlyAdmin):
    """Circuits that have opened at least once; those that are not here never did."""

    list_display = ("provider", "operation", "state", "seen", "opened_at", "retry_at", "changed_at")
    ordering = ("provider",)

    @admin.display(description="State")
    def state(self, row: ProviderCircuit) -> str:
        return row.as_circuit().state(clock.now())

    @admin.display(description="Seen when it opened")
    def seen(self, row: ProviderCircuit) -> str:
        return str(row.as_circuit().seen) if row.opened_at else "-"


@admin.register(HealthTally)
class HealthTallyAdmin(ReadOnlyAdmin):
    """How the calls of the last two minutes ended, in tens of seconds."""

    list_display = ("started_at", "provider", "operation", "rate", "succeeded", "failed")
    list_filter = ("provider", "operation")
    ordering = ("-started_at",)

    @admin.display(description="Succeeded, %")
    def rate(self, row: HealthTally) -> int:
        return Tally(row.succeeded, row.failed).rate


class RuleForm(_Form):
    """A rule as staff write it; what it may say, the service decides."""

    split = forms.CharField(
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text=(
            "Who gets how many of a hundred payments, as in “stripe 70, paypal 30”; one with 0 "
            "takes only what the others cannot."
        ),
    )

    class Meta:
        model = RoutingRule
        fields = (
            *("position", "name", "merchant", "method", "currency", "country"),
            *("amount_from", "amount_to"),
        )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if not self.instance._state.adding:
            self.fields["split"].initial = self.instance.as_rule().shares

    def clean_split(self) -> tuple[tuple[str, int], ...]:
        split = []
        for part in self.cleaned_data["split"].split(","):
            provider, _, share = part.strip().partition(" ")
            share = share.strip()
            if not provider or not share.isascii() or not share.isdigit() or len(share) > 3:
                raise forms.ValidationError("Each part is a provider and a number.")
            split.append((provider, int(share)))
        return tuple(split)

    def clean(self) -> None:
        super().clean()
        if self.errors:
            return
        try:
            require_sound(self.rule)
        except DomainError as error:
            self.add_error(error.param if error.param in self.fields else None, error.message)

    def _post_clean(self) -> None:
        """The model's own checks want columns that the form does not have; the service checks.

        What it says of the place holds until the page's commit, in which the rule is set.
        """
        if not self.errors:
            try:
                require_place(self.rule, must_exist=not self.instance._state.adding)
            except DomainError as error:
                self.add_error("position", error.message)

    @property
    def rule(self) -> Rule:
        said = self.cleaned_data
        merchant = said["merchant"]
        return Rule(
            id=self.instance.id,
            merchant_id=merchant.id if merchant else None,
            **{name: said[name] for name in (*self._AS_SAID, "split")},
        )

    _AS_SAID = (
        *("position", "name", "method", "currency", "country"),
        *("amount_from", "amount_to"),
    )


@admin.register(RoutingRule)
class RoutingRuleAdmin(ModelAdmin):
    """The rules by which a provider is chosen: set and removed by the service, with their trail."""

    form = RuleForm
    list_display = (
        *("position", "name", "merchant", "method", "currency", "country"),
        *("amount_from", "amount_to", "split", "updated_at"),
    )
    list_select_related = ("merchant",)
    ordering = ("position",)
    actions = None
    autocomplete_fields = ("merchant",)

    @admin.display(description="Split")
    def split(self, row: RoutingRule) -> str:
        return row.as_rule().shares

    def save_model(self, request: HttpRequest, _row: RoutingRule, form: Any, change: bool) -> None:
        services.set_rule(
            rule=form.rule, must_exist=change, actor=actor_of(request), now=clock.now()
        )

    def delete_model(self, request: HttpRequest, row: RoutingRule) -> None:
        """Of two who press at the same moment one removes it, and the other is told so."""
        try:
            services.remove_rule(rule_id=row.id, actor=actor_of(request), now=clock.now())
        except services.RuleRemoved as error:
            messages.warning(request, error.message)

    def log_addition(self, *_: Any) -> None:
        """The audit trail has it."""

    log_change = log_addition

    def log_deletions(self, *_: Any) -> None:
        """The audit trail has it."""
