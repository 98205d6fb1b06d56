"""Disputes: opened by a payer, answered or given up by us, decided by whoever plays PayPal."""

from decimal import Decimal

from ..store import Record
from ..wire import Call, Json
from ..world import World
from . import news, objects, reports
from .errors import PayPalError
from .money import amount, money
from .objects import CAPTURE, find, touch

DISPUTE = "paypal_dispute"
_ANSWER_WITHIN = 10 * 86_400
# What can be done about a claim, and what about a question: of the latter nothing is built here.
_OFFERED = ("provide-evidence", "accept-claim")
_OFFERED_TO_ASK = ("send-message", "make-offer", "escalate")
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
        },
        links={"charge": capture.id, "payment_intent": capture.facts["links"]["payment_intent"]},
    )
    if stage != "INQUIRY":
        _hold(world, dispute)
    news.emit(world, "CUSTOMER.DISPUTE.CREATED", shown(world, dispute))
    return dispute


def provide_evidence(world: World, call: Call) -> Json:
    """The seller's answer, with its documents: taken while it is asked for, and then no more."""
    dispute = find(world, call.object_id, DISPUTE)
    _require_offered(dispute)
    named = [
        each["name"] for told in call.params["evidences"] for each in told.get("documents", ())
    ]
    if sorted(named) != sorted(file["filename"] for file in call.files):
        raise PayPalError("INVALID_PARAMETER_VALUE", field="/evidences/documents")
    now = objects.time(world.now())
    given = [
        {**told, "source": "SUBMITTED_BY_SELLER", "date": now,
         "dispute_life_cycle_stage": dispute.body["dispute_life_cycle_stage"]}
        for told in call.params["evidences"]
    ]  # fmt: skip
    dispute.facts["submissions"] = dispute.facts.get("submissions", 0) + 1
    dispute.facts["files"] = [*dispute.facts.get("files", ()), *call.files]
    touch(world, dispute, status="UNDER_REVIEW", dispute_state="UNDER_PAYPAL_REVIEW",
          evidences=[*dispute.body.get("evidences", ()), *given])  # fmt: skip
    news.emit(world, "CUSTOMER.DISPUTE.UPDATED", shown(world, dispute))
    return _subsequent(world, dispute)


def accept_claim(world: World, call: Call) -> Json:
    """The seller gives up: PayPal closes it and gives the payer everything back."""
    dispute = find(world, call.object_id, DISPUTE)
    _require_offered(dispute)
    resolve(world, dispute, refunded=amount(dispute.body["dispute_amount"]))
    return _subsequent(world, dispute)


def resolve(world: World, dispute: Record, *, refunded: Decimal) -> None:
    """PayPal decides: so much goes to the payer, and the rest, if it was held, comes back. Of what
    was decided before only the difference moves, as after an appeal."""
    currency = dispute.body["dispute_amount"]["currency_code"]
    back = Decimal(dispute.facts.get("held", 0)) - refunded
    if dispute.body["dispute_life_cycle_stage"] != "INQUIRY" and back:
        _move(world, dispute, "T1111", back)
        _note_movement(world, dispute, "CREDIT", money(back, currency))
        dispute.facts["held"] = str(refunded)
    outcome: Json = {"outcome_code": f"RESOLVED_{'BUYER' if refunded else 'SELLER'}_FAVOUR"}
    if refunded:
        outcome["amount_refunded"] = money(refunded, currency)
    verdict = {
        "type": "RECOVER_FROM_SELLER" if refunded else "PAYOUT_TO_SELLER",
        "adjudication_time": objects.time(world.now()),
        "dispute_life_cycle_stage": dispute.body["dispute_life_cycle_stage"],
    }
    touch(world, dispute, status="RESOLVED", dispute_state="RESOLVED", dispute_outcome=outcome,
          adjudications=[*dispute.body.get("adjudications", ()), verdict])  # fmt: skip
    capture = find(world, dispute.facts["links"]["charge"], CAPTURE)
    is_claim = dispute.body["dispute_life_cycle_stage"] != "INQUIRY"
    capture.facts["is_disputed"] = is_claim and bool(refunded)
    touch(world, capture)
    if refunded and is_claim:
        _reverse(world, capture, refunded)
    news.emit(world, "CUSTOMER.DISPUTE.RESOLVED", shown(world, dispute))


def _reverse(world: World, capture: Record, refunded: Decimal) -> None:
    """PayPal tells of what it took back as of a refund that nobody asked for; its id is no id of
    the dispute, and only a link says what it is of."""
    named: Json = {n: capture.body[n] for n in ("custom_id", "invoice_id") if n in capture.body}
    reversal = objects.refund(world, capture, "COMPLETED", refunded, total=refunded, told=named)
    news.emit(world, "PAYMENT.CAPTURE.REVERSED", reversal)


