"""Lines in another currency than what they are about: the provider has converted the money."""

from __future__ import annotations

import structlog

from apps.gateways.types import StatementLine

log = structlog.get_logger(__name__)


def is_foreign(line: StatementLine, *, currency: str) -> bool:
    """Whether a line about something in `currency` is in another one, which a person is told.

    Such a line is not booked: its amounts are not those of the payment, dispute or payout, and how
    much of these the provider converted it does not say.
    """
    if line.currency == currency:
        return False
    log.error(
        "payments.line_in_another_currency",
        line=line.line_reference,
        currency=line.currency,
        expected=currency,
    )
    return True
