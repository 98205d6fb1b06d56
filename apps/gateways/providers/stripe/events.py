"""Stripe's webhooks: verified over the raw bytes, read, and emptied of what we may not keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import stripe

from apps.gateways.providers import payloads
from apps.gateways.providers.stripe import objects
from apps.gateways.types import BadEvent, BadSignature, ProviderEvent, Topic

TOLERANCE_SECONDS: Final = 300
_HEADER: Final = "Stripe-Signature"

TOPICS: Final = {
    "payment_intent.": Topic.PAYMENT,
    "charge.": Topic.PAYMENT,
    "charge.refund": Topic.REFUND,
    "charge.dispute.": Topic.DISPUTE,
    "refund.": Topic.REFUND,
    "payout.": Topic.PAYOUT,
}

# Fields about people, and secrets. The object is asked for when something is to be known of it.
_WITHHELD: Final = frozenset(
    {
        "address",
        "billing_details",
        "client_secret",
        "customer_details",
        "customer_email",
        "customer_email_address",
        "customer_name",
        "customer_purchase_ip",
        "email",
        "evidence",
        "ip_address",
        "name",
        "payer_details",
        "phone",
        "receipt_email",
        "receipt_url",
        "shipping",
    }
)


def parse(
    raw_body: bytes, headers: Mapping[str, str], *, secrets: Sequence[str], now: datetime
) -> ProviderEvent:
    """The event of a webhook.

    :raises BadSignature: no secret of ours signed these bytes, or not within 300 s of `now`.
    :raises BadEvent: signed, and still not an event.
    """
    _verify(raw_body, payloads.header(headers, _HEADER), secrets, now)
    event = payloads.decoded(raw_body)
    found = payloads.field(payloads.field(event, "data", dict), "object", dict)
    return ProviderEvent(
        provider=objects.PROVIDER,
        event_id=payloads.text(payloads.field(event, "id", str)),
        kind=payloads.text(payloads.field(event, "type", str)),
        account=payloads.text(str(event.get("account") or "")),
        occurred_at=_moment(event),
        payload=payloads.kept(event, _WITHHELD),
        object_reference=payloads.text(str(found.get("id") or "")),
        payment_reference=payloads.text(objects.payment_reference_of(found)),
        payment_public_id=_public_id(found),
    )


def _verify(raw_body: bytes, header: str, secrets: Sequence[str], now: datetime) -> None:
    """The SDK checks the signature; the clock is ours, and it checks both directions."""
    try:
        text = raw_body.decode()
    except UnicodeDecodeError as error:
        raise BadSignature("not UTF-8") from error
    if not header.isascii():
        raise BadSignature("not a signature header")
    for secret in secrets:
        try:
            stripe.WebhookSignature.verify_header(text, header, secret, tolerance=None)
        except stripe.SignatureVerificationError:
            continue
        signed_at, _ = stripe.WebhookSignature._get_timestamp_and_signatures(header, "v1")
        if abs(now.timestamp() - signed_at) > TOLERANCE_SECONDS:
            raise BadSignature("outside the tolerance")
        return
    raise BadSignature("no secret of ours made this signature")


def _moment(event: Mapping[str, Any]) -> datetime:
    try:
        return datetime.fromtimestamp(event["created"], UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise BadEvent("no created") from error


def _public_id(found: Mapping[str, Any]) -> str:
    metadata = found.get("metadata")
    if not isinstance(metadata, dict):
        return ""
    return payloads.text(str(metadata.get(objects.META_PAYMENT) or ""))
