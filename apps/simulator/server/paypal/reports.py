"""The account's lines, as Transaction Search shows them: hours later, page by page."""

from decimal import Decimal
from typing import Any

from ..store import Record
from ..wire import Call, Json
from ..world import World
from . import objects
from .errors import PayPalError
from .money import money

LINE = "paypal_line"
_LONGEST = 31 * 86_400
# More lines than this are refused, and asked for in smaller spans.
MOST = 10_000
_PAGE = 100


def add(
    world: World,
    code: str,
    line_id: str,
    value: Decimal,
    currency: str,
    *,
    fee: Decimal = Decimal(0),
    about: str = "",
    named: Json | None = None,
) -> Record:
    """A line of `value`, of which PayPal keeps `fee`; `about` is what it follows from."""
    now, named = objects.time(world.now()), named or {}
    info = {
        "transaction_id": line_id,
        **({"paypal_reference_id": about, "paypal_reference_id_type": "TXN"} if about else {}),
        "transaction_event_code": code,
        "transaction_initiation_date": now,
        "transaction_updated_date": now,
        "transaction_amount": money(value, currency),
        **({"fee_amount": money(-fee, currency)} if fee else {}),
        "transaction_status": "S",
        **({"custom_field": named["custom_id"]} if "custom_id" in named else {}),
        **({"invoice_id": named["invoice_id"]} if "invoice_id" in named else {}),
    }
    # A line has the id of what it is about, which is an object already.
    body = {"id": f"line {line_id}", "transaction_info": info}
    facts = {"net": str(value - fee), "currency": currency}
    return objects.add(world, LINE, body, links={"source": line_id}, facts=facts)


def search(world: World, call: Call) -> Json:
    params = call.params
    first, last = (objects.seconds(params[name]) for name in ("start_date", "end_date"))
    if not 0 <= last - first <= _LONGEST:
        raise PayPalError("INVALID_PARAMETER_VALUE", field="/end_date")
    refreshed = world.now() - world.config.paypal_reporting_delay_seconds
    conditions, values = ["created >= ?", "created <= ?"], [first, min(last, refreshed)]
    if "transaction_id" in params:
        conditions.append("source = ?")
        values.append(params["transaction_id"])
    if "transaction_currency" in params:
        conditions.append("json_extract(facts, '$.currency') = ?")
        values.append(params["transaction_currency"])
    found = world.store.select(LINE, " AND ".join(conditions), values, "ORDER BY created, seq")
    if len(found) > world.config.paypal_most_lines:
        raise PayPalError("RESULTSET_TOO_LARGE")
    link = f"{world.config.base_url}/paypal{call.path}?{call.query}"
    return _page(params, found, refreshed) | {
        "links": [{"href": link, "rel": "self", "method": "GET"}]
    }


def _page(params: Json, found: list[Record], refreshed: int) -> Json:
    size, number = int(params.get("page_size", _PAGE)), int(params.get("page", 1))
    if not 1 <= size <= 500 or number < 1:
        raise PayPalError("INVALID_PARAMETER_VALUE", field="/page_size")
    shown = found[(number - 1) * size : number * size]
    return {
        "transaction_details": [
            {"transaction_info": line.body["transaction_info"]} for line in shown
        ],
        "account_number": "SIMULATOR",
        "start_date": params["start_date"],
        "end_date": params["end_date"],
        "last_refreshed_datetime": objects.time(refreshed),
        "page": number,
        "total_items": len(found),
        "total_pages": -(-len(found) // size),
    }


def pay_out(world: World) -> list[Json]:
    """Everything on the account goes to the bank, a withdrawal per currency, as every night."""
    sums: dict[str, Decimal] = {}
    for line in world.store.select(LINE):
        net = Decimal(line.facts["net"])
        sums[line.facts["currency"]] = sums.get(line.facts["currency"], Decimal(0)) + net
    made: list[Any] = []
    for currency, net in sorted(sums.items()):
        if net > 0:
            line_id = objects.new_id()
            add(world, "T0400", line_id, -net, currency)
            made.append({"id": line_id, "amount": money(net, currency)})
    return made
