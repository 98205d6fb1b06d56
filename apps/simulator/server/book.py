"""The book as others ask for it: what the outside world was really made to do."""

from typing import Any

from .store import Record
from .wire import Json, Reply, dumps
from .world import World


def lines(world: World, *, after: int, limit: int) -> Reply:
    """Payment intents as they were made, one JSON document a line; `seq` is the cursor."""
    store = world.store
    with store.unit():
        intents = store.select("payment_intent", "seq > ?", (after,), f"ORDER BY seq LIMIT {limit}")
        refunded = _refunded(world)
        tries = dict(
            store.rows(
                "SELECT payment_intent, count(*) FROM object WHERE kind = 'charge' AND"
                " json_extract(body, '$.status') = 'succeeded' GROUP BY payment_intent"
            )
        )
    text = "".join(
        dumps(_line(intent, refunded.get(intent.id, 0), tries.get(intent.id, 0))) + "\n"
        for intent in intents
    )
    return Reply(200, text.encode(), content_type="application/x-ndjson")


def _refunded(world: World) -> dict[str, int]:
    """What was really given back, by intent: released authorizations are not among it."""
    return dict(
        world.store.rows(
            "SELECT payment_intent, sum(json_extract(body, '$.amount')) FROM object"
            " WHERE kind = 'refund' AND json_extract(body, '$.status') IN ('succeeded', 'pending')"
            " GROUP BY payment_intent"
        )
    )


def _line(intent: Record, refunded: int, charges: int) -> Json:
    body = intent.body
    error: Any = body["last_payment_error"] or {}
    return {
        "seq": intent.seq,
        "id": intent.id,
        "status": body["status"],
        "amount": body["amount"],
        "currency": body["currency"],
        "amount_received": body["amount_received"],
        "amount_capturable": body["amount_capturable"],
        "amount_refunded": refunded,
        "capture_method": body["capture_method"],
        "cancellation_reason": body["cancellation_reason"],
        "error": error.get("decline_code") or error.get("code"),
        "metadata": body["metadata"],
        "charge": intent.facts.get("charge"),
        "charges": charges,
        "created": intent.created,
    }


def effects(world: World, asked: Json) -> Json:
    """How often something happened for one payment (or one op_key): the proof of "once"."""
    if asked.get("payment"):
        where, value = "payment = ?", asked["payment"]
    else:
        where, value = "json_extract(body, '$.metadata.op_key') = ?", asked.get("op_key", "")
    store = world.store
    with store.unit():
        intents = store.select("payment_intent", where, (value,))
        marks = ", ".join("?" * len(intents))
        ids = [intent.id for intent in intents]
        charges = store.select("charge", f"payment_intent IN ({marks})", ids)
        refunds = store.select("refund", f"payment_intent IN ({marks})", ids)
    good = [charge for charge in charges if charge.body["status"] == "succeeded"]
    paid_back = [r for r in refunds if r.body["status"] in ("succeeded", "pending")]
    return {
        "intents": ids,
        "charges": len(good),
        "charge_ids": [charge.id for charge in good],
        "failed_charges": len(charges) - len(good),
        "captures": sum(charge.body["captured"] for charge in good),
        "amount_captured": sum(charge.body["amount_captured"] for charge in good),
        "canceled": sum(intent.body["status"] == "canceled" for intent in intents),
        "refunds": len(refunds),
        "refund_ids": [refund.id for refund in refunds],
        "amount_refunded": sum(refund.body["amount"] for refund in paid_back),
    }


def payouts(world: World, asked: Json) -> list[Json]:
    """The payouts ordered under one name of ours, or one op_key: one is "once"."""
    name = "paysys_payout" if asked.get("payout") else "op_key"
    value = asked.get("payout") or asked.get("op_key", "")
    with world.store.unit():
        found = world.store.select(
            "payout", f"json_extract(body, '$.metadata.{name}') = ?", (value,)
        )
    return [payout.body for payout in found]


def disputes(world: World, asked: Json) -> Reply:
    """Every dispute as it stands, with its lines of the balance; or those of one charge."""
    where, values = ("charge = ?", [asked["charge"]]) if "charge" in asked else ("1", [])
    with world.store.unit():
        found = world.store.select("dispute", where, values, "ORDER BY seq")
    text = "".join(dumps(dispute.body) + "\n" for dispute in found)
    return Reply(200, text.encode(), content_type="application/x-ndjson")