def close_by_refund(world: World, capture: Record, returned: Json) -> None:
    """The seller has given everything back: whoever only asked is answered, and PayPal takes
    nothing more."""
    for dispute in world.store.select(DISPUTE, "charge = ?", [capture.id]):
        told = dispute.body
        if told["status"] != "RESOLVED" and told["dispute_life_cycle_stage"] == "INQUIRY":
            outcome = {"outcome_code": "RESOLVED_BUYER_FAVOUR", "amount_refunded": returned}
            touch(world, dispute, status="RESOLVED", dispute_state="RESOLVED",
                  dispute_outcome=outcome)  # fmt: skip
            news.emit(world, "CUSTOMER.DISPUTE.RESOLVED", shown(world, dispute))


def cancel(world: World, dispute: Record) -> None:
    """The payer takes the question back."""
    touch(world, dispute, status="RESOLVED", dispute_state="RESOLVED",
          dispute_outcome={"outcome_code": "CANCELED_BY_BUYER"})  # fmt: skip
    news.emit(world, "CUSTOMER.DISPUTE.RESOLVED", shown(world, dispute))


def escalate(world: World, dispute: Record) -> None:
    """A question becomes a claim, and the money is held."""
    touch(world, dispute, dispute_life_cycle_stage="CHARGEBACK",
          status="WAITING_FOR_SELLER_RESPONSE", dispute_state="REQUIRED_ACTION")  # fmt: skip
    _hold(world, dispute)
    news.emit(world, "CUSTOMER.DISPUTE.UPDATED", shown(world, dispute))


def _hold(world: World, dispute: Record) -> None:
    told = dispute.body["dispute_amount"]
    _move(world, dispute, "T1110", -amount(told))
    _note_movement(world, dispute, "DEBIT", told)
    dispute.facts["held"] = told["value"]
    touch(world, dispute)
    capture = find(world, dispute.facts["links"]["charge"], CAPTURE)
    capture.facts["is_disputed"] = True
    touch(world, capture)


def _move(world: World, dispute: Record, code: str, value: Decimal) -> None:
    currency = dispute.body["dispute_amount"]["currency_code"]
    about, line_id = dispute.facts["links"]["charge"], objects.new_id()
    reports.add(world, code, line_id, value, currency, about=about)
    line = {"id": line_id, "amount": str(value)}
    dispute.facts["lines"] = [*dispute.facts.get("lines", ()), line]


def _note_movement(world: World, dispute: Record, kind: str, told: Json) -> None:
    moved = {"affected_party": "SELLER", "type": kind, "reason": "DISPUTE_SETTLEMENT",
             "amount": told, "initiated_time": objects.time(world.now())}  # fmt: skip
    dispute.body["money_movements"] = [*dispute.body.get("money_movements", ()), moved]


def _is_offered(dispute: Record) -> bool:
    """Evidence is asked for, and the claim can be accepted, while it is the seller's turn."""
    body = dispute.body
    return (
        body["status"] == "WAITING_FOR_SELLER_RESPONSE"
        and body["dispute_life_cycle_stage"] != "INQUIRY"
    )


def _require_offered(dispute: Record) -> None:
    if not _is_offered(dispute):
        raise PayPalError("DISPUTE_ACTION_NOT_ALLOWED")


def _subsequent(world: World, dispute: Record) -> Json:
    return {"links": [_link(world, dispute.id)]}


def shown(world: World, dispute: Record) -> Json:
    """As it is read alone, with the ways on from here; its state, as one party sees it, is told in
    lists."""
    links, more = [_link(world, dispute.id)], {}
    if _is_offered(dispute):
        links += [_link(world, dispute.id, action) for action in _OFFERED]
        more = {"allowed_response_options": {"accept_claim": {"accept_claim_types": ["REFUND"]}}}
    elif dispute.body["status"] == "WAITING_FOR_SELLER_RESPONSE":
        links += [_link(world, dispute.id, action) for action in _OFFERED_TO_ASK]
    told = {n: value for n, value in dispute.body.items() if n not in ("id", "dispute_state")}
    return {**told, **more, "links": links}


def all_of(world: World, capture_id: str = "") -> list[Json]:
    """Every dispute (of one capture) as it stands, with the lines of the account that it moved."""
    where, values = ("charge = ?", [capture_id]) if capture_id else ("1", [])
    found = world.store.select(DISPUTE, where, values, "ORDER BY seq")
    return [shown(world, one) | {"lines": one.facts.get("lines", [])} for one in found]


def facts(dispute: Record) -> Json:
    """What only the simulator knows: how often it was answered, and the files that came along."""
    told = dispute.facts
    return {"submissions": told.get("submissions", 0), "files": told.get("files", [])}


def retrieve(world: World, call: Call) -> Json:
    return shown(world, find(world, call.object_id, DISPUTE))


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


def _link(world: World, dispute_id: str, action: str = "") -> Json:
    base = f"{world.config.base_url}/paypal/v1/customer/disputes"
    href = f"{base}/{dispute_id}/{action}".rstrip("/")
    rel = action.replace("-", "_") or "self"
    return {"href": href, "rel": rel, "method": "POST" if action else "GET"}
