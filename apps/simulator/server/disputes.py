"""Disputes: a card that disputes its own charge does so right after it."""

from . import objects
from .cards import Card
from .store import Record
from .wire import Call, Json
from .world import World, touch

_EVIDENCE_WITHIN = 7 * 86_400
_EVIDENCE = (
    "access_activity_log", "billing_address", "cancellation_policy",
    "cancellation_policy_disclosure", "cancellation_rebuttal", "customer_communication",
    "customer_email_address", "customer_name", "customer_purchase_ip", "customer_signature",
    "duplicate_charge_documentation", "duplicate_charge_explanation", "duplicate_charge_id",
    "product_description", "receipt", "refund_policy", "refund_policy_disclosure",
    "refund_refusal_explanation", "service_date", "service_documentation", "shipping_address",
    "shipping_carrier", "shipping_date", "shipping_documentation", "shipping_tracking_number",
    "uncategorized_file", "uncategorized_text",
)  # fmt: skip


def follow(world: World, charge: Record, card: Card) -> None:
    """After a capture: open the dispute that this card is known for, if any."""
    if card.dispute is not None:
        open_dispute(world, charge, card.dispute)


def open_dispute(world: World, charge: Record, reason: str) -> Json:
    now, amount = world.now(), charge.body["amount_captured"]
    dispute_id = objects.new_id("du")
    transaction = objects.balance_transaction(
        objects.new_id("txn"), now, kind="adjustment", source=dispute_id, amount=-amount,
        currency=charge.body["currency"], fee=objects.DISPUTE_FEE_MINOR, available_on=now,
        category="dispute", description=f"Chargeback withdrawal for {charge.id}",
    )  # fmt: skip
    world.add("balance_transaction", transaction)
    body = _body(dispute_id, now, charge.body, reason, transaction)
    world.add("dispute", body)
    touch(world, charge, disputed=True)
    world.emit("charge.dispute.created", body)
    world.emit("charge.dispute.funds_withdrawn", body)
    return body


def _body(dispute_id: str, now: int, charge: Json, reason: str, transaction: Json) -> Json:
    card = charge["payment_method_details"]["card"]
    return {
        "id": dispute_id,
        "object": "dispute",
        "amount": charge["amount_captured"],
        "balance_transactions": [transaction],
        "charge": charge["id"],
        "created": now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": dict.fromkeys(_EVIDENCE) | {"enhanced_evidence": {}},
        "evidence_details": {
            "due_by": now + _EVIDENCE_WITHIN,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": card["brand"],
                "case_type": "chargeback",
                "network_reason_code": "10.4" if reason == "fraudulent" else "13.1",
            },
            "type": "card",
        },
        "reason": reason,
        "status": "needs_response",
    }


def retrieve(world: World, call: Call) -> Json:
    return world.get(call.object_id, "dispute", param="dispute").body
