"""What every change of a merchant leaves in the audit trail, and what it may hold."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from apps.audit import services as audit
from apps.core.errors import InvalidRequest
from apps.core.types import Actor


def record(
    book_id: UUID, action: str, facts: Mapping[str, object], actor: Actor, now: datetime
) -> None:
    """Note a change of the merchant; joins the caller's transaction."""
    audit.record(
        book_id=book_id,
        actor=actor,
        action=action,
        subject_id=book_id,
        subject_kind="merchant",
        facts=facts,
        now=now,
    )


def require_country(country: str) -> None:
    """:raises InvalidRequest: no country's code of two capitals."""
    if not (len(country) == 2 and country.isascii() and country.isalpha() and country.isupper()):
        raise InvalidRequest("Not a country's code of two capitals.", param="country")
