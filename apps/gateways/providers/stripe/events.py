"""Stripe's webhooks: verified over the raw bytes, read, and emptied of what we may not keep."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import stripe

from apps.core import cards
from apps.gateways.providers.stripe import objects
from apps.gateways.types import BadEvent, BadSignature, ProviderEvent

TOLERANCE_SECONDS: Final = 300
MAX_DEPTH: Final = 40
_HEADER: Final = "Stripe-Signature"

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
WITHHELD: Final = "[withheld]"


def parse(
    raw_body: bytes, headers: Mapping[str, str], *, secrets: Sequence[str], now: datetime
) -> ProviderEvent:
    """The event of a webhook.

    :raises BadSignature: no secret of ours signed these bytes, or not within 300 s of `now`.
    :raises BadEvent: signed, and still not an event.
    """
    header = next((v for k, v in headers.items() if k.lower() == _HEADER.lower()), "")
    _verify(raw_body, header, secrets, now)
    event = _decoded(raw_body)
    found = _field(_field(event, "data", dict), "object", dict)
    return ProviderEvent(
        provider=objects.PROVIDER,
        event_id=_text(_field(event, "id", str)),
        kind=_text(_field(event, "type", str)),
        account=_text(str(event.get("account") or "")),
        occurred_at=_moment(event),
        payload=_kept(event),
        object_reference=_text(str(found.get("id") or "")),
        payment_reference=_text(objects.payment_reference_of(found)),
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


def _decoded(raw_body: bytes) -> dict[str, Any]:
    try:
        event = json.loads(raw_body)
    except (ValueError, RecursionError) as error:
        raise BadEvent(f"not JSON: {type(error).__name__}") from error
    if not isinstance(event, dict):
        raise BadEvent("not an object")
    return event


def _field(parent: Mapping[str, Any], name: str, kind: type) -> Any:
    value = parent.get(name)
    if not isinstance(value, kind) or not value:
        raise BadEvent(f"no {name}")
    return value


def _moment(event: Mapping[str, Any]) -> datetime:
    try:
        return datetime.fromtimestamp(event["created"], UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise BadEvent("no created") from error


def _public_id(found: Mapping[str, Any]) -> str:
    metadata = found.get("metadata")
    if not isinstance(metadata, dict):
        return ""
    return _text(str(metadata.get(objects.META_PAYMENT) or ""))


def _kept(value: Any, depth: int = 0) -> Any:
    """What may be stored: no person, no secret, no card number, nothing jsonb refuses."""
    if depth > MAX_DEPTH:
        return WITHHELD
    if isinstance(value, dict):
        return {
            _text(key): WITHHELD if key in _WITHHELD and item else _kept(item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_kept(item, depth + 1) for item in value]
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**12:
        text = str(value)
        return value if cards.scrub(text) == text else WITHHELD
    return value


def _text(value: str) -> str:
    """Without NUL and lone surrogates, which jsonb refuses, and without card numbers."""
    whole = value.replace("\x00", "�").encode("utf-8", "replace").decode()
    return cards.scrub(whole)
