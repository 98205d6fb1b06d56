"""Payouts: every night by itself, and whenever somebody orders one.

What is available leaves for the bank every night, and each line says with which payout it went. A
payout that was ordered is a line of the balance as well, which the next night nets.
"""

from . import banks, charges, objects
from .store import Record
from .wire import Call, Json, StripeError
from .world import World, touch

_SAYS = {
    "no_account": "The bank account details on file are incorrect.",
    "account_closed": "The bank account has been closed.",
}


def create(world: World, call: Call) -> Json:
    """Order one. Whether the balance covers it nobody asks here: see docs/simulator.md."""
    params, now = call.params, world.now()
    if params["amount"] < 1:
        raise StripeError(
            400, "Invalid positive integer", code="parameter_invalid_integer", param="amount"
        )
    bank = banks.find(world, params.get("destination", ""))
    if bank.body["currency"] != params["currency"].lower():
        raise StripeError(
            400, f"You cannot create a payout in {params['currency']} to this external account.",
            code="invalid_currency", param="currency",
        )  # fmt: skip
    payout_id, currency = objects.new_id("po"), params["currency"].lower()
    own = _line(world, payout_id, currency, -params["amount"], "payout")
    body = _body(payout_id, now, currency, params["amount"], own.id) | {
        "automatic": False,
        "description": params.get("description"),
        "destination": bank.id,
        "metadata": objects.metadata({}, params.get("metadata")),
        "reconciliation_status": "not_applicable",
        "statement_descriptor": params.get("statement_descriptor"),
        "status": "pending",
    }
    payout = world.add("payout", body, {"outcome": bank.facts["outcome"]})
    world.emit("payout.created", payout.body)
    if bank.facts["outcome"]["what"] != "silent":
        fails = bank.facts["outcome"]["what"] == "fails"
        world.later("payout_fails" if fails else "payout_arrives", payout_id)
    return payout.body


def end(world: World, payout: Record, result: str) -> None:
    """What the bank does: `pay`, `fail`, or `return`, which is a failure after it had paid."""
    if result != "fail":
        arrive(world, payout, is_told=True)
    if result != "pay":
        fail(world, payout)


def fail(world: World, payout: Record) -> None:
    """The bank does not take it, or sends it back: the money is in the balance again."""
    if payout.body["status"] not in ("pending", "in_transit", "paid"):
        return
    code = (payout.facts.get("outcome") or {}).get("code") or "account_closed"
    body = payout.body
    line = _line(world, payout.id, body["currency"], body["amount"], "payout_failure")
    touch(
        world, payout, status="failed", failure_code=code, failure_message=_SAYS.get(code),
        failure_balance_transaction=line.id,
    )  # fmt: skip
    world.emit("payout.failed", payout.body)


def _line(world: World, payout_id: str, currency: str, amount: int, kind: str) -> Record:
    return charges.balance(
        world, kind=kind, source=payout_id, currency=currency, amount=amount, fee=0,
        available_on=world.now(), category=kind, description="STRIPE PAYOUT",
    )  # fmt: skip


def pay_out(world: World, *, everything: bool = False) -> list[Json]:
    """One automatic payout per currency with a positive available balance, as every night.

    `everything` takes what is still pending too. Each line belongs to one payout, whole.
    """
    now = world.now()
    lines: dict[str, list[Record]] = {}
    for line in world.store.select("balance_transaction", "payout IS NULL"):
        if everything or line.body["available_on"] <= now:
            lines.setdefault(line.body["currency"], []).append(line)
    made = []
    for currency, group in sorted(lines.items()):
        amount = sum(line.body["net"] for line in group)
        if amount > 0:
            made.append(_payout(world, currency, amount, group))
    return made


def _payout(world: World, currency: str, amount: int, group: list[Record]) -> Json:
    payout_id, now = objects.new_id("po"), world.now()
    own = _line(world, payout_id, currency, -amount, "payout")
    for line in [*group, own]:
        line.facts["payout"] = payout_id
        touch(world, line, status="available")
    payout = world.add("payout", _body(payout_id, now, currency, amount, own.id))
    world.emit("payout.created", payout.body)
    world.later("payout_arrives", payout_id)
    return payout.body


def _body(payout_id: str, now: int, currency: str, amount: int, transaction: str) -> Json:
    return {
        "id": payout_id,
        "object": "payout",
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": now - now % 86_400 + 86_400,
        "automatic": True,
        "balance_transaction": transaction,
        "created": now,
        "currency": currency,
        "description": "STRIPE PAYOUT",
        "destination": "ba_simulatorBankAccount00001",
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "completed",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": "in_transit",
        "trace_id": None,
        "type": "bank_account",
    }


def arrive(world: World, payout: Record, *, is_told: bool = False) -> None:
    """It has arrived; one to an account that returns it comes back later, unless we are told."""
    if payout.body["status"] not in ("pending", "in_transit"):
        return
    touch(world, payout, status="paid")
    world.emit("payout.paid", payout.body)
    if payout.body["automatic"]:
        world.emit("payout.reconciliation_completed", payout.body)
    elif payout.facts["outcome"]["what"] == "returns" and not is_told:
        world.later("payout_fails", payout.id)


def balance(world: World, _call: Call) -> Json:
    """What is on the account and not yet paid out, by currency."""
    now = world.now()
    sums: dict[str, dict[str, int]] = {"available": {}, "pending": {}}
    for line in world.store.select("balance_transaction", "payout IS NULL"):
        side = sums["available" if line.body["available_on"] <= now else "pending"]
        side[line.body["currency"]] = side.get(line.body["currency"], 0) + line.body["net"]
    return {
        "object": "balance",
        **{name: [_amount(*pair) for pair in sorted(side.items())] for name, side in sums.items()},
        "livemode": False,
    }


def _amount(currency: str, amount: int) -> Json:
    return {"amount": amount, "currency": currency, "source_types": {"card": amount}}


def retrieve(world: World, call: Call) -> Json:
    return world.get(call.object_id, "payout", param="payout").body
