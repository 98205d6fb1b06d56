"""PayPal's events, the headers they travel with, and the answer to whether they are genuine.

PayPal signs with a certificate; here a secret of this process does: what matters to whoever asks is
that the bytes, the time and the webhook are the ones that were signed.
"""

import base64
import hashlib
import hmac
import json
import re
import time
import uuid
import zlib

from ..wire import Json, dumps
from ..world import World
from . import objects

EVENT = "paypal_event"
WEBHOOK_ID = "SIMULATORWEBHOOK1"
_SECRET = b"a secret of the simulator, which protects nothing"
_EVENT_FIELD = re.compile(rb'"webhook_event"\s*:\s*')

# What an endpoint of ours would subscribe to.
NEWS = (
    "CHECKOUT.ORDER.APPROVED", "CHECKOUT.ORDER.VOIDED", "PAYMENT.AUTHORIZATION.*",
    "PAYMENT.CAPTURE.*", "PAYMENT.REFUND.*", "CUSTOMER.DISPUTE.*",
)  # fmt: skip
_RESOURCE = {"CHECKOUT": "checkout-order", "CUSTOMER": "dispute"}
# Of a capture, and yet what they carry is what went back of it.
_OF_A_REFUND = ("PAYMENT.CAPTURE.REFUNDED", "PAYMENT.CAPTURE.REVERSED")


def emit(world: World, kind: str, resource: Json) -> None:
    """Write the event and, if somebody listens to it, its delivery: in the same commit."""
    first, second, _ = kind.split(".")
    carried = "refund" if kind in _OF_A_REFUND else _RESOURCE.get(first, second.lower())
    body = {
        "id": f"WH-{objects.new_id()}-{objects.new_id()}",
        "event_version": "1.0",
        "create_time": objects.time(world.now()),
        "resource_type": carried,
        "resource_version": "2.0",
        "event_type": kind,
        "summary": f"A {second.lower()} is {kind.rpartition('.')[2].lower()}",
        "resource": resource,
        "links": [],
    }
    about = resource.get("id") or resource["dispute_id"]
    facts = {"object": about}
    world.on_event(objects.add(world, EVENT, body, links={}, facts=facts))


def body_of(event: Json) -> bytes:
    return dumps({name: value for name, value in event.items() if name != "update_time"}).encode()


def headers(body: bytes, webhook_id: str) -> dict[str, str]:
    """A transmission of these bytes, made now."""
    transmission, now = str(uuid.uuid4()), objects.time(int(time.time()))
    return {
        "Paypal-Auth-Algo": "SHA256withRSA",
        "Paypal-Cert-Url": "https://api.paypal.com/v1/notifications/certs/CERT-simulator",
        "Paypal-Transmission-Id": transmission,
        "Paypal-Transmission-Time": now,
        "Paypal-Transmission-Sig": _sign(transmission, now, webhook_id, body),
    }


def is_genuine(given: Json, question: bytes) -> bool:
    """Whether these headers belong to this event: the bytes of it as they stand in the question."""
    found = _EVENT_FIELD.search(question)
    assert found is not None
    text = question[found.end() :].decode()
    _, length = json.JSONDecoder().raw_decode(text)
    expected = _sign(
        given["transmission_id"], given["transmission_time"], given["webhook_id"],
        text[:length].encode(),
    )  # fmt: skip
    return hmac.compare_digest(expected, given["transmission_sig"])


def _sign(transmission: str, at: str, webhook_id: str, body: bytes) -> str:
    signed = f"{transmission}|{at}|{webhook_id}|{zlib.crc32(body)}".encode()
    return "sim" + base64.b64encode(hmac.digest(_SECRET, signed, hashlib.sha256)).decode()
