"""Our account at PayPal, line by line, as Transaction Search tells it up to three hours later.

PayPal does not say which receipts a withdrawal to the bank took along. Money leaves in the order in
which it came: a withdrawal pays out the lines since the one before it, in its currency.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from apps.gateways.providers.paypal import objects
from apps.gateways.providers.paypal.units import from_paypal, minor
from apps.gateways.types import Declined, LineKind, OutcomeUnknown, StatementLine

PAGE_SIZE: Final = 500
# The longest span that one question may be about.
WINDOW: Final = timedelta(days=31)
# How far back a payout, and the one before it, is looked for.
MAX_WINDOWS: Final = 13
_SECOND: Final = timedelta(seconds=1)
# The last window reaches beyond our clock, which may be behind PayPal's.
_AHEAD: Final = timedelta(days=1)
_TOO_LARGE: Final = "RESULTSET_TOO_LARGE"

# Transaction event codes (developer.paypal.com/docs/reports/reference/tcodes).
_KIND: Final = {
    "T1101": LineKind.PAYOUT_FAILURE,
    "T1106": LineKind.DISPUTE,
    "T1107": LineKind.REFUND,
    "T1108": LineKind.FEE,
    "T1109": LineKind.FEE,
    "T1110": LineKind.DISPUTE,
    "T1111": LineKind.DISPUTE_REVERSAL,
    "T1115": LineKind.REFUND_FAILURE,
    "T1201": LineKind.DISPUTE,
    "T1202": LineKind.DISPUTE_REVERSAL,
}
# Whole groups: payments, fees, withdrawals to the bank.
_GROUP_KIND: Final = {"T00": LineKind.CHARGE, "T01": LineKind.FEE, "T04": LineKind.PAYOUT}
# Successful, and successful until it was reversed by a line of its own. Pending and denied ones
# have moved nothing.
_MOVED: Final = frozenset({"S", "V"})


@dataclass(frozen=True)
class Page:
    lines: tuple[StatementLine, ...]
    pages: int


Ask = Callable[[Mapping[str, str]], Page]


def page(found: Mapping[str, Any]) -> Page:
    """One answer of Transaction Search."""
    shown = [detail["transaction_info"] for detail in found.get("transaction_details") or ()]
    lines = (line(each) for each in shown if each["transaction_status"] in _MOVED)
    return Page(tuple(lines), int(found["total_pages"]))


def line(found: Mapping[str, Any]) -> StatementLine:
    gross, currency = from_paypal(found["transaction_amount"])
    # PayPal writes what it keeps as a negative amount.
    fee = -minor(found["fee_amount"]) if found.get("fee_amount") else 0
    code, reference = found["transaction_event_code"], found["transaction_id"]
    kind = _KIND.get(code) or _GROUP_KIND.get(code[:3], LineKind.OTHER)
    about = found.get("paypal_reference_id") or ""
    happened = objects.moment(found["transaction_initiation_date"])
    custom = found.get("custom_field") or ""
    return StatementLine(
        provider=objects.PROVIDER,
        line_reference=reference,
        kind=kind,
        gross_minor=gross,
        fee_minor=fee,
        net_minor=gross - fee,
        currency=currency,
        occurred_at=happened,
        available_on=happened,
        provider_kind=code,
        source_reference=reference,
        # A capture is a payment's own line; what came after it names the capture.
        payment_reference=reference if kind is LineKind.CHARGE else about,
        payment_public_id=custom if custom.startswith("pay_") else "",
        payout_reference=reference if kind is LineKind.PAYOUT else "",
        is_available=True,
    )


def since(ask: Ask, start: datetime) -> Iterator[StatementLine]:
    """Every line since then, oldest first."""
    end = datetime.now(UTC) + _AHEAD
    start = start.astimezone(UTC).replace(microsecond=0)
    while start <= end:
        last = min(start + WINDOW - _SECOND, end)
        yield from _between(ask, start, last)
        start = last + _SECOND


def paid_out_by(ask: Ask, payout: str) -> Iterator[StatementLine]:
    """The payout's own line and those it took along, newest first.

    :raises OutcomeUnknown: there is no such payout in the last year.
    """
    own: StatementLine | None = None
    for lines in _backwards(ask):
        for found in reversed(lines):
            if own is None:
                own = found if found.line_reference == payout else None
                if own is not None:
                    yield own
            elif found.currency == own.currency:
                if found.kind is LineKind.PAYOUT:
                    return
                yield replace(found, payout_reference=payout)
    if own is None:
        raise OutcomeUnknown("payout_missing", payout, alert=True)


def _backwards(ask: Ask) -> Iterator[list[StatementLine]]:
    last = datetime.now(UTC).replace(microsecond=0) + _AHEAD
    for _ in range(MAX_WINDOWS):
        first = last - WINDOW + _SECOND
        yield list(_between(ask, first, last))
        last = first - _SECOND


def _between(ask: Ask, first: datetime, last: datetime) -> Iterator[StatementLine]:
    """The lines of one window, both ends included; one with too many lines is cut in two."""
    asked = {
        "start_date": _text(first),
        "end_date": _text(last),
        "fields": "transaction_info",
        "balance_affecting_records_only": "Y",
        "page_size": str(PAGE_SIZE),
    }
    try:
        found = ask({**asked, "page": "1"})
    except Declined as error:
        if error.provider_code != _TOO_LARGE or first == last:
            raise OutcomeUnknown("report_refused", error.provider_code, alert=True) from error
        middle = first + (last - first) // 2
        middle = middle.replace(microsecond=0)
        yield from _between(ask, first, middle)
        yield from _between(ask, middle + _SECOND, last)
        return
    yield from found.lines
    for number in range(2, found.pages + 1):
        yield from ask({**asked, "page": str(number)}).lines


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
