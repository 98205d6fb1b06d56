"""Disputes: opened by a payer, decided by whoever plays PayPal."""

from ..store import Record
from ..wire import Call, Json
from ..world import World
from . import news, objects, reports
from .money import amount
from .objects import CAPTURE, find, touch

DISPUTE = "paypal_dispute"
_ANSWER_WITHIN = 10 * 86_400
_SHOWN_IN_LISTS = (
    "dispute_id", "create_time", "update_time", "reason", "status", "dispute_state",
    "dispute_amount", "dispute_life_cycle_stage", "dispute_channel", "seller_response_due_date",
)  # fmt: skip


def open_dispute(world: World, capture: Record, reason: str, stage: str = "CHARGEBACK") -> Record:
    """A chargeback takes the money along; an inquiry only asks."""
    dispute_id, body = f"PP-D-{objects.new_id(9)}", capture.body
    dispute = objects.add(
        world,
        DISPUTE,
        {
            "id": dispute_id,
            "dispute_id": dispute_id,
            "disputed_transactions": [
                {
                    "seller_transaction_id": capture.id,
                    "buyer_transaction_id": objects.new_id(),
                    "create_time": body["create_time"],
                    "transaction_status": "COMPLETED",
                    "gross_amount": body["amount"],
                    **({"custom": body["custom_id"]} if "custom_id" in body else {}),
                    "buyer": {"name": "Pat Payer"},
                    "seller": {"name": "Paysys"},
                }
            ],
            "reason": reason,
            "status": "WAITING_FOR_SELLER_RESPONSE",
            "dispute_state": "REQUIRED_ACTION",
            "dispute_amount": body["amount"],
            "dispute_life_cycle_stage": stage,
            "dispute_channel": "INTERNAL",
            "seller_response_due_date": objects.time(world.now() + _ANSWER_WITHIN),
            "links": [_link(world, dispute_id)],
        },
        links={"charge": capture.id, "payment_intent": capture.facts["links"]["payment_intent"]},
    )
    if stage != "INQUIRY":
        _move(world, dispute, "T1110", -1)
    capture.facts["is_disputed"] = True
    touch(world, capture)
    news.emit(world, "CUSTOMER.DISPUTE.CREATED", shown(dispute))
    return dispute


def resolve(world: World, dispute: Record, *, won: bool) -> None:
    if dispute.body["status"] == "RESOLVED":
        return
    capture = find(world, dispute.facts["links"]["charge"], CAPTURE)
    if won and dispute.body["dispute_life_cycle_stage"] != "INQUIRY":
        _move(world, dispute, "T1111", 1)
    code = "RESOLVED_SELLER_FAVOUR" if won else "RESOLVED_BUYER_FAVOUR"
    touch(world, dispute, status="RESOLVED", dispute_state="RESOLVED",
          dispute_outcome={"outcome_code": code})  # fmt: skip
    if won:
        capture.facts["is_disputed"] = False
        touch(world, capture)
    news.emit(world, "CUSTOMER.DISPUTE.RESOLVED", shown(dispute))


def _move(world: World, dispute: Record, code: str, sign: int) -> None:
    told = dispute.body["dispute_amount"]
    reports.add(
        world, code, objects.new_id(), sign * amount(told), told["currency_code"],
        about=dispute.facts["links"]["charge"],
    )  # fmt: skip


def shown(dispute: Record) -> Json:
    """As it is read alone; its state, as one party sees it, is told in lists."""
    return {n: value for n, value in dispute.body.items() if n not in ("id", "dispute_state")}


def retrieve(world: World, call: Call) -> Json:
    return shown(find(world, call.object_id, DISPUTE))


def search(world: World, call: Call) -> Json:
    params, where, values = call.params, "1", []
    if "disputed_transaction_id" in params:
        where, values = "charge = ?", [params["disputed_transaction_id"]]
    found = world.store.select(DISPUTE, where, values, "ORDER BY seq DESC")
    if "update_time_after" in params:
        after = objects.seconds(params["update_time_after"])
        found = [each for each in found if objects.seconds(each.body["update_time"]) > after]
    limit = int(params.get("page_size", 10))
    items = [{n: each.body[n] for n in _SHOWN_IN_LISTS} for each in found[:limit]]
    return {"items": items, "links": [_link(world, "")]}


def _link(world: World, dispute_id: str) -> Json:
    base = f"{world.config.base_url}/paypal/v1/customer/disputes"
    return {"href": f"{base}/{dispute_id}".rstrip("/"), "rel": "self", "method": "GET"}
