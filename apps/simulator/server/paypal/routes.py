"""Every operation of PayPal's that this personality answers, on one screen."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from ..store import Record
from ..wire import Call, Json
from ..world import World
from . import disputes, objects, orders, payments, reports, shapes
from .objects import AUTHORIZATION, CAPTURE, ORDER, REFUND

_HOURS, _DAYS = 3600, 86_400
# How long a PayPal-Request-Id is known: of orders, and of payments.
_ORDERS_LIVE, _PAYMENTS_LIVE = 6 * _HOURS, 45 * _DAYS


@dataclass(frozen=True, slots=True)
class Route:
    """`run` answers with an object of `kind`, or with JSON where there is none.

    `key_lives`: seconds; 0 where the operation knows no key. `files` is the name under which a
    `multipart/form-data` brings files; without one the body is JSON.
    """

    op: str
    shape: shapes.Shape
    run: Callable[[World, Call], Record | Json]
    kind: str = ""
    status: int = 200
    key_lives: int = 0
    files: str = ""


_ORDER_PATH, _PAYMENT_PATH = "/v2/checkout/orders", "/v2/payments"
_TABLE = (
    # method, path; op (for faults), shape, what it does, the kind it answers with, status, key
    ("POST", _ORDER_PATH,
     Route("paypal_create", shapes.ORDER, orders.create, ORDER, 201, _ORDERS_LIVE)),
    ("GET", f"{_ORDER_PATH}/(id)",
     Route("paypal_retrieve", shapes.NOTHING, orders.retrieve, ORDER)),
    ("POST", f"{_ORDER_PATH}/(id)/confirm-payment-source",
     Route("paypal_confirm_source", shapes.CONFIRM, orders.confirm_source, ORDER)),
    ("POST", f"{_ORDER_PATH}/(id)/authorize",
     Route("paypal_authorize", shapes.AUTHORIZE, orders.authorize, ORDER, 201, _ORDERS_LIVE)),
    ("GET", f"{_PAYMENT_PATH}/authorizations/(id)",
     Route("paypal_retrieve_authorization", shapes.NOTHING, payments.authorization,
           AUTHORIZATION)),
    ("POST", f"{_PAYMENT_PATH}/authorizations/(id)/capture",
     Route("paypal_capture", shapes.CAPTURE, payments.capture, CAPTURE, 201, _PAYMENTS_LIVE)),
    ("POST", f"{_PAYMENT_PATH}/authorizations/(id)/void",
     Route("paypal_void", shapes.NOTHING, payments.void, AUTHORIZATION)),
    ("GET", f"{_PAYMENT_PATH}/captures/(id)",
     Route("paypal_retrieve_capture", shapes.NOTHING, payments.capture_of, CAPTURE)),
    ("POST", f"{_PAYMENT_PATH}/captures/(id)/refund",
     Route("paypal_refund", shapes.REFUND, payments.refund, REFUND, 201, _PAYMENTS_LIVE)),
    ("GET", f"{_PAYMENT_PATH}/refunds/(id)",
     Route("paypal_retrieve_refund", shapes.NOTHING, payments.refund_of, REFUND)),
    ("GET", "/v1/reporting/transactions",
     Route("paypal_report", shapes.SEARCH, reports.search)),
    ("GET", "/v1/customer/disputes",
     Route("paypal_list_disputes", shapes.DISPUTES, disputes.search)),
    ("GET", "/v1/customer/disputes/(id)",
     Route("paypal_retrieve_dispute", shapes.NOTHING, disputes.retrieve)),
    ("POST", "/v1/customer/disputes/(id)/provide-evidence",
     Route("paypal_provide_evidence", shapes.EVIDENCES, disputes.provide_evidence,
           files="evidence-file")),
    ("POST", "/v1/customer/disputes/(id)/accept-claim",
     Route("paypal_accept_claim", shapes.ACCEPT, disputes.accept_claim,
           files="accept-claim-document")),
)  # fmt: skip

ROUTES = [
    (method, re.compile(path.replace("(id)", "([A-Za-z0-9-]{1,36})")), route)
    for method, path, route in _TABLE
]


def find(method: str, path: str) -> tuple[Route, str] | None:
    """`("POST", "/v2/checkout/orders/5O1/authorize")` → its route and `5O1`."""
    for verb, pattern, route in ROUTES:
        found = pattern.fullmatch(path) if verb == method else None
        if found:
            return route, "".join(found.groups())
    return None


def shown(world: World, record: Record) -> Json:
    return objects.shown_order(world, record) if record.kind == ORDER else record.body
