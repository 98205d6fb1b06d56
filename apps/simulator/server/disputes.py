"""Disputes: opened by a card right after its charge or by a test, answered, and decided."""

from . import files, objects
from .cards import Card
from .store import Record
from .wire import Call, Json, StripeError
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
_FILES = (
    "cancellation_policy", "customer_communication", "customer_signature",
    "duplicate_charge_documentation", "receipt", "refund_policy", "service_documentation",
    "shipping_documentation", "uncategorized_file",
)  # fmt: skip
# decision -> (the states it is made in, the state it leads to)
_DECISIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "win": (("needs_response", "under_review"), "won"),
    "lose": (("needs_response", "under_review"), "lost"),
    "reverse": (("lost",), "won"),
    "close": (("warning_needs_response", "warning_under_review"), "warning_closed"),
    "escalate": (("warning_needs_response", "warning_under_review"), "needs_response"),
}
_ANSWERED = {
    "needs_response": "under_review",
    "under_review": "under_review",
    "warning_needs_response": "warning_under_review",
    "warning_under_review": "warning_under_review",
}


def follow(world: World, charge: Record, card: Card) -> None:
    """After a capture: open the dispute that this card is known for, if any."""
    if card.dispute is not None:
        open_dispute(world, charge, card.dispute)


def open_dispute(
    world: World, charge: Record, reason: str, *, amount: int | None = None, inquiry: bool = False
) -> Json:
    """The cardholder's bank takes the money back, or (`inquiry`) only asks."""
    charged = charge.body["amount_captured"] if amount is None else amount
    body = _body(objects.new_id("du"), world.now(), charge.body, reason, charged)
    if inquiry:
        body |= {"status": "warning_needs_response", "is_charge_refundable": True}
        body["payment_method_details"]["card"]["case_type"] = "inquiry"
    dispute = world.add("dispute", body)
    if not inquiry:
        _withdraw(world, dispute, charge)
    if charge.body["payment_method_details"]["type"] != "card":
        touch(world, dispute, status="lost")  # a bank's word is its last
    world.emit("charge.dispute.created", dispute.body)
    if not inquiry:
        world.emit("charge.dispute.funds_withdrawn", dispute.body)
    return dispute.body


def decide(world: World, dispute: Record, result: str, amount: int | None = None) -> None:
    """What the bank says: `win` (of `amount`), `lose`, `close` or `escalate` an inquiry, `reverse`.

    :raises StripeError: it does not stand so that this can be said.
    """
    from_, to = _DECISIONS.get(result, ((), ""))
    if dispute.body["status"] not in from_:
        raise StripeError(400, f"A {dispute.body['status']} dispute does not {result}.")
    touch(world, dispute, status=to)
    if result == "escalate":
        charge = world.get(dispute.body["charge"], "charge")
        dispute.body["payment_method_details"]["card"]["case_type"] = "chargeback"
        _withdraw(world, dispute, charge)
        world.emit("charge.dispute.updated", dispute.body)
        world.emit("charge.dispute.funds_withdrawn", dispute.body)
        return
    if to == "won":
        _reinstate(world, dispute, dispute.body["amount"] if amount is None else amount)
    world.emit(f"charge.dispute.{'updated' if result == 'reverse' else 'closed'}", dispute.body)
    if to == "won":
        world.emit("charge.dispute.funds_reinstated", dispute.body)


def update(world: World, call: Call) -> Json:
    """Evidence: kept, and with `submit` (the default) sent to the bank, which then thinks."""
    dispute = world.get(call.object_id, "dispute", param="dispute")
    answered = _ANSWERED.get(dispute.body["status"])
    if answered is None:
        raise StripeError(400, "This dispute is already closed.", param="dispute")
    given = call.params.get("evidence") or {}
    named = {name: dispute.body["evidence"][name] for name in _FILES} | given
    files.require_evidence(world, {n: file for n, file in named.items() if n in _FILES and file})
    details = dict(dispute.body["evidence_details"], has_evidence=True)
    changes: Json = {"evidence": dispute.body["evidence"] | given}
    if call.params.get("submit", True):
        details["submission_count"] += 1
        changes["status"] = answered
    touch(world, dispute, evidence_details=details, **changes)
    world.emit("charge.dispute.updated", dispute.body)
    return dispute.body


def close(world: World, call: Call) -> Json:
    """The merchant gives up."""
    dispute = world.get(call.object_id, "dispute", param="dispute")
    if dispute.body["status"] not in ("needs_response", "under_review"):
        raise StripeError(400, "This dispute is already closed.", param="dispute")
    decide(world, dispute, "lose")
    return dispute.body


def _withdraw(world: World, dispute: Record, charge: Record) -> None:
    _move(
        world, dispute, -dispute.body["amount"], "dispute",
        f"Chargeback withdrawal for {charge.id}", fee=objects.DISPUTE_FEE_MINOR,
    )  # fmt: skip
    touch(world, dispute, status="needs_response", is_charge_refundable=False)
    touch(world, charge, disputed=True)


def _reinstate(world: World, dispute: Record, amount: int) -> None:
    charge = dispute.body["charge"]
    _move(world, dispute, amount, "dispute_reversal", f"Chargeback reversal for {charge}")


def _move(
    world: World, dispute: Record, amount: int, category: str, description: str, *, fee: int = 0
) -> None:
    """A line in the balance, which the dispute names."""
    now = world.now()
    line = objects.balance_transaction(
        objects.new_id("txn"), now, kind="adjustment", source=dispute.id, amount=amount,
        currency=dispute.body["currency"], fee=fee, available_on=now, category=category,
        description=description,
    )  # fmt: skip
    world.add("balance_transaction", line)
    touch(world, dispute, balance_transactions=[*dispute.body["balance_transactions"], line])


def _body(dispute_id: str, now: int, charge: Json, reason: str, amount: int) -> Json:
    return {
        "id": dispute_id,
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
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
        "reason": reason,
        "status": "needs_response",
        **_details(charge, reason),
    }


def _details(charge: Json, reason: str) -> Json:
    """Of cards alone: a dispute of a bank account does not say that it is one."""
    if charge["payment_method_details"]["type"] != "card":
        return {}
    card = {
        "brand": charge["payment_method_details"]["card"]["brand"],
        "case_type": "chargeback",
        "network_reason_code": "10.4" if reason == "fraudulent" else "13.1",
    }
    return {"payment_method_details": {"card": card, "type": "card"}}


def retrieve(world: World, call: Call) -> Json:
    return world.get(call.object_id, "dispute", param="dispute").body
