"""Pages on which a person decides about money: what is known, what it does, why, and a button."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.core import db
from apps.core.admin import CHANGED
from apps.core.errors import DomainError
from apps.core.money import from_minor, shown
from apps.payments.services.excess import REASON_LIMIT

if TYPE_CHECKING:
    from apps.audit.models import AuditEntry

Facts = Sequence[tuple[str, object]]


class ReasonForm(forms.Form):
    """Why."""

    reason = forms.CharField(
        max_length=REASON_LIMIT,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="Stays in the audit trail for good: no names.",
    )


def decide(
    page: ModelAdmin,
    request: HttpRequest,
    *,
    title: str,
    words: str,
    facts: Facts,
    form: forms.Form,
    act: Callable[[], str],
    back: str,
) -> HttpResponse:
    """Ask first; then do it in one transaction, once, and say what was done or why not."""
    if not form.is_bound or not form.is_valid():
        context: dict[str, Any] = {
            **page.admin_site.each_context(request),
            "opts": page.opts,
            "title": title,
            "words": words,
            "facts": facts,
            "form": form,
            "back": back,
        }
        return TemplateResponse(request, "payments/decide.html", context)
    try:
        with transaction.atomic():
            done = act()
    except DomainError as error:
        messages.error(request, error.message)
    except db.GuardFailed:
        messages.error(request, CHANGED)
    else:
        messages.success(request, done)
    return HttpResponseRedirect(back)


def trail(entries: Sequence[AuditEntry]) -> SafeString:
    """What became of it, line by line: when, what, how much, by whom and why."""
    names = _names_of(entries)
    lines = [(_said(entry, names.get(entry.actor, entry.actor)),) for entry in entries]
    return format_html_join(mark_safe("<br>"), "{}", lines)


def _said(entry: AuditEntry, actor: str) -> str:
    what = entry.action.partition(".")[2].replace("_", " ")
    said = [f"{entry.occurred_at:%Y-%m-%d %H:%M}", what]
    if "amount" in entry.facts:
        said.append(shown(from_minor(entry.facts["amount"], entry.facts["currency"])))
    reason = entry.facts.get("reason")
    return f"{' '.join(said)} by {actor}" + (f": {reason}" if reason else "")


def _names_of(entries: Sequence[AuditEntry]) -> dict[str, str]:
    """The logins of staff, by how the trail names them."""
    staff = {entry.actor for entry in entries if entry.actor.startswith("staff:")}
    keys = [actor.partition(":")[2] for actor in staff]
    users = get_user_model().objects.filter(pk__in=[key for key in keys if key.isdigit()])
    return {f"staff:{user.pk}": user.get_username() for user in users}
