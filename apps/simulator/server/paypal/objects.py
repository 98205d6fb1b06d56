"""The bodies of PayPal's objects, with the keys that its own descriptions have."""

import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from ..store import Record
from ..wire import Json
from ..world import World
from .errors import PayPalError
from .money import money
from .payers import Payer

ORDER, AUTHORIZATION, CAPTURE, REFUND = (
    f"paypal_{kind}" for kind in ("order", "authorization", "capture", "refund")
)
PARTS = {AUTHORIZATION: "authorizations", CAPTURE: "captures", REFUND: "refunds"}
AUTHORIZATION_LASTS = timedelta(days=29)
_ALPHABET = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"


def new_id(length: int = 17) -> str:
    """As PayPal's. Never all digits for long: nothing here may look like a card's number."""
    letters = [_ALPHABET[byte % len(_ALPHABET)] for byte in os.urandom(length)]
    letters[length // 2] = "X"
    return "".join(letters)


def time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def find(world: World, object_id: str, kind: str) -> Record:
    """:raises PayPalError: 404, there is none."""
    found = world.store.find(object_id, kind)
    if found is None:
        raise PayPalError("INVALID_RESOURCE_ID")
    return found


def add(world: World, kind: str, body: Json, *, links: Json, facts: Json | None = None) -> Record:
    """`links` are what it is looked for by: its order, its capture, our payment's name."""
    now = world.now()
    body |= {"create_time": time(now), "update_time": time(now)}
    return world.store.insert(
        Record(body["id"], kind, now, body, {**(facts or {}), "links": links})
    )


def touch(world: World, record: Record, **changes: Any) -> Record:
    record.body |= {**changes, "update_time": time(world.now())}
    world.store.save(record)
    return record


# --- views ----------------------------------------------------------------------------------------


def shown_order(world: World, order: Record) -> Json:
    """The order with its parts as they are now, and the ways on from here."""
    payments: Json = {}
    for kind, name in PARTS.items():
        found = world.store.select(kind, "payment_intent = ?", (order.id,))
        if found:
            payments[name] = [_in_order(part.body) for part in found]
    unit = {**order.body["purchase_units"][0], **({"payments": payments} if payments else {})}
    return {**order.body, "purchase_units": [unit], "links": _order_links(world, order)}


def _in_order(part: Json) -> Json:
    """A part in its order does not say which order it is of."""
    return {name: value for name, value in part.items() if name != "supplementary_data"}


def _order_links(world: World, order: Record) -> list[Json]:
    base = f"{world.config.base_url}/paypal"
    links = [_link(f"{base}/v2/checkout/orders/{order.id}", "self", "GET")]
    page = f"{base}/checkoutnow?token={order.id}"
    if order.body["status"] == "CREATED":
        links.append(_link(page, "approve", "GET"))
    if order.body["status"] == "PAYER_ACTION_REQUIRED":
        links.append(_link(page, "payer-action", "GET"))
    if order.body["status"] == "APPROVED":
        links.append(_link(f"{links[0]['href']}/authorize", "authorize", "POST"))
    return links


def _link(href: str, rel: str, method: str) -> Json:
    return {"href": href, "rel": rel, "method": method}


def part_links(world: World, collection: str, object_id: str, up: str) -> list[Json]:
    base = f"{world.config.base_url}/paypal/v2"
    return [
        _link(f"{base}/payments/{collection}/{object_id}", "self", "GET"),
        _link(f"{base}/{up}", "up", "GET"),
    ]


# --- bodies ---------------------------------------------------------------------------------------


def order(object_id: str, unit: Json) -> Json:
    return {
        "id": object_id,
        "intent": "AUTHORIZE",
        "status": "CREATED",
        "purchase_units": [{"reference_id": "default", **unit}],
    }


def payer_facts(payer: Payer) -> Json:
    """What an order tells of whoever pays."""
    name = {"given_name": payer.given_name, "surname": payer.surname}
    return {
        "payment_source": {
            "paypal": {
                "email_address": payer.email,
                "account_id": payer.account_id,
                "account_status": "VERIFIED",
                "name": name,
                "address": {"country_code": "US"},
            }
        },
        "payer": {
            "name": name,
            "email_address": payer.email,
            "payer_id": payer.account_id,
            "address": {"country_code": "US"},
        },
    }


def authorization(world: World, order: Record, status: str) -> Json:
    object_id, unit = new_id(), order.body["purchase_units"][0]
    lapses = world.now() + int(AUTHORIZATION_LASTS.total_seconds())
    return {
        "id": object_id,
        "status": status,
        **({"status_details": {"reason": "PENDING_REVIEW"}} if status == "PENDING" else {}),
        "amount": unit["amount"],
        **_named(unit),
        "seller_protection": {"status": "NOT_ELIGIBLE"},
        "expiration_time": time(lapses),
        "supplementary_data": {"related_ids": {"order_id": order.id}},
        "links": part_links(world, "authorizations", object_id, f"checkout/orders/{order.id}"),
    }


def capture(
    world: World, authorization: Record, status: str, value: Decimal, fee: Decimal, *, final: bool
) -> Json:
    object_id, body = new_id(), authorization.body
    currency = body["amount"]["currency_code"]
    order_id = authorization.facts["links"]["payment_intent"]
    return {
        "id": object_id,
        "status": status,
        **({"status_details": {"reason": "PENDING_REVIEW"}} if status == "PENDING" else {}),
        "amount": money(value, currency),
        **_named(body),
        "final_capture": final,
        "seller_protection": {"status": "NOT_ELIGIBLE"},
        "seller_receivable_breakdown": {
            "gross_amount": money(value, currency),
            "paypal_fee": money(fee, currency),
            "net_amount": money(value - fee, currency),
        },
        "supplementary_data": {
            "related_ids": {"order_id": order_id, "authorization_id": authorization.id}
        },
        "links": part_links(
            world, "captures", object_id, f"payments/authorizations/{authorization.id}"
        ),
    }


def refund(
    world: World, capture: Record, status: str, value: Decimal, *, total: Decimal, told: Json
) -> Json:
    object_id, currency = new_id(), capture.body["amount"]["currency_code"]
    names = ("custom_id", "invoice_id", "note_to_payer")
    return {
        "id": object_id,
        "status": status,
        "amount": money(value, currency),
        **{name: told[name] for name in names if name in told},
        "seller_payable_breakdown": {
            "gross_amount": money(value, currency),
            "paypal_fee": money(Decimal(0), currency),
            "net_amount": money(value, currency),
            "total_refunded_amount": money(total, currency),
        },
        "links": part_links(world, "refunds", object_id, f"payments/captures/{capture.id}"),
    }


def _named(body: Json) -> Json:
    return {name: body[name] for name in ("custom_id", "invoice_id") if name in body}
