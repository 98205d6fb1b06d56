"""The bodies of Stripe's objects, with the keys its own samples have."""

import os
import time
from typing import Any

from .cards import Card
from .wire import Json, StripeError

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

# The provider's price, one formula for every card: 1.5 % of the amount, rounded half up to the
# minor unit, plus a quarter of the major unit (0.25 EUR; currencies without decimals: 25 units).
FEE_BASIS_POINTS = 150
FEE_FIXED_MINOR = 25
DISPUTE_FEE_MINOR = 1500

_METADATA_KEYS, _NAME_LENGTH, _VALUE_LENGTH = 50, 40, 500

KINDS = {
    "pi": "payment_intent", "ch": "charge", "re": "refund", "pm": "payment_method",
    "txn": "balance_transaction", "po": "payout", "evt": "event", "du": "dispute",
    "cus": "customer", "ba": "bank_account",
}  # fmt: skip


def new_id(prefix: str, length: int = 24) -> str:
    """Seven letters of time, the rest chance: neighbours in time are neighbours in every index."""
    number = int.from_bytes(os.urandom(length - 7)) % 62 ** (length - 7)
    number += (time.time_ns() // 1_000_000) * 62 ** (length - 7)
    letters = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        letters.append(_ALPHABET[digit])
    return f"{prefix}_{''.join(reversed(letters))}"


def new_secret() -> str:
    return "".join(_ALPHABET[byte % 62] for byte in os.urandom(25))


def fee_of(amount: int) -> int:
    """What the provider keeps of a captured amount, in minor units."""
    return (amount * FEE_BASIS_POINTS + 5_000) // 10_000 + FEE_FIXED_MINOR


def _nobody() -> Json:
    address = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
    return {"address": address, "email": None, "name": None, "phone": None, "tax_id": None}


def _checks() -> Json:
    return {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"}


def payment_method(object_id: str, card: Card, created: int, params: Json) -> Json:
    details = {card.bank: _account(card)} if card.bank else {"card": _card(card)}
    return {
        "id": object_id,
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": _nobody() | params.get("billing_details", {}),
        **details,
        "created": created,
        "customer": None,
        "livemode": False,
        "metadata": metadata({}, params.get("metadata")),
        "type": card.bank or "card",
    }


def _account(card: Card) -> Json:
    known = {"fingerprint": fingerprint(card), "last4": card.last4}
    if card.bank == "sepa_debit":
        nowhere = {"charge": None, "setup_attempt": None}
        return known | {
            "bank_code": "37040044", "branch_code": "", "country": card.country,
            "generated_from": nowhere,
        }  # fmt: skip
    return known | {
        "account_holder_type": "individual", "account_type": "checking",
        "bank_name": "STRIPE TEST BANK", "financial_connections_account": None,
        "networks": {"preferred": "ach", "supported": ["ach"]}, "routing_number": "110000000",
        "status_details": {},
    }  # fmt: skip


def _card(card: Card) -> Json:
    return {
        "brand": card.brand,
        "checks": _checks(),
        "country": card.country,
        "display_brand": card.brand,
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": fingerprint(card),
        "funding": card.funding,
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": card.three_d_secure != "unsupported"},
        "wallet": None,
    }


def fingerprint(card: Card) -> str:
    """The same card number has the same fingerprint, whoever uses it."""
    return f"Sim{card.brand[:4].title()}{card.funding[:3].title()}{card.last4}{card.country}"


def payment_intent(object_id: str, created: int, params: Json) -> Json:
    automatic = params.get("automatic_payment_methods")
    if automatic is None and not params.get("allowed_payment_method_types"):
        automatic = {"allow_redirects": "always", "enabled": True}
    return {
        "id": object_id,
        "object": "payment_intent",
        "allowed_payment_method_types": params.get("allowed_payment_method_types"),
        "amount": params["amount"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": automatic,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": params.get("capture_method", "automatic_async"),
        "client_secret": f"{object_id}_secret_{new_secret()}",
        "confirmation_method": params.get("confirmation_method", "automatic"),
        "created": created,
        "currency": params["currency"],
        "customer": params.get("customer"),
        "description": params.get("description"),
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": metadata({}, params.get("metadata")),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": _card_options(params)},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": params.get("receipt_email"),
        "review": None,
        "setup_future_usage": params.get("setup_future_usage"),
        "shipping": params.get("shipping"),
        "source": None,
        "statement_descriptor": params.get("statement_descriptor"),
        "statement_descriptor_suffix": params.get("statement_descriptor_suffix"),
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": params.get("transfer_group"),
    }


def _card_options(params: Json) -> Json:
    given = (params.get("payment_method_options") or {}).get("card") or {}
    return {
        "installments": None,
        "mandate_options": None,
        "network": None,
        "request_three_d_secure": given.get("request_three_d_secure", "automatic"),
    }


def metadata(before: Json, given: Any) -> Json:
    """An empty value removes a key, an empty `metadata` removes all.

    :raises StripeError: more than 50 keys, a name over 40 characters or a value over 500.
    """
    if given is None:
        return before
    if given == "":
        return {}
    after = {name: value for name, value in (before | given).items() if value != ""}
    too_long = [n for n, v in after.items() if len(n) > _NAME_LENGTH or len(v) > _VALUE_LENGTH]
    if len(after) > _METADATA_KEYS or too_long:
        raise StripeError(
            400, f"Metadata may have {_METADATA_KEYS} keys, with names of {_NAME_LENGTH} and values"
            f" of {_VALUE_LENGTH} characters.", param="metadata",
        )  # fmt: skip
    return after


def charge(object_id: str, created: int, intent: Json, method: Json, card: Card) -> Json:
    return {
        "id": object_id,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": "PAYSYS",
        "captured": False,
        "created": created,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": intent["metadata"],
        "on_behalf_of": None,
        "outcome": {
            "advice_code": None,
            "network_advice_code": None,
            "network_decline_code": None,
            "network_status": "approved_by_network",
            "reason": None,
            "risk_level": card.risk_level,
            "seller_message": "Payment complete.",
            "type": "authorized",
        },
        "paid": True,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": _details(intent, method),
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": intent["shipping"],
        "source": None,
        "source_transfer": None,
        "statement_descriptor": intent["statement_descriptor"],
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": "succeeded",
        "transfer_data": None,
        "transfer_group": intent["transfer_group"],
    }


def _details(intent: Json, method: Json) -> Json:
    kind = method["type"]
    if kind == "card":
        return {"card": _card_details(intent, method), "type": "card"}
    return {kind: method[kind] | {"mandate": new_id("mandate")}, "type": kind}


def _card_details(intent: Json, method: Json) -> Json:
    card = method["card"]
    return {
        "amount_authorized": intent["amount"],
        "authorization_code": "123456",
        "brand": card["brand"],
        "checks": card["checks"],
        "country": card["country"],
        "exp_month": card["exp_month"],
        "exp_year": card["exp_year"],
        "extended_authorization": {"status": "disabled"},
        "fingerprint": card["fingerprint"],
        "funding": card["funding"],
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "last4": card["last4"],
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": card["brand"],
        "network_token": {"used": False},
        "network_transaction_id": new_id("n", 15)[2:],
        "overcapture": {"maximum_amount_capturable": intent["amount"], "status": "unavailable"},
        "regulated_status": "unregulated",
        "three_d_secure": None,
        "wallet": None,
    }


def refund(object_id: str, created: int, charge: Json, params: Json, amount: int) -> Json:
    return {
        "id": object_id,
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": created,
        "currency": charge["currency"],
        "destination_details": {"card": {"type": "refund"}, "type": "card"},
        "metadata": metadata({}, params.get("metadata")),
        "payment_intent": charge["payment_intent"],
        "reason": params.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


def balance_transaction(
    object_id: str, created: int, *, kind: str, source: str, currency: str, amount: int, fee: int,
    available_on: int, category: str, description: str | None = None,
) -> Json:  # fmt: skip
    details = []
    if fee:
        details = [{
            "amount": fee, "application": None, "currency": currency,
            "description": "Stripe processing fees", "type": "stripe_fee",
        }]  # fmt: skip
    return {
        "id": object_id,
        "object": "balance_transaction",
        "amount": amount,
        "available_on": available_on,
        "balance_type": "payments",
        "created": created,
        "currency": currency,
        "description": description,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": details,
        "net": amount - fee,
        "reporting_category": category,
        "source": source,
        "status": "available" if available_on <= created else "pending",
        "type": kind,
    }


def event(
    object_id: str, created: int, *, version: str, kind: str, data: Json, request: Json
) -> Json:
    return {
        "id": object_id,
        "object": "event",
        "api_version": version,
        "created": created,
        "data": data,
        "livemode": False,
        "pending_webhooks": 0,
        "request": request,
        "type": kind,
    }


def customer(object_id: str, created: int, params: Json) -> Json:
    return {
        "id": object_id,
        "object": "customer",
        "address": params.get("address"),
        "balance": 0,
        "created": created,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": params.get("description"),
        "discount": None,
        "email": params.get("email"),
        "invoice_prefix": object_id[-8:].upper(),
        "livemode": False,
        "metadata": metadata({}, params.get("metadata")),
        "name": params.get("name"),
        "phone": params.get("phone"),
        "preferred_locales": [],
        "shipping": params.get("shipping"),
        "tax_exempt": "none",
        "test_clock": None,
    }
