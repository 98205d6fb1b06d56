"""What a request may carry: the fields that this personality understands, and no others.

Every field here is one of PayPal's own descriptions (a test compares them); what stands there and
not here is refused with `NOT_SUPPORTED`, so that a typing mistake in an adapter shows at once.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..wire import Json
from .errors import PayPalError

_TIME = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})"
)


@dataclass(frozen=True, slots=True)
class Text:
    pattern: str = ".{1,127}"


@dataclass(frozen=True, slots=True)
class Flag:
    pass


@dataclass(frozen=True, slots=True)
class Many:
    """Objects, or texts, in a list: one, for this personality knows orders of one purchase unit,
    or up to `most`."""

    of: Any
    most: int = 1


Shape = Mapping[str, Any]  # names (a `*` says required) by Text, Flag, Many or Shape

_URL = Text("https?://.{1,3900}")
_WORD = Text("[0-9A-Z_]{1,255}")
_ID = Text("[0-9a-zA-Z_-]{1,255}")
MONEY: Shape = {
    "currency_code*": Text(".{3}"),
    "value*": Text("(-?[0-9]+)|(-?[0-9]*[.][0-9]+)"),
}
ORDER: Shape = {
    "intent*": Text("AUTHORIZE"),
    "purchase_units*": Many({
        "amount*": MONEY,
        "custom_id": Text(),
        "invoice_id": Text(),
        "description": Text(),
        "soft_descriptor": Text(".{1,22}"),
    }),
}  # fmt: skip
CONFIRM: Shape = {
    "payment_source*": {
        "paypal*": {
            "experience_context": {
                "payment_method_preference": _WORD,
                "shipping_preference": _WORD,
                "user_action": _WORD,
                "return_url": _URL,
                "cancel_url": _URL,
            }
        }
    }
}
AUTHORIZE: Shape = {
    "payment_source": {
        "paypal": {"vault_id*": _ID},
        "token": {"id*": _ID, "type*": Text("BILLING_AGREEMENT")},
    }
}
CAPTURE: Shape = {"amount": MONEY, "final_capture": Flag(), "invoice_id": Text()}
REFUND: Shape = {"amount": MONEY, "custom_id": Text("[A-Za-z0-9-_.,]{1,127}"),
                 "invoice_id": Text(), "note_to_payer": Text(".{1,255}")}  # fmt: skip
SEARCH: Shape = {
    "start_date*": Text(_TIME),
    "end_date*": Text(_TIME),
    "fields": Text("transaction_info|all"),
    "balance_affecting_records_only": Text("Y"),
    "transaction_id": Text("[A-Z0-9]{17,19}"),
    "transaction_currency": Text("[A-Z]{3}"),
    "page_size": Text("[0-9]{1,3}"),
    "page": Text("[0-9]{1,9}"),
}
DISPUTES: Shape = {
    "disputed_transaction_id": _WORD,
    "update_time_after": Text(_TIME),
    "page_size": Text("[0-9]{1,2}"),
}
_NOTE = Text(r"(?s).{1,2000}")
# The JSON that goes with the files, in the part `input`.
EVIDENCES: Shape = {
    "evidences*": Many({
        "evidence_type*": _WORD,
        "evidence_info": {
            "tracking_info": Many({
                "carrier_name*": _WORD,
                "carrier_name_other": _NOTE,
                "tracking_number*": Text(r"(?s).{1,255}"),
            }, most=10),
            "refund_ids": Many(Text(), most=100),
        },
        "documents": Many({"name*": Text(r"[A-Za-z0-9\-_,\s]{1,200}[.][A-Za-z]+")}, most=100),
        "notes": _NOTE,
    }, most=100),
}  # fmt: skip
ACCEPT: Shape = {"note": _NOTE, "accept_claim_type": Text("REFUND")}
VERIFY: Shape = {
    "auth_algo*": Text("[a-zA-Z0-9]{1,100}"),
    "cert_url*": Text(".{1,500}"),
    "transmission_id*": Text(".{1,50}"),
    "transmission_sig*": Text(".{1,500}"),
    "transmission_time*": Text(".{1,100}"),
    "webhook_id*": Text("[a-zA-Z0-9]{1,50}"),
    "webhook_event*": None,
}
NOTHING: Shape = {}


def check(shape: Shape, given: Json, at: str = "") -> None:
    """:raises PayPalError: 400, naming the field as PayPal does (`/purchase_units/@0/amount`)."""
    fields = {name.rstrip("*"): inner for name, inner in shape.items()}
    for name in given:
        if name not in fields:
            raise PayPalError("NOT_SUPPORTED", field=f"{at}/{name}")
    for name in shape:
        if name.endswith("*") and name.rstrip("*") not in given:
            raise PayPalError("MISSING_REQUIRED_PARAMETER", field=f"{at}/{name.rstrip('*')}")
    for name, value in given.items():
        _value(fields[name], value, f"{at}/{name}")


def _value(shape: Any, value: Any, at: str) -> None:
    if shape is None:
        return
    if isinstance(shape, Many):
        if not isinstance(value, list) or not 1 <= len(value) <= shape.most:
            raise PayPalError("INVALID_PARAMETER_SYNTAX", field=at)
        for number, each in enumerate(value):
            _value(shape.of, each, f"{at}/@{number}")
    elif isinstance(shape, Text):
        if not isinstance(value, str) or not re.fullmatch(shape.pattern, value):
            raise PayPalError("INVALID_PARAMETER_VALUE", field=at, value=str(value)[:100])
    elif isinstance(shape, Flag):
        if not isinstance(value, bool):
            raise PayPalError("INVALID_PARAMETER_SYNTAX", field=at)
    elif isinstance(value, dict):
        check(shape, value, at)
    else:
        raise PayPalError("INVALID_PARAMETER_SYNTAX", field=at)
