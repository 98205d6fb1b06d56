"""PayPal's webhooks: PayPal itself is asked whether it sent them; then they are read, and emptied
of what we may not keep.

What was signed are the raw bytes, so they are passed on as they came and not written anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from apps.gateways.providers import payloads
from apps.gateways.providers.paypal import objects
from apps.gateways.types import (
    BadEvent,
    BadSignature,
    CannotVerify,
    Declined,
    OutcomeUnknown,
    ProviderEvent,
    Topic,
)

# PayPal sends an event again for three days. One that is repeated longer is stored once all the
# same: this bounds what we ask PayPal about, and dedupe by event id is what stops a replay.
TOLERANCE: Final = timedelta(days=3, hours=1)
# The fields of the question by the headers of the webhook.
_HEADERS: Final = {
    "auth_algo": "Paypal-Auth-Algo",
    "cert_url": "Paypal-Cert-Url",
    "transmission_id": "Paypal-Transmission-Id",
    "transmission_sig": "Paypal-Transmission-Sig",
    "transmission_time": "Paypal-Transmission-Time",
}
_MAX_HEADER: Final = 500

REVERSED: Final = "PAYMENT.CAPTURE.REVERSED"
TOPICS: Final = {
    "CHECKOUT.ORDER.": Topic.PAYMENT,
    "CHECKOUT.PAYMENT-APPROVAL.": Topic.PAYMENT,
    "PAYMENT.AUTHORIZATION.": Topic.PAYMENT,
    "PAYMENT.CAPTURE.": Topic.PAYMENT,
    "PAYMENT.CAPTURE.REFUNDED": Topic.REFUND,
    # Taken back by PayPal itself: a dispute that was lost, a payment that a bank called back.
    REVERSED: Topic.DISPUTE,
    "PAYMENT.REFUND.": Topic.REFUND,
    "CUSTOMER.DISPUTE.": Topic.DISPUTE,
}

# Fields about people. The object is asked for when something is to be known of it.
_WITHHELD: Final = frozenset(
    {
        "address",
        "buyer",
        "email",
        "email_address",
        "evidences",
        "full_name",
        "messages",
        "name",
        "note_to_payer",
        "offer",
        "payer",
        "payer_info",
        "payment_source",
        "phone",
        "phone_number",
        "shipping",
        "subscriber",
        "supporting_info",
    }
)


def parse(
    raw_body: bytes,
    headers: Mapping[str, str],
    *,
    webhook_id: str,
    verify: Callable[[bytes], bool],
    now: datetime,
) -> ProviderEvent:
    """The event of a webhook. `verify` puts the question to PayPal.

    :raises BadSignature: PayPal did not send these bytes to our webhook, or long ago.
    :raises BadEvent: signed, and still not an event.
    :raises CannotVerify: PayPal could not be asked.
    """
    question = _question(raw_body, headers, webhook_id, now)
    try:
        is_genuine = verify(question)
    except Declined as error:
        raise BadSignature(f"PayPal refuses to look at it: {error.provider_code}") from error
    except OutcomeUnknown as error:
        raise CannotVerify(str(error)) from error
    if not is_genuine:
        raise BadSignature("PayPal did not sign it")
    return _read(payloads.decoded(raw_body))


def _question(raw_body: bytes, headers: Mapping[str, str], webhook_id: str, now: datetime) -> bytes:
    """What PayPal is asked, with the event in it byte for byte."""
    told = {field: payloads.header(headers, name) for field, name in _HEADERS.items()}
    if not webhook_id or not all(0 < len(value) <= _MAX_HEADER for value in told.values()):
        raise BadSignature("not signed as PayPal signs")
    try:
        sent_at = objects.moment(told["transmission_time"])
        # Whole and alone it is one JSON object: nothing in it can end the field it is put into.
        payloads.decoded(raw_body)
    except ValueError as error:
        raise BadSignature("no time") from error
    except BadEvent as error:
        raise BadSignature(str(error)) from error
    if abs(now - sent_at) > TOLERANCE:
        raise BadSignature("outside the tolerance")
    facts = json.dumps({**told, "webhook_id": webhook_id}).encode()
    return facts[:-1] + b', "webhook_event": ' + raw_body + b"}"


def _read(event: Mapping[str, Any]) -> ProviderEvent:
    found = payloads.field(event, "resource", dict)
    own = str(found.get("id") or found.get("dispute_id") or "")
    payment = _payment_reference(event, found)
    return ProviderEvent(
        provider=objects.PROVIDER,
        event_id=payloads.text(payloads.field(event, "id", str)),
        kind=payloads.text(payloads.field(event, "event_type", str)),
        occurred_at=_moment(event),
        payload=payloads.kept(event, _WITHHELD),
        object_reference=payloads.text(_about(event, own=own, payment=payment)),
        payment_reference=payloads.text(payment),
        payment_public_id=payloads.text(_public_id(found)),
    )


def _about(event: Mapping[str, Any], *, own: str, payment: str) -> str:
    """What it is news of. A reversal comes in the shape of a refund, with an id of its own that
    nobody can be asked about: the news is that money of the payment's was taken back."""
    return payment or own if event["event_type"] == REVERSED else own


def _payment_reference(event: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """The order that an object is, or belongs to; or the capture, where PayPal names that alone."""
    if str(event["event_type"]).startswith("CHECKOUT.ORDER."):
        return str(found.get("id") or "")
    related = _inner(_inner(found, "supplementary_data"), "related_ids")
    named = related.get("order_id") or found.get("order_id") or related.get("capture_id")
    return str(named or _disputed(found) or _above(found))


def _disputed(found: Mapping[str, Any]) -> str:
    transactions = found.get("disputed_transactions")
    first = transactions[0] if isinstance(transactions, list) and transactions else {}
    return str(first.get("seller_transaction_id") or "") if isinstance(first, dict) else ""


def _above(found: Mapping[str, Any]) -> str:
    """The id that the link "up" ends with: a refund names its capture in no other way."""
    links = found.get("links")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("rel") == "up":
            return str(link.get("href") or "").rstrip("/").rpartition("/")[2]
    return ""


def _public_id(found: Mapping[str, Any]) -> str:
    units = found.get("purchase_units")
    unit = units[0] if isinstance(units, list) and units else found
    custom = unit.get("custom_id") if isinstance(unit, dict) else None
    return custom if isinstance(custom, str) and custom.startswith("pay_") else ""


def _inner(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    inner = found.get(name)
    return inner if isinstance(inner, dict) else {}


def _moment(event: Mapping[str, Any]) -> datetime:
    try:
        return objects.moment(event["create_time"])
    except (KeyError, TypeError, ValueError) as error:
        raise BadEvent("no create_time") from error
