"""The page on which a payer approves a payment, or turns back."""

from html import escape
from pathlib import Path
from string import Template
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ..store import Record
from ..wire import Call, Reply
from ..world import World
from . import orders
from .errors import PayPalError
from .objects import ORDER
from .payers import GOOD, PAYERS

_PAGE = Template((Path(__file__).parent / "approve.html").read_text())
_GONE = "Things don't appear to be working at the moment."


def answer(world: World, call: Call) -> Reply:
    """GET shows the page, POST is a button of it."""
    asked = dict(parse_qsl(call.query))
    form = dict(parse_qsl(call.body.decode("utf-8", "replace"))) if call.method == "POST" else {}
    with world.store.unit():
        order = world.store.find(asked.get("token", ""), ORDER)
        if order is None:
            return _shown(None)
        if call.method == "GET" or not orders.is_waiting(order):
            return _shown(order)
        if form.get("result") == "approve":
            orders.approve(world, order, GOOD)
    world.has_news.set()
    return _way_back(order, approved=form.get("result") == "approve")


def _way_back(order: Record, *, approved: bool) -> Reply:
    """To the shop, with what PayPal adds to the address; without one the page says how it ended.

    Turning back changes nothing: the payer may open the page again and approve.
    """
    target = order.facts.get("return_url" if approved else "cancel_url")
    if not target:
        return _shown(order)
    parts = urlsplit(target)
    added = [("token", order.id)]
    if approved:
        added.append(("PayerID", PAYERS[order.facts["payer"]].account_id))
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *added])
    return Reply(303, b"", {"Location": urlunsplit(parts._replace(query=query))})


def _shown(order: Record | None) -> Reply:
    is_open = order is not None and orders.is_waiting(order)
    unit = order.body["purchase_units"][0] if order else {}
    amount = unit.get("amount", {"value": "–", "currency_code": ""})
    status = order.body["status"].replace("_", " ").lower() if order else "unknown"
    text = _PAGE.substitute(
        state="open" if is_open else "closed" if order else "closed gone",
        amount=escape(f"{amount['value']} {amount['currency_code']}"),
        invoice=escape(unit.get("invoice_id", "–")),
        order=escape(order.id if order else "–"),
        status=escape(status),
        why=escape("This payment does not wait for you. You can close this page."
                   if order else _GONE),
    )  # fmt: skip
    headers = {"Cache-Control": "no-store"}
    return Reply(200 if order else 404, text.encode(), headers, "text/html; charset=utf-8")


def approve(world: World, order: Record, result: str, payer: str) -> None:
    """What a test does in the payer's place.

    :raises PayPalError: no such result or payer, or the order does not wait for one.
    """
    if result == "approve" and payer in PAYERS:
        orders.approve(world, order, payer)
    elif result == "decline":
        orders.decline(world, order)
    else:
        raise PayPalError("INVALID_PARAMETER_VALUE", field="/result", value=result)
