"""Orders: created, approved by the payer, authorized once."""

from typing import Any

from ..store import Record
from ..wire import Call, Json
from ..world import World
from . import news, objects
from .errors import PayPalError
from .money import money, read
from .objects import AUTHORIZATION, ORDER, find, touch
from .payers import PAYERS, Payer

# How long an order waits for its payer, and an approved one for us.
_WAITS_FOR_PAYER, _WAITS_FOR_US = 3 * 3600, 72 * 3600
# Authorizations that stand for money, or did.
_LIVE = ("CREATED", "PENDING", "CAPTURED", "PARTIALLY_CAPTURED")


def create(world: World, call: Call) -> Record:
    unit = call.params["purchase_units"][0]
    value = read(unit["amount"], "/purchase_units/@0/amount")
    unit["amount"] = money(value, unit["amount"]["currency_code"])
    links = {"payment": unit.get("custom_id")}
    return objects.add(world, ORDER, objects.order(objects.new_id(), unit), links=links)


def retrieve(world: World, call: Call) -> Record:
    return find(world, call.object_id, ORDER)


def confirm_source(world: World, call: Call) -> Record:
    """The payer is to be asked: from here on the order waits for them."""
    order = find(world, call.object_id, ORDER)
    if order.body["status"] == "APPROVED":
        raise PayPalError("PAYMENT_ALREADY_APPROVED")
    if order.body["status"] not in ("CREATED", "PAYER_ACTION_REQUIRED"):
        raise PayPalError("ORDER_CANNOT_BE_CONFIRMED")
    experience = call.params["payment_source"]["paypal"].get("experience_context", {})
    order.facts |= {name: experience.get(name) for name in ("return_url", "cancel_url")}
    return touch(world, order, status="PAYER_ACTION_REQUIRED")


def authorize(world: World, call: Call) -> Record:
    """:raises PayPalError: 422, of the order's state or of the payer's."""
    order = find(world, call.object_id, ORDER)
    _check_state(world, order)
    source = call.params.get("payment_source")
    if source:
        payer = _payer_of(source)
    elif order.body["status"] == "APPROVED":
        payer = PAYERS[order.facts["payer"]]
    else:
        raise PayPalError("ORDER_NOT_APPROVED")
    # Whoever approved in person has acted.
    if payer.issue and (source or payer.issue != "PAYER_ACTION_REQUIRED"):
        raise PayPalError(payer.issue)
    check_invoice(world, order)
    body = objects.authorization(world, order, payer.authorization)
    links = {"payment_intent": order.id, "payment": order.facts["links"]["payment"]}
    made = objects.add(world, AUTHORIZATION, body, links=links)
    order.facts["payer"] = next(name for name, known in PAYERS.items() if known is payer)
    touch(world, order, status="COMPLETED", **objects.payer_facts(payer))
    lasts = int(objects.AUTHORIZATION_LASTS.total_seconds())
    world.later("paypal_expires", made.id, lasts)
    if payer.authorization == "PENDING":
        world.later("paypal_review_passes", made.id)
    news.emit(world, "PAYMENT.AUTHORIZATION.CREATED", made.body)
    return order


def _check_state(world: World, order: Record) -> None:
    status = order.body["status"]
    if status == "COMPLETED":
        raise PayPalError("ORDER_ALREADY_AUTHORIZED")
    if status == "VOIDED":
        raise PayPalError("ORDER_COMPLETED_OR_VOIDED")
    waits = _WAITS_FOR_US if status == "APPROVED" else _WAITS_FOR_PAYER
    if objects.seconds(order.body["update_time"]) + waits <= world.now():
        raise PayPalError("ORDER_EXPIRED")


def _payer_of(source: Json) -> Payer:
    token = source["token"]["id"] if "token" in source else source["paypal"]["vault_id"]
    if token not in PAYERS:
        raise PayPalError("TOKEN_ID_NOT_FOUND")
    return PAYERS[token]


def check_invoice(world: World, order: Record) -> None:
    """:raises PayPalError: money was taken, or is held, for this invoice by another order."""
    invoice = order.body["purchase_units"][0].get("invoice_id")
    if invoice is None:
        return
    others = world.store.select(
        AUTHORIZATION, "json_extract(body, '$.invoice_id') = ? AND payment_intent <> ?",
        (invoice, order.id),
    )  # fmt: skip
    if any(other.body["status"] in _LIVE for other in others):
        raise PayPalError("DUPLICATE_INVOICE_ID")


def pass_review(world: World, authorization: Record) -> None:
    if authorization.body["status"] == "PENDING":
        del authorization.body["status_details"]
        touch(world, authorization, status="CREATED")
        news.emit(world, "PAYMENT.AUTHORIZATION.CREATED", authorization.body)


# --- the payer ------------------------------------------------------------------------------------


def is_waiting(order: Record) -> bool:
    return order.body["status"] in ("CREATED", "PAYER_ACTION_REQUIRED")


def approve(world: World, order: Record, payer: str) -> None:
    """:raises PayPalError: the order does not wait for a payer."""
    _require_waiting(order)
    order.facts["payer"] = payer
    touch(world, order, status="APPROVED", **objects.payer_facts(PAYERS[payer]))
    news.emit(world, "CHECKOUT.ORDER.APPROVED", objects.shown_order(world, order))


def decline(world: World, order: Record) -> None:
    """The approval comes to nothing, for good. (A payer who turns back changes nothing.)"""
    _require_waiting(order)
    touch(world, order, status="VOIDED")
    news.emit(world, "CHECKOUT.ORDER.VOIDED", objects.shown_order(world, order))


def _require_waiting(order: Record) -> None:
    if not is_waiting(order):
        raise PayPalError("ORDER_CANNOT_BE_CONFIRMED")


def payer_of(world: World, order_id: str) -> Payer:
    order: Any = world.store.find(order_id, ORDER)
    return PAYERS[order.facts["payer"]]
