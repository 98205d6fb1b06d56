"""What providers say our account with them holds: line by line, typed, in ISO minor units."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from apps.core import db
from apps.gateways import providers
from apps.gateways.providers.base import Provider
from apps.gateways.types import StatementLine


def providers_of_statements() -> list[str]:
    """The names of the providers that pay out, and say line by line what."""
    return [
        name
        for name in providers.names()
        if type(providers.get(name)).statement_lines is not Provider.statement_lines
    ]


def fetch(
    *, provider: str, since: datetime | None = None, payout: str = ""
) -> Iterator[StatementLine]:
    """The provider's lines since a moment, or all lines of one payout, page by page.

    A payout's own line carries its id; the lines that it paid out carry it only when asked for by
    `payout`. Order is the provider's: sort by `occurred_at` where it matters.
    Retries: read-only; start again after an error, and book by `line_reference`, once.
    Transaction: none may be open.

    :raises OutcomeUnknown: the provider could not be asked.
    """
    assert since is not None or payout, "all lines there ever were is not a question"
    assert not db.is_open(), "no provider call in a transaction"
    yield from providers.get(provider).statement_lines(since=since, payout=payout)
