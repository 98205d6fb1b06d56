"""The page on which a person passes or fails 3-D Secure."""

from html import escape
from pathlib import Path
from string import Template
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from .store import Record
from .wire import Reply

_PAGE = Template((Path(__file__).parent / "three_d_secure.html").read_text())
_DECIMALS = {"jpy": 0, "krw": 0, "kwd": 3, "bhd": 3}


def challenge(intent: Record, method: Record | None) -> Reply:
    card = method.body["card"] if method else {"brand": "card", "last4": "····"}
    is_open = intent.body["status"] == "requires_action"
    text = _PAGE.substitute(
        state="open" if is_open else "closed",
        amount=escape(money(intent.body["amount"], intent.body["currency"])),
        brand=escape(card["brand"].title()),
        last4=escape(card["last4"]),
        intent=escape(intent.id),
        status=escape(intent.body["status"].replace("_", " ")),
        action=escape(f"/_sim/3ds/{intent.id}"),
    )
    return _html(text)


def money(amount: int, currency: str) -> str:
    decimals = _DECIMALS.get(currency, 2)
    return f"{amount / 10**decimals:,.{decimals}f} {currency.upper()}"


def way_back(intent: Record, method: Record | None) -> Reply:
    """To the `return_url`, with what Stripe adds to it; without one, the page says how it ended."""
    target = intent.facts.get("return_url")
    if not target:
        return challenge(intent, method)
    parts = urlsplit(target)
    succeeded = intent.body["status"] in ("succeeded", "requires_capture")
    query = [
        *parse_qsl(parts.query, keep_blank_values=True),
        ("payment_intent", intent.id),
        ("payment_intent_client_secret", intent.body["client_secret"]),
        ("redirect_status", "succeeded" if succeeded else "failed"),
    ]
    return Reply(303, b"", {"Location": urlunsplit(parts._replace(query=urlencode(query)))})


def _html(text: str) -> Reply:
    return Reply(200, text.encode(), {"Cache-Control": "no-store"}, "text/html; charset=utf-8")
